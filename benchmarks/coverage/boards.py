"""Boards: means over data sets, ranks of many models, and runs that differ in seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from scipy.special import ndtri

from benchmarks.coverage.sweeps import holds
from benchmarks.coverage.tally import Case
from benchmarks.coverage.truths import TruthSample, labels, latent
from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.hierarchy import Part, means, pool, ranks
from resolution_eval.statistics.replicates import replicates
from resolution_eval.statistics.resampling import AnswerMatrix, resample

SAMPLES = (
    *(TruthSample(n) for n in (30, 320, 1000)),
    *(TruthSample(clusters, clustered=True) for clusters in (8, 20, 50)),
)
FIELDS: dict[str, tuple[float, ...]] = {
    "eight equal": (0.7,) * 8,
    "eight close": tuple(0.7 - 0.01 * np.arange(8)),
    "eight apart": tuple(0.9 - 0.06 * np.arange(8)),
    "near 1": tuple(0.99 - 0.005 * np.arange(6)),
    "few differ": (0.7,) * 8,
}
OWN = {"few differ": 0.999}


def part(
    name: str, accuracy: Sequence[float], sample: TruthSample, rng: np.random.Generator, own: float
) -> Part:
    """Models of one data set, resampled together."""
    clusters = labels(sample, rng)
    right = latent(sample, clusters, len(accuracy), own, rng) < ndtri(np.array(accuracy))
    seed = int(rng.integers(2**31))
    drawn = resample(AnswerMatrix(right.astype(float), clusters), seed=seed, resamples=600)
    place = (drawn.n, drawn.effective, seed)
    return Part(name, name[0], drawn.accuracy, drawn.draws, *place)


def field(
    name: str, sets: int, sample: TruthSample, rng: np.random.Generator, _seed: int
) -> Iterator[tuple[str, bool]]:
    """Every mean, and all ranks together."""
    accuracy = FIELDS[name]
    parts = [part(f"{k}", accuracy, sample, rng, OWN.get(name, 0.5)) for k in range(sets)]
    for found, value in zip(means(parts), accuracy, strict=True):
        yield from (("mean", hit) for hit in holds(found, value))
    yield "rank", _all_ranks(ranks(pool(parts)), np.array(accuracy))


def _all_ranks(found: Sequence[object], accuracy: FloatArray) -> bool:
    """Whether every interval holds a rank that the model has (equals share several)."""
    best = 1 + (accuracy[None, :] > accuracy[:, None]).sum(axis=1)
    worst = (accuracy[None, :] >= accuracy[:, None]).sum(axis=1)
    ends = [(rank.low, rank.high) for rank in found]
    return all(low <= b and w <= high for (low, high), b, w in zip(ends, best, worst, strict=True))


def crowd(
    models: int, sample: TruthSample, rng: np.random.Generator, _seed: int
) -> Iterator[tuple[str, bool]]:
    """Whether any of many equal models is ranked below the first."""
    found = ranks(pool([part("x", (0.7,) * models, sample, rng, 0.5)]))
    yield "rank: one of 300 equals below 1", any(rank.low > 1 for rank in found)


def runs(
    count: int, between: float, sample: TruthSample, rng: np.random.Generator, _seed: int
) -> Iterator[tuple[str, bool]]:
    """The mean of runs whose accuracies scatter around 0.7."""
    clusters = labels(sample, rng)
    accuracy = np.clip(0.7 + between * rng.standard_normal(count), 0.01, 0.99)
    right = latent(sample, clusters, count, 0.5, rng) < ndtri(accuracy)
    drawn = resample(AnswerMatrix(right.astype(float), clusters), seed=1, resamples=2)
    found = replicates(drawn, list(np.eye(count)))
    yield from (("over runs", hit) for hit in holds(found, 0.7))


def cases(repetitions: int) -> list[Case]:
    """Fields of eight with one and three data sets, 300 equals, and runs."""
    made = [
        Case(f"{name}, {sets} data sets", sample.name, partial(field, name, sets, sample), few)
        for name in FIELDS
        for sets, few in ((1, repetitions), (3, repetitions // 2))
        for sample in SAMPLES
    ]
    made += [
        Case("300 equal", sample.name, partial(crowd, 300, sample), max(repetitions // 3, 1))
        for sample in (
            TruthSample(320),
            TruthSample(1000),
            TruthSample(8, True),
            TruthSample(50, True),
        )
    ]
    made += [
        Case(
            f"{count} runs, {between:g} apart",
            sample.name,
            partial(runs, count, between, sample),
            repetitions,
        )
        for count in (2, 3, 5)
        for between in (0.0, 0.02, 0.05)
        for sample in SAMPLES
    ]
    return made
