"""The margin and the knee: how often a choice loses too much, or a smooth curve has a knee."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.coverage.tally import Case
from benchmarks.coverage.truths import Truth, TruthSample, simulate
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.fits import knee
from resolution_eval.statistics.margin import MARGIN, choose, robust
from resolution_eval.statistics.resampling import resample

LOSING: dict[str, Truth] = {
    "4 points an octave": Truth((0.58, 0.62, 0.66, 0.70)),
    "all but one lose 2.1": Truth((0.679, 0.679, 0.679, 0.679, 0.70), own=0.97),
    "last loses 2.1": Truth((0.70, 0.70, 0.70, 0.679), own=0.97),
    "one loses 2.1": Truth((0.679, 0.70, 0.70, 0.70), own=0.97),
    "lose 2.1 at the ceiling": Truth((0.969, 0.969, 0.99), own=0.97),
    "lose 2.1, few differ": Truth((0.679, 0.679, 0.70), own=0.9999),
}
EQUAL: dict[str, Truth] = {
    "none lose": Truth((0.70, 0.70, 0.70, 0.70), own=0.97),
    "none differ": Truth((0.70, 0.70, 0.70), own=1.0),
}
SAMPLES = (
    *(TruthSample(n) for n in (30, 320, 1000, 5000)),
    *(TruthSample(clusters, clustered=True) for clusters in (8, 20, 50, 500)),
)
STEPS = np.arange(8) / 7
SMOOTH: dict[str, tuple[float, ...]] = {
    "logistic": tuple(0.3 + 0.45 / (1 + np.exp(-(STEPS - 0.4) / 0.12))),
    "exponential": tuple(0.75 - 0.45 * np.exp(-8 * STEPS)),
    "Gompertz": tuple(0.25 + 0.5 * np.exp(-np.exp(-8 * (STEPS - 0.25)))),
    "straight": tuple(0.4 + 0.3 * STEPS),
    "eight": (0.30, 0.40, 0.50, 0.60, 0.65, 0.70, 0.72, 0.73),
}
BROKEN: dict[str, tuple[float, float]] = {"turns at a size": (0.13, 4.0), "between": (0.10, 4.5)}
"""Slope per octave and the octave at which it turns."""


def chosen(
    truth: Truth, sample: TruthSample, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, bool]]:
    """Whether the choice loses more than the margin, and whether anything was shown at all."""
    drawn = resample(simulate(truth, sample, rng), seed=seed, resamples=2)
    best, found = max(truth.accuracy), choose(drawn, truth.grid)
    whole = robust(drawn, truth.grid)
    range = best - min(truth.accuracy)
    if range > MARGIN:
        loses = not isinstance(found, Withheld) and best - truth.accuracy[found.column] > MARGIN
        yield "choose: loses more than the margin", loses
        yield "robust: called so, and is not", whole.shown
    else:
        yield "choose: shown", not isinstance(found, Withheld)
        yield "robust: shown", whole.shown
    yield "robust: bound", range <= whole.bound


def smooth(
    accuracy: tuple[float, ...], sample: TruthSample, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, bool]]:
    """Whether a smooth curve is said to have a knee."""
    truth = Truth(accuracy)
    drawn = resample(simulate(truth, sample, rng), seed=seed, resamples=2)
    yield "knee: of a smooth curve", not isinstance(knee(drawn, truth.grid), Withheld)


def broken(
    slope: float, turn: float, sample: TruthSample, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, bool]]:
    """Whether a knee that is there is shown, and whether its interval holds it."""
    truth = Truth(tuple(0.2 + slope * np.minimum(np.arange(8), turn)))
    drawn = resample(simulate(truth, sample, rng), seed=seed, resamples=2)
    found = knee(drawn, truth.grid)
    yield "knee: shown", not isinstance(found, Withheld)
    if not isinstance(found, Withheld):
        place = 28 * 2**turn
        near = 2 ** (1 / 32)  # the grid of candidate turns
        yield "knee", found.resolution.low / near <= place <= found.resolution.high * near


def cases(repetitions: int) -> list[Case]:
    """Every truth with every sample."""
    made = [
        Case(name, sample.name, partial(chosen, truth, sample), repetitions)
        for name, truth in {**LOSING, **EQUAL}.items()
        for sample in SAMPLES
    ]
    kneed = tuple(s for s in SAMPLES if s.count >= 20 + 12 * (not s.clustered))
    made += [
        Case(name, sample.name, partial(smooth, accuracy, sample), repetitions)
        for name, accuracy in SMOOTH.items()
        for sample in kneed
    ]
    made += [
        Case(name, sample.name, partial(broken, *shape, sample), repetitions)
        for name, shape in BROKEN.items()
        for sample in kneed
    ]
    return made
