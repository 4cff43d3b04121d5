"""Tests of "accuracy does not depend on the resolution": how often they err, and their power."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.coverage.tally import Case
from benchmarks.coverage.truths import TRUTHS, TruthSample, simulate
from resolution_eval.statistics import paired_tests
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.noise import noise_floors

SAMPLES = (
    *(TruthSample(n) for n in (30, 320, 1000)),
    *(TruthSample(clusters, clustered=True) for clusters in (8, 20, 50)),
)


def null(
    name: str, sample: TruthSample, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, bool]]:
    """Whether each test rejects though nothing depends on the resolution."""
    answers = simulate(TRUTHS[name], sample, rng)
    found = [paired_tests.compare(answers, column, 3, seed=seed) for column in range(3)]
    p_values = {str(k): one.p for k, one in enumerate(found) if not isinstance(one, Withheld)}
    yield "single test", p_values["0"] <= 0.05
    yield "Holm family of 3", min(paired_tests.holm(p_values).values()) <= 0.05
    floors = noise_floors(answers, TRUTHS[name].grid, seed=seed, permutations=99)
    for figure in ("ace", "worst_drop"):
        yield f"noise floor, {figure}", floors[figure].p <= 0.05


def cases(repetitions: int) -> list[Case]:
    """Two curves that do not depend on the resolution."""
    return [
        Case(name, sample.name, partial(null, name, sample), repetitions)
        for name in ("flat", "1 % differ")
        for sample in SAMPLES
    ]
