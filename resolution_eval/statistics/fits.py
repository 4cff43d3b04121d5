"""Accuracy fitted against log2 r: where more resolution stops paying."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, fdtri

from resolution_eval.statistics.curves import FloatArray, ScoreGrid, Withheld
from resolution_eval.statistics.intervals import LEVEL, Interval, contrast, interval
from resolution_eval.statistics.proportions import FigureRange
from resolution_eval.statistics.resampling import Resamples

PER_OCTAVE = 32
"""Candidate knees per doubling of the resolution: the knee is found to about 2 %."""
FEWEST = 5
"""Resolutions below which every smooth curve fits, so that no knee can be shown."""
ERROR = 0.05
"""How often a smooth curve may be called one with a knee."""


@dataclass(frozen=True)
class Knee:
    """A rise in log2 r that turns into a plateau, and is shown not to be a smooth curve."""

    resolution: Interval
    """Where it turns (edge in pixels): all turns that fit no worse than the best one, by chance."""
    slope: float
    """Accuracy gained per doubling below the knee."""
    plateau: float
    """Accuracy above the knee."""
    reached: bool
    """Whether the interval ends below the largest resolution: else the plateau was not seen."""


def knee(resampled: Resamples, grid: ScoreGrid) -> Knee | Withheld:
    """The fit A = plateau + slope * min(log2 r - log2 knee, 0), where no smooth curve fits.

    Every curve is fitted by generalised least squares, with the errors that the clusters show, and
    rejected by its residuals (Hotelling's). A knee is given only where a quadratic, a saturating
    exponential and a logistic curve in log2 r are all rejected and the broken line is not: a smooth
    curve that bends is no knee. Failed samples move no fit; what they could change of a residual,
    were each right or wrong, counts against the knee and widens its interval.

    Source: segmented regression, Hinkley 1971, J. Am. Stat. Assoc. 66; Berger 1982, Technometrics
    24, for rejecting all of several.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> rates = (10, 25, 40, 55, 70, 70, 70, 70)
        >>> columns = [{str(i): float(i * 37 % 100 < rate) for i in range(4000)} for rate in rates]
        >>> grid = ScoreGrid((14, 28, 56, 112, 224, 448, 896, 1792))
        >>> found = knee(resample(align(columns), seed=1), grid)
        >>> round(found.resolution.estimate), round(found.slope, 2), round(found.plateau, 2)
        (222, 0.15, 0.7)
        >>> found.reached
        True
    """
    count = len(grid.resolutions)
    if count < FEWEST:
        return Withheld(f"a knee needs {FEWEST} resolutions, found {count}")
    rise = [-1.0, *[0.0] * (count - 2), 1.0, *[0.0] * (len(resampled.accuracy) - count)]
    if resampled.clusters < 2 or contrast(resampled, rise).low <= 0:
        return Withheld("accuracy does not rise from the first to the last resolution")
    if resampled.clusters <= count + 1:
        return Withheld(f"a knee needs more than {count + 1} clusters, found {resampled.clusters}")
    curve = resampled.pick(range(count))
    octaves = np.log2(np.asarray(grid.resolutions, dtype=float))
    turns = np.linspace(octaves[1], octaves[-1], int((octaves[-1] - octaves[1]) * PER_OCTAVE) + 2)
    lines = np.minimum(octaves[None, :] - turns[:, None], 0.0)
    misfits, slopes, plateaus = _fits(curve, lines)
    best = int(misfits.argmin())
    unsure = _unsure(curve)
    if _moved(misfits[best], unsure) > _limit(curve, count - 3, ERROR):
        return Withheld("no rise that turns into a plateau fits the curve")
    if smooth := _smooth(curve, octaves, unsure):
        return Withheld(f"a smooth curve fits too ({smooth}): nothing shows a knee")
    apart = _moved(misfits, -unsure) - _moved(misfits[best], unsure)
    near = turns[apart <= _limit(curve, 1, 1 - LEVEL)]
    ends = (float(2 ** turns[best]), float(2 ** near.min()), float(2 ** near.max()))
    reached = bool(near.max() < turns[-1] - 1e-9)
    resolution = interval(resampled, FigureRange(*ends), "likelihood ratio")
    return Knee(resolution, float(slopes[best]), float(plateaus[best]), reached)


def _unsure(curve: Resamples) -> float:
    """How far failed samples can move the length of any fit's residual, in units of its error.

    A fit projects: it makes no change longer. The longest within the slack of every column is at
    most the sum of its parts.
    """
    reach = np.maximum(*curve.answers.slack)
    return float(np.sqrt(reach @ np.abs(_weights(curve)) @ reach))


def _moved(misfits: FloatArray | float, by: float) -> FloatArray:
    """Misfits (squared lengths of residuals) whose lengths failed samples change `by` so much."""
    return np.asarray(np.maximum(np.sqrt(np.maximum(misfits, 0.0)) + by, 0.0) ** 2)


def _smooth(curve: Resamples, octaves: FloatArray, unsure: float) -> str:
    """The first smooth curve that is not rejected whatever failed; empty where all are."""
    place = (octaves - octaves[0]) / (octaves[-1] - octaves[0])
    rates = np.linspace(-6, 30, 145)
    rates = rates[np.abs(rates) > 1e-6]
    middles, widths = np.meshgrid(np.linspace(-0.5, 1.5, 81), np.geomspace(0.01, 1, 41))
    logistic = expit((place - middles.reshape(-1, 1)) / widths.reshape(-1, 1))
    families = (
        ("quadratic", 3, _quadratic(curve, place)),
        ("exponential", 3, _fits(curve, np.exp(-rates[:, None] * place))[0].min()),
        ("logistic", 4, _fits(curve, logistic)[0].min()),
    )
    for name, parameters, misfit in families:
        if _moved(misfit, -unsure) <= _limit(curve, len(place) - parameters, ERROR):
            return name
    return ""


def _weights(curve: Resamples) -> FloatArray:
    """Inverse covariance of the accuracies; a sample that differs in its cluster is added."""
    unseen = np.eye(len(curve.accuracy)) / (curve.n * curve.effective)
    return np.asarray(np.linalg.inv(curve.covariance + unseen))


def _quadratic(curve: Resamples, place: FloatArray) -> float:
    weights = _weights(curve)
    basis = np.stack([np.ones_like(place), place, place**2], axis=1)
    fitted = np.linalg.solve(basis.T @ weights @ basis, basis.T @ weights @ curve.accuracy)
    rest = curve.accuracy - basis @ fitted
    return float(rest @ weights @ rest)


def _fits(curve: Resamples, shapes: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Misfit, factor and constant of the best constant + factor * shape, for every shape."""
    weights, observed = _weights(curve), curve.accuracy
    total = weights.sum()
    mean = shapes @ weights.sum(axis=0) / total
    centred = shapes - mean[:, None]
    level = weights.sum(axis=0) @ observed / total
    rest = observed - level
    power = np.maximum(np.einsum("ij,jk,ik->i", centred, weights, centred), 1e-12)
    products = centred @ weights @ rest
    factors = products / power
    misfits = rest @ weights @ rest - products * factors
    return np.asarray(misfits), np.asarray(factors), np.asarray(level - factors * mean)


def _limit(curve: Resamples, freedom: int, error: float) -> float:
    """Misfit that chance exceeds with `error`. Source: Hotelling 1931, Ann. Math. Stat. 2."""
    rest = max(curve.effective - freedom, 1.0)
    return float(fdtri(freedom, rest, 1 - error) * freedom * (curve.effective - 1) / rest)
