"""Intervals of every figure from one paired cluster bootstrap.

Which method serves which figure was decided by simulation (docs/coverage.md), not by custom:

| figure | method | why |
| --- | --- | --- |
| accuracy, balanced accuracy, area | `score` | percentile and BCa give [1, 1] when all is right |
| differences | `t` | percentile and BCa are too narrow where few answers differ |
| retention | `fieller` | unbounded exactly when the denominator is noise |
| ACE, RCE, excess ACE | `inversion` | noise only adds to them: percentile covers 0 % when flat |
| worst drop | `maximum` | a maximum of noisy drops has the same upward bias |
| rho | `percentile` | |

With one cluster, an interval is the whole range that the figure can have (`vacuous`). Where no
resample differs from another, it reaches as far as the share of clusters that could differ unseen:
1 - (1 - level)^(1/clusters), about 3/clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import t as student

from resolution_eval.statistics.curves import FIGURES, FloatArray, Grid, Withheld
from resolution_eval.statistics.resampling import Resampled

FLAT = 1e-12
"""Below this a spread is rounding."""
BELOW = 0.7
"""Part of the error that `maximum` allows at the low end.

The true largest drop is seldom above the high end, and never where it is 0: with equal tails the
interval would hold it too often.
"""


@dataclass(frozen=True)
class Interval:
    """A figure and the range that holds its true value in `level` of repetitions."""

    estimate: float
    low: float
    high: float
    level: float
    """Intended coverage, for example 0.95."""
    n: int
    """Samples that the estimate is computed from."""
    clusters: int
    """Patients, slides or images that were resampled."""
    resamples: int
    seed: int
    method: str


Map: TypeAlias = Callable[[FloatArray], FloatArray]
"""Accuracies (rows, columns) to a figure (rows,)."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What a method needs: a figure, the draws it varies over, and the range that it can have."""

    figure: Map
    resampled: Resampled
    bounds: tuple[float, float]
    level: float = 0.95
    lines: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    """For `maximum`: the figure is the largest of lines @ accuracy, and 0."""

    @cached_property
    def estimate(self) -> float:
        return float(self.figure(self.resampled.accuracy[None, :])[0])

    @cached_property
    def draws(self) -> FloatArray:
        return self.figure(self.resampled.draws)

    @cached_property
    def error(self) -> float:
        """Standard error over the draws, widened by sqrt(E / (E - 1)) for E effective clusters."""
        effective = self.resampled.effective
        return float(self.draws.std() * np.sqrt(effective / (effective - 1)))

    def quantile(self, tail: float) -> float:
        """Student's quantile that `tail` of the errors exceed, for one less than E clusters."""
        return float(student.ppf(1 - tail, self.resampled.effective - 1))

    @property
    def tail(self) -> float:
        """The error allowed at each end."""
        return (1 - self.level) / 2


Ends: TypeAlias = tuple[float, float]


def _unseen(problem: Problem) -> Ends:
    """Ends where no draw differs: what the share of clusters that could differ unseen would do."""
    share = 1 - (1 - problem.level) ** (1 / problem.resampled.clusters)
    low, high = problem.bounds
    return problem.estimate - share * abs(low), problem.estimate + share * high


def _score(problem: Problem) -> Ends:
    """Wilson's interval on the number of independent samples that would have this standard error.

    Source: Wilson 1927; Dean and Pagano 2015, Survey Methodology 41, for the effective sample size.
    """
    mean, error, z = problem.estimate, problem.error, problem.quantile(problem.tail)
    size = mean * (1 - mean) / error**2 if error > FLAT else problem.resampled.clusters
    centre = (mean + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(mean * (1 - mean) / size + (z / (2 * size)) ** 2) / (1 + z**2 / size)
    return centre - half, centre + half


def _t(problem: Problem) -> Ends:
    """Estimate plus and minus Student's quantile times the standard error of the draws."""
    if problem.error <= FLAT:
        return _unseen(problem)
    half = problem.quantile(problem.tail) * problem.error
    return problem.estimate - half, problem.estimate + half


def _percentile(problem: Problem) -> Ends:
    """Quantiles of the draws. Source: Efron 1979."""
    low, high = np.nanquantile(problem.draws, [problem.tail, 1 - problem.tail])
    return float(low), float(high)


def _bca(problem: Problem) -> Ends:
    """Quantiles of the draws at levels corrected for bias and acceleration. Source: Efron 1987."""
    draws, estimate = problem.draws, problem.estimate
    below = ((draws < estimate).mean() + (draws <= estimate).mean()) / 2
    bias = ndtri(np.clip(below, 1 / (len(draws) + 1), len(draws) / (len(draws) + 1)))
    left_out = problem.figure(problem.resampled.jackknife())
    pull = left_out.mean() - left_out
    spread = (pull**2).sum() ** 1.5
    skew = (pull**3).sum() / (6 * spread) if spread > FLAT else 0.0
    shift = bias + ndtri(np.array([problem.tail, 1 - problem.tail]))
    low, high = np.quantile(draws, ndtr(bias + shift / (1 - skew * shift)))
    return float(low), float(high)


def _inversion(problem: Problem) -> Ends:
    """Test inversion along the curves between flat and ever steeper: mean + t * (A - mean), t >= 0.

    For every t the figure is resampled around that curve; t stays in where the observed figure is
    no farther from that curve's figure than `level` of the resampled ones. So t = 1 is always in.

    A figure observed at 0 has no shape to make steeper: its interval reaches from 0 to the quantile
    of the resampled ones that leaves a tenth of one end's error. A true figure just above 0 is
    missed from both sides, and the other side already has all the error (docs/coverage.md).

    Source: hybrid resampling, Chuang and Lai 2000, Statistica Sinica 10.
    """
    observed, noise = problem.resampled.accuracy, problem.resampled.deviations
    if np.abs(noise).max() <= FLAT:
        return _unseen(problem)
    mean, estimate = observed.mean(), problem.estimate
    shape = observed - mean

    def at(scale: float) -> float:
        return float(problem.figure((mean + scale * shape)[None, :])[0])

    def fits(scale: float) -> bool:
        drawn = problem.figure(mean + scale * shape + noise)
        reach = np.quantile(np.abs(drawn - at(scale)), problem.level)
        return bool(abs(estimate - at(scale)) <= reach)

    if estimate <= FLAT:
        return 0.0, float(np.quantile(problem.figure(observed + noise), 1 - problem.tail / 10))
    low = 0.0 if fits(0.0) else _bisect(fits, inside=1.0, outside=0.0)
    beyond = 2.0
    while fits(beyond) and at(beyond) < problem.bounds[1]:
        beyond *= 2
    return at(low), at(_bisect(fits, inside=1.0, outside=beyond))


def _bisect(fits: Callable[[float], bool], *, inside: float, outside: float) -> float:
    for _ in range(14):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if fits(middle) else (inside, middle)
    return inside


def _maximum(problem: Problem) -> Ends:
    """Ends for the largest of several linear figures: below simultaneous, above one at a time.

    The lower end is the largest lower bound, simultaneous over the lines that can still be the
    largest; the upper end the largest single upper bound, as the true maximiser's is among them.

    Source: Andrews and Soares 2010, Econometrica 78, for leaving out what cannot be the largest.
    """
    lines, clusters = problem.lines, problem.resampled.clusters
    noise = problem.resampled.deviations @ lines.T
    errors = noise.std(axis=0)
    noisy = errors > FLAT
    if not noisy.any():
        return _unseen(problem)
    values, noise, errors = (
        (lines @ problem.resampled.accuracy)[noisy],
        noise[:, noisy],
        errors[noisy],
    )
    below, above = 2 * BELOW * problem.tail, 2 * (1 - BELOW) * problem.tail
    high = float((values + problem.quantile(above) * errors).max())
    margin = np.sqrt(np.log(clusters)) * errors
    able = values + margin >= (values - margin).max()
    largest = (noise[:, able] / errors[able]).max(axis=1)
    low = values[able] - np.quantile(largest, 1 - below) * errors[able]
    return float(low.max()), high


METHODS: dict[str, Callable[[Problem], Ends]] = {
    "score": _score,
    "t": _t,
    "percentile": _percentile,
    "bca": _bca,
    "inversion": _inversion,
    "maximum": _maximum,
}
CHOSEN = {
    "area": "score",
    "ace": "inversion",
    "rce": "inversion",
    "excess_ace": "inversion",
    "worst_drop": "maximum",
    "rho": "percentile",
}
"""The method that each figure of a curve uses unless told otherwise."""


def solve(problem: Problem, method: str) -> Interval:
    """The interval of `problem` by `method`, kept within the bounds of the figure."""
    source = problem.resampled
    low, high = problem.bounds
    if source.clusters > 1 and np.isfinite(problem.estimate):
        ends = METHODS[method](problem)
        low, high = max(low, float(ends[0])), min(high, float(ends[1]))
    else:
        method = "vacuous"
    counts = (source.n, source.clusters, len(source.draws), source.seed)
    return Interval(problem.estimate, low, high, problem.level, *counts, method)


def accuracies(
    resampled: Resampled, *, level: float = 0.95, method: str = "score"
) -> tuple[Interval, ...]:
    """Accuracy (or balanced accuracy, if so resampled) of every column, in [0, 1].

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> answers = {str(i): float(i % 4 > 0) for i in range(80)}
        >>> (cell,) = accuracies(resample(align([answers]), seed=1))
        >>> cell.estimate, round(cell.low, 2), round(cell.high, 2), cell.clusters
        (0.75, 0.64, 0.83, 80)
    """
    columns = range(len(resampled.accuracy))
    picks = (_column(column) for column in columns)
    return tuple(solve(Problem(pick, resampled, (0.0, 1.0), level), method) for pick in picks)


def _column(column: int) -> Map:
    return lambda rows: rows[:, column]


def figure(
    name: str, resampled: Resampled, grid: Grid, *, level: float = 0.95, method: str = ""
) -> Interval:
    """The figure `name` of `curves.FIGURES` with its interval; the columns are those of `grid`.

    Fractions only: accuracies lie in [0, 1].

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> low = {str(i): float(i % 2) for i in range(60)}
        >>> high = {str(i): float(i % 6 > 0) for i in range(60)}
        >>> drop = figure("worst_drop", resample(align([low, high]), seed=1), Grid((28, 224)))
        >>> round(drop.estimate, 3), round(drop.low, 2), round(drop.high, 2)
        (0.333, 0.22, 0.47)
    """
    steps = max(len(grid.resolutions) - 1, 1)
    tops = {"area": 1.0, "rho": 1.0, "worst_drop": 1.0, "rce": 2.0 * (steps + 1)}
    bounds = (-1.0 if name == "rho" else 0.0, tops.get(name, float(steps)))
    identity = np.eye(len(grid.resolutions))
    problem = Problem(
        lambda rows: FIGURES[name](rows, grid),
        resampled,
        bounds,
        level,
        identity[grid.reference] - identity,
    )
    return solve(problem, method or CHOSEN[name])


def contrast(
    resampled: Resampled, weights: Sequence[float], *, level: float = 0.95, method: str = "t"
) -> Interval:
    """Weighted sum of the columns' accuracies, such as (1, -1) for the first minus the second.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> low = {str(i): float(i % 2) for i in range(60)}
        >>> high = {str(i): float(i % 6 > 0) for i in range(60)}
        >>> gain = contrast(resample(align([low, high]), seed=1), (-1, 1))
        >>> round(gain.estimate, 3), round(gain.low, 2), round(gain.high, 2)
        (0.333, 0.21, 0.46)
    """
    line = np.asarray(weights, dtype=float)
    bounds = (float(line[line < 0].sum()), float(line[line > 0].sum()))
    return solve(Problem(lambda rows: rows @ line, resampled, bounds, level), method)


def retention(
    resampled: Resampled, column: int, reference: int, *, chance: float = 0.0, level: float = 0.95
) -> Interval | Withheld:
    """(A(column) - chance) / (A(reference) - chance) with Fieller's interval (may exceed 1).

    Withheld where the denominator is not above 0 by its own interval: Fieller's is then unbounded.
    With chance 0 it is the ratio of two accuracies, as in mixed retention.

    Source: Fieller 1954, J. R. Stat. Soc. B 16.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> low = {str(i): float(i % 2) for i in range(60)}
        >>> high = {str(i): float(i % 6 > 0) for i in range(60)}
        >>> kept = retention(resample(align([low, high]), seed=1), 0, 1, chance=0.25)
        >>> round(kept.estimate, 3), round(kept.low, 2), round(kept.high, 2)
        (0.429, 0.22, 0.63)
    """
    above = resampled.accuracy[[column, reference]] - chance
    if resampled.clusters < 2:
        return Withheld("one cluster: nothing tells the reference from chance")
    noise = resampled.deviations[:, [column, reference]]
    t = float(student.ppf((1 + level) / 2, resampled.effective - 1))
    (top, mixed), (_, bottom) = (noise.T @ noise / len(noise) * t**2).tolist()
    free = above[1] ** 2 - bottom
    if above[1] <= 0 or free <= 0:
        return Withheld(
            f"accuracy {above[1] + chance:.4g} at the reference is not above chance "
            f"{chance:.4g} by its {level:.0%} interval"
        )
    centre = above[0] * above[1] - mixed
    half = np.sqrt(max(centre**2 - free * (above[0] ** 2 - top), 0.0))
    counts = (resampled.n, resampled.clusters, len(resampled.draws), resampled.seed)
    low, high = float((centre - half) / free), float((centre + half) / free)
    return Interval(float(above[0] / above[1]), low, high, level, *counts, "fieller")
