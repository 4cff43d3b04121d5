"""Accuracy fitted against log2 r: where more resolution stops paying."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resolution_eval.statistics.curves import FloatArray, Grid, Withheld
from resolution_eval.statistics.intervals import Interval, contrast
from resolution_eval.statistics.proportions import FLAT
from resolution_eval.statistics.resampling import Resampled

PER_OCTAVE = 32
"""Candidate knees per doubling of the resolution: the knee is found to about 2 %."""


@dataclass(frozen=True)
class Knee:
    """A rise in log2 r that turns into a plateau."""

    resolution: Interval
    """Where it turns (edge in pixels), with its percentile interval."""
    slope: float
    """Accuracy gained per doubling below the knee."""
    plateau: float
    """Accuracy above the knee."""
    reached: bool
    """Whether the interval ends below the largest resolution: else the plateau was not seen."""


def knee(resampled: Resampled, grid: Grid, *, level: float = 0.95) -> Knee | Withheld:
    """The least-squares fit A = plateau + slope * min(log2 r - log2 knee, 0), one fit per resample.

    Withheld with fewer than four resolutions, or where accuracy does not rise from the first to
    the last by the interval of that difference: a flat curve has no knee.

    Source: segmented regression, Hinkley 1971, J. Am. Stat. Assoc. 66.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> rates = (30, 50, 70, 72, 72)
        >>> columns = [{str(i): float(i * 37 % 100 < rate) for i in range(400)} for rate in rates]
        >>> found = knee(resample(align(columns), seed=1), Grid((28, 56, 112, 224, 448)))
        >>> round(found.resolution.estimate), round(found.slope, 2), round(found.plateau, 2)
        (121, 0.2, 0.72)
        >>> found.reached
        True
    """
    if len(grid.resolutions) < 4:
        return Withheld(f"a knee needs four resolutions, found {len(grid.resolutions)}")
    rise = [-1.0, *[0.0] * (len(grid.resolutions) - 2), 1.0]
    if resampled.clusters < 2 or contrast(resampled, rise, level=level).low <= 0:
        return Withheld("accuracy does not rise from the first to the last resolution")
    octaves = np.log2(np.asarray(grid.resolutions, dtype=float))
    turn, slope, plateau = (float(part[0]) for part in _fit(resampled.accuracy[None], octaves))
    turns = _fit(resampled.draws, octaves)[0]
    tail = (1 - level) / 2
    low, high = np.quantile(turns, [tail, 1 - tail])
    counts = (resampled.n, resampled.clusters, len(resampled.draws), resampled.seed)
    ends = (2**turn, float(2**low), float(2**high))
    interval = Interval(*ends, level, *counts, "percentile")
    return Knee(interval, slope, plateau, bool(high < octaves[-1] - FLAT))


def _fit(rows: FloatArray, octaves: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Knee in octaves, slope and plateau of the best fit of every row."""
    count = int((octaves[-1] - octaves[1]) * PER_OCTAVE) + 2
    turns = np.linspace(octaves[1], octaves[-1], count)
    ramps = np.minimum(octaves[None, :] - turns[:, None], 0.0)
    centred = ramps - ramps.mean(axis=1, keepdims=True)
    power = (centred**2).sum(axis=1)
    products = rows @ centred.T
    best = (products**2 / power).argmax(axis=1)
    slopes = products[np.arange(len(rows)), best] / power[best]
    plateaus = rows.mean(axis=1) - slopes * ramps[best].mean(axis=1)
    return turns[best], slopes, plateaus


def cheapest(resampled: Resampled, grid: Grid, *, level: float = 0.95) -> int:
    """Smallest resolution whose paired difference to the best one has an interval that reaches 0.

    The best is the one with the highest accuracy, the smallest of equals; it is its own answer
    where no smaller one reaches it.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> rates = (30, 50, 70, 71, 72)
        >>> columns = [{str(i): float(i * 37 % 100 < rate) for i in range(100)} for rate in rates]
        >>> cheapest(resample(align(columns), seed=1), Grid((28, 56, 112, 224, 448)))
        112
    """
    best = int(resampled.accuracy.argmax())
    for column, resolution in enumerate(grid.resolutions[:best]):
        weights = np.zeros(len(grid.resolutions))
        weights[best], weights[column] = 1.0, -1.0
        if contrast(resampled, weights.tolist(), level=level).low <= 0:
            return resolution
    return grid.resolutions[best]
