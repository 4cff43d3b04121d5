"""The margin: what is shown to lose no more than delta, which no absence of evidence shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from resolution_eval.statistics.curves import FloatArray, ScoreGrid, Withheld
from resolution_eval.statistics.intervals import Pairs
from resolution_eval.statistics.resampling import Resamples

MARGIN = 0.02
"""The loss of accuracy that a user calls none, unless told: 2 points."""
ERROR = 0.05
"""How often a choice may lose more than the margin, and a curve be called robust that is not."""
POWER = 0.8
"""With which the samples named as needed would show what these do not."""


@dataclass(frozen=True)
class Choice:
    """The smallest (or cheapest) resolution shown to lose no more than the margin."""

    resolution: int
    """Edge in pixels."""
    column: int
    loss: float
    """Observed accuracy of the best less that of the choice; 0 where it is the best itself."""
    bound: float
    """What the loss is shown to be below, at the error of the whole choice."""
    delta: float
    p: float
    """Of 'it loses more than delta', adjusted by Holm over the resolutions."""
    error: float


@dataclass(frozen=True)
class Unshown(Withheld):
    """What these samples do not show, with what they can show and how many would do."""

    tells: float
    """The smallest margin (fraction) that these samples do show."""
    needed: int
    """Samples, clustered as these, that show the margin in 80 % where nothing is lost."""


@dataclass(frozen=True)
class Robustness:
    """Whether the whole curve lies within the margin of its best."""

    shown: bool
    bound: float
    """No resolution loses more than this against any other, at 95 % one-sided."""
    delta: float
    p: float
    """Of 'some resolution loses more than delta'."""


def choose(
    resampled: Resamples,
    grid: ScoreGrid,
    *,
    delta: float = MARGIN,
    costs: Sequence[float] | None = None,
    error: float = ERROR,
) -> Choice | Unshown:
    """The cheapest resolution shown to lose no more than `delta` against the best.

    Cheapest is the smallest, or that with the least of `costs` (such as visual tokens). Every
    resolution is tested against each other one by Tango's test of 'the other is better by delta or
    more' and counts only where all reject (intersection and union), so that the best need not be
    known; Holm over the resolutions then keeps the chance of choosing any that loses more within
    `error`, whatever the curve's form.

    Source: Berger 1982, Technometrics 24, for the intersection and union; Tango 1998; Holm 1979.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> rates = (30, 50, 72, 72, 72)
        >>> columns = [{str(i): float(i * 37 % 100 < rate) for i in range(2000)} for rate in rates]
        >>> found = choose(resample(align(columns), seed=1), ScoreGrid((28, 56, 112, 224, 448)))
        >>> found.resolution, found.loss, found.bound < 0.02
        (112, 0.0, True)
    """
    count = len(grid.resolutions)
    if count == 1:
        return Choice(grid.resolutions[0], 0, 0.0, 0.0, delta, 0.0, error)
    rivals = _Rivals.of(resampled, count)
    p, bounds = _losses(rivals, delta, error)
    price = np.asarray(grid.resolutions if costs is None else costs, dtype=float)
    shown = [c for c in np.lexsort((np.arange(count), price)) if p[c] <= error]
    if resampled.clusters > 1 and shown:
        column = int(shown[0])
        loss = float(resampled.accuracy[:count].max() - resampled.accuracy[column])
        place = (grid.resolutions[column], column)
        return Choice(*place, loss, float(bounds[column]), delta, float(p[column]), error)
    tells = float(bounds.min())
    needed = _needed(rivals, delta, error)
    return Unshown(
        f"not shown: these {resampled.n} samples can tell {100 * tells:.1f} points apart, "
        f"{100 * delta:g} points need about {needed:,}",
        tells,
        needed,
    )


def robust(
    resampled: Resamples, grid: ScoreGrid, *, delta: float = MARGIN, error: float = ERROR
) -> Robustness:
    """Whether no resolution loses more than `delta` against any other, by intersection and union.

    Source: Berger 1982, Technometrics 24: each single test at `error` gives `error` altogether.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> columns = [{str(i): float(i * 37 % 100 < 70) for i in range(900)} for _ in range(4)]
        >>> robust(resample(align(columns), seed=1), ScoreGrid((28, 56, 112, 224))).shown
        True
    """
    count = len(grid.resolutions)
    if count == 1:
        return Robustness(True, 0.0, delta, 0.0)
    if resampled.clusters < 2:
        return Robustness(False, 1.0, delta, 1.0)
    rivals = _Rivals.of(resampled, count)
    p = float(rivals.p(delta).max())
    bound = min(max(float(rivals.upper(error).max()), 0.0), 1.0)
    return Robustness(bound <= delta, bound, delta, p)


@dataclass(frozen=True, eq=False)
class _Rivals:
    """By how much every other resolution is better than each, all pairs in one row."""

    resampled: Resamples
    differences: Pairs
    slack: FloatArray
    """By how much failed samples could raise each difference."""
    count: int
    """Resolutions."""

    @classmethod
    def of(cls, resampled: Resamples, count: int) -> _Rivals:
        one, other = (each.ravel() for each in np.indices((count, count)))
        first, second = other[one != other], one[one != other]
        down, up = resampled.answers.slack
        pairs = Pairs.between(resampled, first, second)
        return cls(resampled, pairs, up[first] + down[second], count)

    def p(self, delta: float) -> FloatArray:
        """Of 'another is better by delta or more', one-sided, failed samples at their worst."""
        z, alone = self.differences.z(delta - self.slack), self.resampled.simple
        return self.worst(ndtr(z) if alone else stdtr(self.resampled.effective - 1, z))

    def upper(self, tail: float) -> FloatArray:
        """Upper end of the difference to the best other, exceeded with the probability `tail`."""
        _, high = self.differences.ends(0.0, self.resampled.quantile(tail))
        return self.worst(high + self.slack)

    def worst(self, values: FloatArray) -> FloatArray:
        """Largest value over the others, per resolution."""
        return np.asarray(values.reshape(self.count, self.count - 1).max(axis=1))


def _losses(rivals: _Rivals, delta: float, error: float) -> tuple[FloatArray, FloatArray]:
    """Per resolution the adjusted p of losing more than delta, and a bound of its loss."""
    count, p = rivals.count, rivals.p(delta)
    order = np.argsort(p, kind="stable")
    left = np.minimum(count - np.arange(count), count - 1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.maximum.accumulate(left * p[order]), 1.0)
    return adjusted, np.clip(rivals.upper(error / (count - 1)), 0.0, 1.0)


def _needed(rivals: _Rivals, delta: float, error: float) -> int:
    """Samples that show the margin for one resolution as good as all others."""
    pairs, seen = rivals.differences, rivals.resampled
    spread = rivals.worst((pairs.gained + pairs.lost + 1 / seen.effective) * seen.n / pairs.size)
    reach = seen.quantile(error / (rivals.count - 1)) + ndtri(POWER)
    return int(np.ceil(spread.min() * (reach / delta) ** 2))
