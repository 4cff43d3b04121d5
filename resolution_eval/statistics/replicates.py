"""Replicates: runs that differ in seed or prompt alone, as one figure that holds both errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from scipy.special import stdtrit

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.resampling import Resampled


@dataclass(frozen=True)
class Replicates:
    """The mean of a figure over runs, with the error of samples and of runs in its interval."""

    mean: Interval
    """Holds the mean over all runs that could be made, on all samples that could be drawn."""
    each: tuple[float, ...]
    """The figure of every run."""
    spread: float
    """Standard deviation between the runs (unit of the figure), what samples add included."""


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
    resampled: Resampled,
    weights: Sequence[FloatArray],
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    level: float = 0.95,
) -> Replicates:
    """One figure, linear in the columns, of several runs on the same samples.

    `weights` holds each run's sum over the columns of `resampled`. The interval is that of
    `half_of_both`. With one run only the samples' error is known: then `spread` is not a number,
    and the interval is conditional on that run.
    """
    if not weights:
        raise RecordError("a mean over runs needs at least one run")
    lines = np.asarray(weights, dtype=float)
    each = lines @ resampled.accuracy
    shared = lines.mean(axis=0)
    sampled = float(shared @ resampled.covariance @ shared)
    sampled += 1 / (resampled.n * resampled.effective)
    spread = float(each.std(ddof=1)) if len(each) > 1 else float("nan")
    between = 0.0 if len(each) < 2 else spread / np.sqrt(len(each))
    tail = (1 - level) / 2
    half = half_of_both(resampled.quantile(tail) * np.sqrt(sampled), between, len(each), tail)
    mean = float(each.mean())
    counts = (resampled.n, resampled.clusters, len(resampled.draws), resampled.seed)
    ends = (max(float(mean - half), bounds[0]), min(float(mean + half), bounds[1]))
    return Replicates(
        Interval(mean, *ends, level, *counts, "recovery of variances", resampled.left_out),
        tuple(float(one) for one in each),
        spread,
    )
