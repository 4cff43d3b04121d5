"""Calibration: how well stated probabilities agree with being right."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.intervals import Interval, even, interval, invert, linear
from resolution_eval.statistics.noise import debiasing
from resolution_eval.statistics.proportions import FigureRange
from resolution_eval.statistics.resampling import IntArray, draw_totals, plain

BINS = 10
"""Bins of equal width of the stated probability."""


def brier(
    stated: Sequence[FloatArray],
    targets: Sequence[int],
    clusters: Sequence[Hashable] | IntArray | None = None,
) -> Interval:
    """Brier score: mean over the samples of the squared distance to the right choice, in [0, 2].

    `stated` holds one probability per choice for each sample, `targets` the right choice's place.

    Source: Brier 1950, Monthly Weather Review 78.

    Example:
        >>> found = brier([np.array([0.8, 0.2]), np.array([0.4, 0.6])], [0, 0])
        >>> round(found.estimate, 3)
        0.4
    """
    if len(stated) != len(targets) or not len(targets):
        raise RecordError(f"{len(stated)} samples but {len(targets)} targets; each needs one")
    pairs = zip(stated, targets, strict=True)
    losses = np.array([(np.square(p).sum() - 2 * p[right] + 1) / 2 for p, right in pairs])
    seen = plain(np.clip(losses, 0.0, 1.0), clusters)
    doubled = FigureRange(*(2 * end for end in linear(seen, [1.0], even())))
    return interval(seen, doubled, "score")


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error, raw and less what noise adds."""

    raw: float
    error: Interval
    """The debiased error with its interval, in [0, 1]."""


def calibration_error(
    confidence: Sequence[float] | FloatArray,
    correct: Sequence[float] | FloatArray,
    clusters: Sequence[Hashable] | IntArray | None = None,
    *,
    seed: int,
    resamples: int = 2_000,
) -> Calibration:
    """Expected calibration error over ten bins of equal width, debiased, with its interval.

        ECE = sum over bins of |sum of (correct - confidence)| / n

    Noise only adds to it, so the debiased figure is that of the gaps scaled down until, with the
    noise of a cluster bootstrap, they would show what was seen; the interval is by test inversion.

    Source: Naeini, Cooper and Hauskrecht 2015, AAAI; bias: Kumar, Liang and Ma 2019, NeurIPS.

    Example:
        >>> found = calibration_error([0.9] * 40, [1.0] * 20 + [0.0] * 20, seed=1)
        >>> round(found.raw, 3), round(found.error.estimate, 3)
        (0.4, 0.399)
    """
    stated, right = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    if len(stated) != len(right) or not len(right) or not ((stated >= 0) & (stated <= 1)).all():
        raise RecordError("needs one probability within 0 and 1 for each sample, at least one")
    bins = np.minimum((stated * BINS).astype(int), BINS - 1)
    gaps = np.zeros((len(right), BINS))
    gaps[np.arange(len(right)), bins] = right - stated
    seen = plain(right, clusters)
    sums = np.array([np.bincount(seen.answers.clusters, one) for one in gaps.T]).T / len(right)
    observed = sums.sum(axis=0)
    seen = replace(seen, draws=draw_totals(sums, np.random.default_rng(seed), resamples), seed=seed)
    noise = (seen.draws - observed) * seen.widening
    bounds = invert(_absolute, np.zeros(BINS), observed, noise, clusters=seen.effective, top=1.0)
    raw = bounds.estimate
    debiased = debiasing(_absolute, 0.0, observed, noise, raw) * raw
    ends = FigureRange(debiased, min(bounds.low, debiased), min(max(bounds.high, debiased), 1.0))
    if seen.clusters < 2:
        ends = FigureRange(debiased, 0.0, 1.0)
    return Calibration(raw, interval(seen, ends, "inversion"))


def _absolute(rows: FloatArray) -> FloatArray:
    return np.asarray(np.abs(rows).sum(axis=-1))
