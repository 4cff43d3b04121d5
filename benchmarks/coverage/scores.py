"""Scores of choices and classes: AUROC, average precision, Brier, calibration, recalls."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

import numpy as np
from scipy.special import expit, ndtr

from benchmarks.coverage.sweeps import holds
from benchmarks.coverage.tally import Case
from benchmarks.coverage.truths import TruthSample, labels, latent
from resolution_eval.statistics.calibration import BINS, brier, calibration_error
from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.discrimination import auroc, average_precision, balanced
from resolution_eval.statistics.intervals import accuracies
from resolution_eval.statistics.resampling import IntArray, plain

SAMPLES = (
    *(TruthSample(n) for n in (30, 320, 1000)),
    *(TruthSample(clusters, clustered=True) for clusters in (8, 20, 50)),
)
GAPS = {"AUROC 0.6": 0.358, "AUROC 0.9": 1.812, "AUROC 0.99": 3.29}
"""Distance of the two kinds' scores, in standard deviations."""
SHARES = (0.5, 0.15)


def _findings(
    gap: float, share: float, sample: TruthSample, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, IntArray]:
    clusters = labels(sample, rng)
    drawn = latent(sample, clusters, 2, 0.0, rng)
    mine = ndtr(drawn[:, 0]) < share
    return mine, drawn[:, 1] + gap * mine, clusters


@cache
def true_precision(gap: float, share: float) -> float:
    """Average precision of the two normal distributions, by integration."""
    cuts = np.linspace(-8, 8 + gap, 200_001)
    hits, others = share * ndtr(gap - cuts), (1 - share) * ndtr(-cuts)
    density = np.exp(-((cuts - gap) ** 2) / 2) / np.sqrt(2 * np.pi)
    return float(np.trapezoid(density * hits / np.maximum(hits + others, 1e-300), cuts))


def told(
    gap: float, share: float, sample: TruthSample, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, bool]]:
    """AUROC and average precision of one finding."""
    mine, values, clusters = _findings(gap, share, sample, rng)
    if mine.sum() < 3 or (~mine).sum() < 3:
        return
    area = auroc(mine, values, clusters)
    yield from (("auroc", hit) for hit in holds(area, float(ndtr(gap / np.sqrt(2)))))
    found = average_precision(mine, values, clusters, seed=seed, resamples=200)
    yield from (("average_precision", hit) for hit in holds(found, true_precision(gap, share)))


SLOPES = {"calibrated": 1.0, "overconfident": 0.5, "hardly off": 0.9}


@cache
def true_calibration(slope: float) -> tuple[float, float]:
    """Calibration error over the bins, and Brier score, of the simulated probabilities."""
    drawn = (np.arange(2_000_000) + 0.5) / 2_000_000
    logit = 1.5 * np.sqrt(2) * _probit(drawn)
    stated, right = np.maximum(expit(logit), expit(-logit)), expit(slope * np.abs(logit))
    bins = np.minimum((stated * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, right - stated) / len(drawn)
    loss = 2 * (right * (1 - stated) ** 2 + (1 - right) * stated**2)
    return float(np.abs(gaps).sum()), float(loss.mean())


def _probit(values: FloatArray) -> FloatArray:
    from scipy.special import ndtri

    return np.asarray(ndtri(values))


def stated(
    slope: float, sample: TruthSample, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, bool]]:
    """Calibration error and Brier score of two choices."""
    clusters = labels(sample, rng)
    drawn = latent(sample, clusters, 2, 0.0, rng)
    logit = np.abs(1.5 * np.sqrt(2) * drawn[:, 0])
    right = ndtr(drawn[:, 1]) < expit(slope * logit)
    error, score = true_calibration(slope)
    found = calibration_error(expit(logit), right, clusters, seed=seed, resamples=500)
    yield from (("calibration_error", hit) for hit in holds(found.error, error))
    choices = np.stack([expit(logit), expit(-logit)], axis=1)
    targets = np.where(right, 0, 1)
    yield from (("brier", hit) for hit in holds(brier(choices, targets, clusters), score))


RECALLS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "even classes": ((0.25, 0.25, 0.25, 0.25), (0.9, 0.7, 0.6, 0.8)),
    "rare class": ((0.8, 0.15, 0.05), (0.9, 0.7, 0.5)),
    "eight at the ceiling": ((0.125,) * 8, (0.98,) * 8),
}
"""How frequent every class is, and its recall."""


def classes(
    name: str, sample: TruthSample, rng: np.random.Generator, _seed: int
) -> Iterator[tuple[str, bool]]:
    """Balanced accuracy, and the last class's sensitivity and specificity."""
    shares, recalls = (np.array(each) for each in RECALLS[name])
    clusters = labels(sample, rng)
    size = len(clusters) if len(clusters) >= 3 * len(shares) else 3 * len(shares)
    drawn = latent(sample, clusters, 1, 0.5, rng)[:, 0]
    targets = rng.choice(len(shares), size=len(clusters), p=shares)
    targets[: 3 * len(shares)] = np.repeat(np.arange(len(shares)), 3)[: len(clusters)]
    right = ndtr(drawn) < recalls[targets]
    wrong = (targets + 1) % len(shares)
    if len(set(targets.tolist())) < len(shares) or size > len(clusters):
        return
    found = balanced(targets.tolist(), right, clusters)
    yield from (("balanced", hit) for hit in holds(found, float(recalls.mean())))
    last, others = targets == len(shares) - 1, targets != len(shares) - 1
    (sensitivity,) = accuracies(plain(right[last], clusters[last]))
    yield from (("sensitivity", hit) for hit in holds(sensitivity, float(recalls[-1])))
    before = len(shares) - 2
    share = float(np.mean(targets[others] == before))
    spared = np.where(right, targets, wrong)[others] != len(shares) - 1
    (specificity,) = accuracies(plain(spared, clusters[others]))
    true = 1 - share * (1 - recalls[before])
    yield from (("specificity", hit) for hit in holds(specificity, true))


def cases(repetitions: int) -> list[Case]:
    """Every truth with every sample; classes of three are the smallest."""
    made = [
        Case(f"{name}, {share:.0%} positive", s.name, partial(told, gap, share, s), repetitions)
        for name, gap in GAPS.items()
        for share in SHARES
        for s in SAMPLES
    ]
    made += [
        Case(name, s.name, partial(stated, slope, s), repetitions)
        for name, slope in SLOPES.items()
        for s in SAMPLES
    ]
    made += [
        Case(name, s.name, partial(classes, name, s), repetitions)
        for name in RECALLS
        for s in (TruthSample(24), *SAMPLES)
    ]
    return made
