"""The figures of one sweep: accuracy, differences, drops, area, ACE, and those above the floor."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy.special import ndtri

from benchmarks.coverage.tally import Case
from benchmarks.coverage.truths import SAMPLES, TRUTHS, Truth, TruthSample, labels, latent, simulate
from resolution_eval.statistics import floors, intervals
from resolution_eval.statistics.curves import FIGURES, Withheld
from resolution_eval.statistics.floors import Floor
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.resampling import AnswerMatrix, resample

RESAMPLES = 400
SHAPED = ("ace", "rce", "excess_ace", "worst_drop", "best_drop")


def holds(interval: Interval | Withheld, value: float) -> Iterator[bool]:
    """Whether the interval holds the value; nothing where the figure is withheld."""
    if not isinstance(interval, Withheld):
        yield interval.low - 1e-9 <= value <= interval.high + 1e-9


def sweep(
    truth: Truth, sample: TruthSample, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, bool]]:
    """Every figure of a curve that leans on no floor."""
    answers, grid = simulate(truth, sample, rng), truth.grid
    drawn = resample(answers, seed=seed, resamples=RESAMPLES)
    accuracy = np.array(truth.accuracy)
    cells = intervals.accuracies(drawn)
    yield from (("accuracy", hit) for hit in holds(cells[-1], accuracy[-1]))
    line = [1.0, *[0.0] * (len(accuracy) - 2), -1.0]
    drop = intervals.contrast(drawn, line)
    yield from (("difference", hit) for hit in holds(drop, accuracy[0] - accuracy[-1]))
    for name in ("area", *SHAPED):
        value = float(FIGURES[name](accuracy[None, :], grid)[0])
        yield from ((name, hit) for hit in holds(intervals.figure(name, drawn, grid), value))


FLOORS: dict[str, tuple[float, tuple[float, ...], float]] = {
    "majority": (0.25, (0.40, 0.30, 0.20, 0.10), 0.30),
    "blind": (0.25, (0.25, 0.25, 0.25, 0.25), 0.45),
    "tied": (0.25, (0.25, 0.25, 0.25, 0.25), 0.25),
    "text prior": (0.50, (0.67, 0.33), 0.66),
}
"""Chance, how frequent each target is, and accuracy without the image."""
CURVES = ("rising", "ceiling", "2 % differ", "none differ", "near floor")


def floored(
    truth: Truth, name: str, sample: TruthSample, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, bool]]:
    """Every figure above the floor."""
    chance, frequencies, blind = FLOORS[name]
    answers, floor = _with_floor(truth, name, sample, rng)
    drawn = resample(answers, seed=seed, resamples=2)
    accuracy, base = np.array(truth.accuracy), max(chance, *frequencies, blind)
    yield from (("floor", hit) for hit in holds(floors.base(drawn, floor), base))
    last = range(len(accuracy))[truth.reference]
    gain = (accuracy - base) / (1 - base)
    for column in {0, len(accuracy) - 1}:
        found = floors.gain(drawn, column, floor)
        yield from (("gain", hit) for hit in holds(found, gain[column]))
    area = float(intervals.area_weights(truth.grid) @ gain)
    yield from (
        ("gain_area", hit) for hit in holds(floors.gain_area(drawn, truth.grid, floor), area)
    )
    over = floors.above(drawn, 0, floor)
    yield from (("above", hit) for hit in holds(over, accuracy[0] - base))
    if accuracy[last] > base:
        far = 0 if last else len(accuracy) - 1
        kept = floors.retention(drawn, far, last, floor)
        true = (accuracy[far] - base) / (accuracy[last] - base)
        yield from (("retention", hit) for hit in holds(kept, true))
    plain = floors.retention(drawn, 0, len(accuracy) - 1)
    share = accuracy[0] / accuracy[-1]
    yield from (("mixed_retention", hit) for hit in holds(plain, share))


def _with_floor(
    truth: Truth, name: str, sample: TruthSample, rng: np.random.Generator
) -> tuple[AnswerMatrix, Floor]:
    chance, frequencies, blind = FLOORS[name]
    clusters, count = labels(sample, rng), len(truth.accuracy)
    drawn = latent(sample, clusters, count, truth.own, rng)
    seen = drawn < ndtri(np.array(truth.accuracy))
    without = 0.5 * drawn[:, :1] + np.sqrt(0.75) * latent(sample, clusters, 1, 0.5, rng)
    targets = rng.choice(len(frequencies), size=len(clusters), p=frequencies)
    constant = targets[:, None] == np.arange(len(frequencies))
    columns = np.column_stack([seen, without < ndtri(blind), constant]).astype(float)
    names = {"blind": count, **{f"always {k}": count + 1 + k for k in range(len(frequencies))}}
    return AnswerMatrix(columns, clusters), Floor(chance, names)


def cases(repetitions: int) -> list[Case]:
    """Every truth with every sample, without a floor."""
    return [
        Case(name, sample.name, partial(sweep, truth, sample), _few(repetitions, sample))
        for name, truth in TRUTHS.items()
        for sample in SAMPLES
    ]


def floor_cases(repetitions: int) -> list[Case]:
    """Some curves with every floor and sample."""
    return [
        Case(
            f"{curve}, {name}",
            sample.name,
            partial(floored, TRUTHS[curve], name, sample),
            _few(repetitions, sample),
        )
        for curve in CURVES
        for name in FLOORS
        for sample in SAMPLES
        if sample.count in (30, 320, 5000, 8, 20, 50)
    ]


def _few(repetitions: int, sample: TruthSample) -> int:
    """Fewer at 5,000 samples, where methods agree and repetitions take long."""
    return max(repetitions // 4, 1) if sample.count >= 5000 else repetitions
