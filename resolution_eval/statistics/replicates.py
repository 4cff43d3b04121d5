"""Replicates: runs that differ in seed or prompt alone, as one figure that holds both errors."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

import numpy as np
from scipy.special import stdtrit

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.intervals import TAIL, Interval, interval
from resolution_eval.statistics.proportions import FigureRange
from resolution_eval.statistics.resampling import Resamples


def half_of_both(samples: float, between: float, runs: int, tail: float) -> float:
    """Half of the interval of a mean over runs, each end of which is missed in `tail` of cases.

    `samples` is half of the interval over the samples of these very runs, `between` the standard
    error of the mean between them: the root of the sum of the squares of both halves, each with
    Student's quantile for its own degrees of freedom. With two runs the second is wide, as it has
    to be. What samples add to the spread between runs is in both, which is on the safe side.

    Source: recovery of variances, Zou and Donner 2008, Statistics in Medicine 27,
    doi:10.1002/sim.3095.

    Example:
        >>> round(half_of_both(0.02, 0.01, 3, 0.025), 4), half_of_both(0.02, 0.0, 1, 0.025)
        (0.0474, 0.02)
    """
    return hypot(samples, between * float(stdtrit(runs - 1, 1 - tail))) if between > 0 else samples


def replicates(
    resampled: Resamples,
    weights: Sequence[FloatArray],
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """Mean over several runs, on the same samples, of a figure that is linear in the columns.

    `weights` holds each run's sum over the columns of `resampled`. The interval, that of
    `half_of_both`, holds the mean over all runs that could be made, on all samples that could be
    drawn; with one run it is conditional on that run.
    """
    if not weights:
        raise RecordError("a mean over runs needs at least one run")
    lines = np.asarray(weights, dtype=float)
    each, shared = lines @ resampled.accuracy, lines.mean(axis=0)
    sampled = float(shared @ resampled.covariance @ shared)
    sampled += 1 / (resampled.n * resampled.effective)
    between = float(each.std(ddof=1)) / np.sqrt(len(each)) if len(each) > 1 else 0.0
    half = half_of_both(resampled.quantile(TAIL) * np.sqrt(sampled), between, len(each), TAIL)
    mean = float(each.mean())
    ends = (max(float(mean - half), bounds[0]), min(float(mean + half), bounds[1]))
    if resampled.clusters < 2:
        ends = bounds
    return interval(resampled, FigureRange(mean, *ends), "recovery of variances")
