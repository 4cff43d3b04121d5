"""Replicates: runs that differ in seed or prompt alone, as one figure that holds both errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from resolution_eval.errors import RecordError
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


def replicates(
    resampled: Resampled,
    weights: Sequence[FloatArray],
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    level: float = 0.95,
) -> Replicates:
    """One figure, linear in the columns, of several runs on the same samples.

    `weights` holds each run's sum over the columns of `resampled`. The variance is that of the mean
    over the samples, and that of the runs over their number, each with Student's quantile for its
    own degrees of freedom: with two runs that of the runs is wide, as it has to be. With one run
    only the samples' error is known: then `spread` is not a number, and the interval is conditional
    on that run.

    Source: random effects, Searle, Casella and McCulloch 1992, Variance Components, chapter 3.
    """
    if not weights:
        raise RecordError("a mean over runs needs at least one run")
    lines = np.asarray(weights, dtype=float)
    each = lines @ resampled.accuracy
    shared = lines.mean(axis=0)
    sampled = float(shared @ resampled.covariance @ shared)
    sampled += 1 / (resampled.n * resampled.effective)
    spread = float(each.std(ddof=1)) if len(each) > 1 else float("nan")
    between = 0.0 if len(each) < 2 else spread**2 / len(each)
    half = resampled.quantile((1 - level) / 2) * np.sqrt(sampled)
    if between > 0:
        half = np.hypot(half, stdtrit(len(each) - 1, (1 + level) / 2) * np.sqrt(between))
    mean = float(each.mean())
    counts = (resampled.n, resampled.clusters, len(resampled.draws), resampled.seed)
    ends = (max(float(mean - half), bounds[0]), min(float(mean + half), bounds[1]))
    return Replicates(
        Interval(mean, *ends, level, *counts, "random effect", resampled.left_out),
        tuple(float(one) for one in each),
        spread,
    )
