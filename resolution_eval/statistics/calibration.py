"""Calibration: how well stated probabilities agree with being right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.classes import plain
from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.intervals import Interval, even, interval, invert, linear
from resolution_eval.statistics.proportions import Bounded
from resolution_eval.statistics.resampling import AnswerMatrix, IntArray, Resampled, draw_totals

BINS = 10
"""Bins of equal width of the stated probability."""


def probabilities(scores: FloatArray) -> FloatArray:
    """Log-likelihoods of choices (samples, choices) to probabilities that sum to 1 (softmax)."""
    shifted = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def brier(
    stated: Sequence[FloatArray],
    targets: Sequence[int],
    clusters: Sequence[int] | IntArray | None = None,
    *,
    level: float = 0.95,
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
    losses = np.array(
        [
            (np.square(one).sum() - 2 * one[target] + 1) / 2
            for one, target in zip(stated, targets, strict=True)
        ]
    )
    labels = np.arange(len(losses)) if clusters is None else np.asarray(clusters)
    seen = plain(np.clip(losses, 0.0, 1.0)[:, None], labels)
    part = linear(seen, [1.0], even(level))
    doubled = Bounded(2 * part.estimate, 2 * part.low, 2 * part.high)
    return interval(seen, doubled, "score", level)


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error, raw and less what noise adds."""

    raw: float
    error: Interval
    """The debiased error with its interval, in [0, 1]."""


def calibration_error(
    confidence: Sequence[float] | FloatArray,
    correct: Sequence[float] | FloatArray,
    clusters: Sequence[int] | IntArray | None = None,
    *,
    seed: int,
    resamples: int = 2_000,
    level: float = 0.95,
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
    labels = np.arange(len(right)) if clusters is None else np.asarray(clusters)
    if len(stated) != len(right) or not len(right) or not ((stated >= 0) & (stated <= 1)).all():
        raise RecordError("needs one probability within 0 and 1 for each sample, at least one")
    bins = np.minimum((stated * BINS).astype(int), BINS - 1)
    gaps = np.zeros((len(right), BINS))
    gaps[np.arange(len(right)), bins] = right - stated
    codes = np.unique(labels, return_inverse=True)[1]
    sums = np.array([np.bincount(codes, column) for column in gaps.T]).T / len(right)
    observed = sums.sum(axis=0)
    draws = draw_totals(sums, np.random.default_rng(seed), resamples)
    seen = _Gaps(AnswerMatrix(right[:, None], codes.astype(np.int64)), draws, seed, observed)
    bounds = invert(_absolute, np.zeros(BINS), observed, seen, level=level, top=1.0)
    debiased = _debiased(observed, seen.deviations)
    ends = Bounded(debiased, min(bounds.low, debiased), min(max(bounds.high, debiased), 1.0))
    return Calibration(bounds.estimate, interval(seen, ends, "inversion", level))


class _Gaps(Resampled):
    """Draws of the bins' gaps in the place of accuracies."""

    def __init__(
        self, answers: AnswerMatrix, draws: FloatArray, seed: int, observed: FloatArray
    ) -> None:
        super().__init__(answers, draws, seed)
        object.__setattr__(self, "accuracy", observed)


def _absolute(rows: FloatArray) -> FloatArray:
    return np.asarray(np.abs(rows).sum(axis=-1))


def _debiased(observed: FloatArray, noise: FloatArray) -> float:
    raw = float(np.abs(observed).sum())
    if float(_absolute(noise).mean()) >= raw:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        above = float(_absolute(middle * observed + noise).mean()) > raw
        low, high = (low, middle) if above else (middle, high)
    return low * raw
