"""Intervals of every figure of a sweep, from paired answers that are clustered.

Which method serves which figure was decided by simulation (docs/coverage.md), not by custom:

| figure | method | why |
| --- | --- | --- |
| accuracy, area | `score` | Wilson's, on the effective number of samples: never of width 0 |
| differences | `tango` | a score interval too: honest where few or no answers differ |
| retention, gain | `ratio` | both parts by their score intervals, the floor's own error included |
| worst drop, drop from the best | `maximum` | a maximum of noisy drops is biased upwards |
| ACE, RCE, excess ACE | `inversion` | noise only adds to them: percentile covers 0 % when flat |

rho has none: quantiles of resamples did not cover it, so it is shown without.

A failed sample widens each interval to its worst cases, were it wrong or right. With one cluster,
an interval is the whole range that the figure can have (`vacuous`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from scipy.special import ndtr, ndtri

from resolution_eval.statistics.curves import FIGURES, FloatArray, ScoreGrid
from resolution_eval.statistics.proportions import (
    FLAT,
    FigureRange,
    bisect,
    effective_size,
    tango,
    tango_z,
    wilson,
)
from resolution_eval.statistics.resampling import IntArray, Resamples

LEVEL = 0.95
"""Intended coverage, where no other is named."""
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
    left_out: int = 0
    """Samples without a score in every column; those that failed are allowed for in the ends."""


def interval(
    resampled: Resamples, part: FigureRange, method: str, level: float = LEVEL
) -> Interval:
    """`part` with the counts of what it was computed from."""
    counts = (resampled.n, resampled.clusters, len(resampled.draws), resampled.seed)
    named = method if resampled.clusters > 1 else "vacuous"
    estimate, low, high = map(float, part)
    return Interval(estimate, low, high, level, *counts, named, resampled.answers.left_out)


Tails: TypeAlias = tuple[float, float]
"""The error allowed below the low end and above the high end."""
TAIL = (1 - LEVEL) / 2


def even(level: float = LEVEL) -> Tails:
    """The same error at both ends."""
    return (1 - level) / 2, (1 - level) / 2


def contrasts(resampled: Resamples, lines: FloatArray, tails: Tails) -> list[FigureRange]:
    """Several differences at once (lines, columns): Tango's intervals, as `linear` has them."""
    reach = np.maximum(np.maximum(lines, 0).sum(axis=1), np.maximum(-lines, 0).sum(axis=1))
    reach = np.maximum(reach, FLAT)
    scaled = lines / reach[:, None]
    if resampled.clusters < 2:
        ends = np.ones((2, len(lines))) * [[-1.0], [1.0]]
    else:
        quantiles = map(resampled.quantile, tails)
        ends = np.array(Pairs.of(resampled, scaled).ends(*quantiles))
    made = []
    for line, scale, low, high in zip(lines, reach, *ends, strict=True):
        down, up = _slack(resampled, line)
        bottom, top = max(low * scale - down, -scale), min(high * scale + up, scale)
        made.append(FigureRange(float(line @ resampled.accuracy), float(bottom), float(top)))
    return made


def linear(
    resampled: Resamples, weights: Sequence[float] | FloatArray, tails: Tails
) -> FigureRange:
    """Weighted sum of the columns' accuracies, its failed samples at their worst.

    A mean of columns (weights from 0, which sum to 1) has Wilson's interval, every other sum
    Tango's, both on the effective number of samples.
    """
    line = np.asarray(weights, dtype=float)
    if (line < 0).any() or abs(line.sum() - 1) > 1e-9:
        return contrasts(resampled, line[None, :], tails)[0]
    mean = float(np.clip(line @ resampled.accuracy, 0.0, 1.0))
    if resampled.clusters < 2:
        return FigureRange(mean, 0.0, 1.0)
    error = line @ resampled.covariance @ line
    size = float(effective_size(resampled.n, mean * (1 - mean), error, resampled.effective))
    low, high = (wilson(mean, size, resampled.quantile(tail)) for tail in tails)
    down, up = _slack(resampled, line)
    return FigureRange(mean, max(low[0] - down, 0.0), min(high[1] + up, 1.0))


def _slack(resampled: Resamples, line: FloatArray) -> tuple[float, float]:
    down, up = resampled.answers.slack
    positive, negative = np.maximum(line, 0), np.maximum(-line, 0)
    return float(positive @ down + negative @ up), float(positive @ up + negative @ down)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Differences between columns, as Tango's test takes them: one entry per difference."""

    gained: FloatArray
    """Mean over the samples of what lies above 0."""
    lost: FloatArray
    """Mean over the samples of what lies below."""
    size: FloatArray
    """Effective number of samples."""

    @classmethod
    def of(cls, resampled: Resamples, lines: FloatArray) -> Pairs:
        """The differences `lines @ accuracy` (differences, columns)."""
        steps = resampled.answers.correct @ lines.T
        gained, lost = np.maximum(steps, 0).mean(axis=0), np.maximum(-steps, 0).mean(axis=0)
        variance = gained + lost - (gained - lost) ** 2
        error = np.einsum("...i,ij,...j->...", lines, resampled.covariance, lines)
        size = effective_size(resampled.n, variance, error, resampled.effective)
        return cls(np.asarray(gained), np.asarray(lost), size)

    @classmethod
    def between(cls, resampled: Resamples, first: IntArray, second: IntArray) -> Pairs:
        """The differences A(first) - A(second) of several pairs of columns."""
        identity = np.eye(len(resampled.accuracy))
        return cls.of(resampled, identity[first] - identity[second])

    def ends(self, low: float, high: float) -> tuple[FloatArray, FloatArray]:
        """Ends of Tango's intervals at one quantile for the low ends and one for the high."""
        return tango(self.gained, self.lost, self.size, (low, high))

    def z(self, difference: float | FloatArray) -> FloatArray:
        """Tango's statistics of 'the difference is `difference`'."""
        return tango_z(self.gained, self.lost, self.size, difference)


def accuracies(resampled: Resamples, *, level: float = LEVEL) -> tuple[Interval, ...]:
    """Accuracy of every column, in [0, 1]: Wilson's interval on the effective number of samples.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> answers = {str(i): float(i % 4 > 0) for i in range(80)}
        >>> (cell,) = accuracies(resample(align([answers]), seed=1))
        >>> cell.estimate, round(cell.low, 2), round(cell.high, 2), cell.clusters
        (0.75, 0.65, 0.83, 80)
    """
    return tuple(
        interval(resampled, linear(resampled, line, even(level)), "score", level)
        for line in np.eye(len(resampled.accuracy))
    )


def contrast(resampled: Resamples, weights: Sequence[float], *, level: float = LEVEL) -> Interval:
    """Weighted sum of the columns' accuracies, such as (1, -1) for the first minus the second.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> low = {str(i): float(i % 2) for i in range(60)}
        >>> high = {str(i): float(i % 6 > 0) for i in range(60)}
        >>> gain = contrast(resample(align([low, high]), seed=1), (-1, 1))
        >>> round(gain.estimate, 3), round(gain.low, 2), round(gain.high, 2)
        (0.333, 0.23, 0.46)
    """
    return interval(resampled, linear(resampled, weights, even(level)), "tango", level)


def figure(name: str, resampled: Resamples, grid: ScoreGrid) -> Interval:
    """The figure `name` of `METHODS` with its interval; the first columns are those of `grid`.

    Fractions only: accuracies lie in [0, 1].

    Raises:
        KeyError: a figure without an interval that covers, such as rho.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> low = {str(i): float(i % 2) for i in range(60)}
        >>> high = {str(i): float(i % 6 > 0) for i in range(60)}
        >>> drop = figure("worst_drop", resample(align([low, high]), seed=1), ScoreGrid((28, 224)))
        >>> round(drop.estimate, 3), round(drop.low, 2), round(drop.high, 2)
        (0.333, 0.23, 0.47)
    """
    method, solve = METHODS[name]
    curve = resampled.pick(range(len(grid.resolutions)))
    if curve.clusters > 1:
        return interval(resampled, solve(curve, grid), method)
    estimate = float(FIGURES[name](curve.accuracy[None, :], grid)[0])
    return interval(resampled, FigureRange(estimate, 0.0, _top(name, grid)), method)


def _top(name: str, grid: ScoreGrid) -> float:
    steps = max(len(grid.resolutions) - 1, 1)
    return {"ace": float(steps), "excess_ace": float(steps), "rce": 2.0 * (steps + 1)}.get(name, 1)


def area_weights(grid: ScoreGrid) -> FloatArray:
    """How much each resolution weighs in the area."""
    return FIGURES["area"](np.eye(len(grid.resolutions)), grid)


def _worst_drop(resampled: Resamples, grid: ScoreGrid) -> FigureRange:
    """Over every other resolution; r* itself adds the drop of 0."""
    columns = np.arange(len(grid.resolutions))
    reference = columns[grid.reference]
    others = columns[columns != reference]
    return _maximum(resampled, np.full_like(others, reference), others)


def _best_drop(resampled: Resamples, grid: ScoreGrid) -> FigureRange:
    columns = np.arange(len(grid.resolutions))
    first, second = (each.ravel() for each in np.meshgrid(columns, columns))
    return _maximum(resampled, first[first != second], second[first != second])


def _maximum(resampled: Resamples, first: IntArray, second: IntArray) -> FigureRange:
    """Ends for the largest of the differences A(first) - A(second), and 0.

    The lower end is the largest lower bound, simultaneous over the differences that can still be
    the largest; the upper end the largest single upper bound, as the true maximiser's is among
    them. 0 is always among them: it is the reference's own drop.

    Source: Andrews and Soares 2010, Econometrica 78, for leaving out what cannot be the largest.
    """
    if not len(first):
        return FigureRange(0.0, 0.0, 0.0)
    differences = Pairs.between(resampled, first, second)
    values = differences.gained - differences.lost
    below, above = 2 * BELOW * (1 - LEVEL) / 2, 2 * (1 - BELOW) * (1 - LEVEL) / 2
    spread = differences.gained + differences.lost + FLAT
    margin = np.sqrt(np.log(resampled.clusters) * spread / differences.size)
    able = values + margin >= max((values - margin).max(), 0.0)
    noise = resampled.draws - resampled.accuracy
    steps = (noise[:, first] - noise[:, second])[:, able]
    reach = _simultaneous(resampled, steps, below)
    low, high = differences.ends(reach, resampled.quantile(above))
    down, up = resampled.answers.slack
    low, high = low - down[first] - up[second], high + up[first] + down[second]
    estimate = max(float(values.max()), 0.0)
    ends = max(float(low[able].max(initial=0.0)), 0.0), min(max(float(high.max()), 0.0), 1.0)
    return FigureRange(estimate, min(ends[0], estimate), max(ends[1], estimate))


def _simultaneous(resampled: Resamples, noise: FloatArray, tail: float) -> float:
    """Quantile that `tail` of the largest standardised errors (draws, figures) exceed."""
    errors = noise.std(axis=0)
    moving = noise[:, errors > FLAT] / errors[errors > FLAT]
    single = -ndtri(tail)
    largest = single if not moving.size else np.quantile(moving.max(axis=1), 1 - tail)
    return resampled.quantile(float(ndtr(-max(largest, single))))


def _inversion(name: str, resampled: Resamples, grid: ScoreGrid) -> FigureRange:
    """Test inversion along the curves between flat and ever steeper: mean + t * (A - mean), t >= 0.

    Failed samples widen the ends by as much as they could move the steps.

    Source: hybrid resampling, Chuang and Lai 2000, Statistica Sinica 10.
    """
    observed, top = resampled.accuracy, _top(name, grid)
    base = np.full_like(observed, observed.mean())
    noise = (resampled.draws - observed) * resampled.widening
    bounds = invert(
        lambda rows: FIGURES[name](rows, grid),
        base,
        observed - base,
        noise,
        clusters=resampled.effective,
        top=top,
    )
    down, up = resampled.answers.slack
    steps = 2 * float((down + up).sum())
    if name == "rce" and steps:  # steps / mean: the mean moves too, by no more than each column
        steps *= (1 + bounds.estimate) / max(float((observed - down).mean()), FLAT)
    low, high = max(bounds.low - steps, 0.0), min(bounds.high + steps, top)
    return FigureRange(bounds.estimate, low, high)


def invert(
    statistic: Callable[[FloatArray], FloatArray],
    base: FloatArray,
    shape: FloatArray,
    noise: FloatArray,
    *,
    clusters: float,
    top: float,
) -> FigureRange:
    """Interval of statistic(base + shape), a figure that noise only raises, by test inversion.

    For every t >= 0 the figure is resampled, by `noise`, around base + t * shape; t stays in where
    the observed figure is no farther from that curve's than 95 % of the resampled ones. So t = 1 is
    in.

    A figure observed at 0 has no shape to make steeper: its interval reaches from 0 to the quantile
    of the resampled ones that leaves a tenth of one end's error. Where no draw differs, it reaches
    as far as the share of `clusters` that could differ unseen: 1 - 0.05^(1 / clusters).
    """
    estimate = float(statistic((base + shape)[None, :])[0])
    around = statistic(base + shape + noise)
    if np.ptp(around) <= FLAT:
        unseen = 1 - (1 - LEVEL) ** (1 / clusters)
        return FigureRange(estimate, max(0.0, estimate - top * unseen), estimate + top * unseen)

    def at(scale: float) -> float:
        return float(statistic((base + scale * shape)[None, :])[0])

    def fits(scale: float) -> bool:
        centre = at(scale)
        drawn = statistic(base + scale * shape + noise)
        nearer = np.count_nonzero(np.abs(drawn - centre) < abs(estimate - centre) - FLAT)
        return bool(nearer <= LEVEL * len(drawn))

    if estimate <= FLAT:
        return FigureRange(estimate, 0.0, float(np.quantile(around, 1 - (1 - LEVEL) / 20)))
    low = 0.0 if fits(0.0) else bisect(fits, 1.0, 0.0, steps=10)[0]
    beyond = 2.0
    while fits(beyond) and at(beyond) < top:
        beyond *= 2
    return FigureRange(estimate, at(low), at(bisect(fits, 1.0, beyond, steps=10)[0]))


Solver: TypeAlias = Callable[[Resamples, ScoreGrid], FigureRange]
METHODS: dict[str, tuple[str, Solver]] = {
    "area": ("score", lambda resampled, grid: linear(resampled, area_weights(grid), even())),
    "worst_drop": ("maximum", _worst_drop),
    "best_drop": ("maximum", _best_drop),
    "ace": ("inversion", partial(_inversion, "ace")),
    "rce": ("inversion", partial(_inversion, "rce")),
    "excess_ace": ("inversion", partial(_inversion, "excess_ace")),
}
"""The figures of a curve that have an interval, and by which method."""
