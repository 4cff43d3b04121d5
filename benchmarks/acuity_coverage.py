"""How well the intervals of sizes cover, and how often tests of seeing and coinciding are wrong.

    python -m benchmarks.acuity_coverage [--repetitions 400]

prints the table of docs/acuity.md, from simulated answers on the eye chart's own design.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from resolution_eval.statistics.psychometric import Trials, Weibull
from resolution_eval.statistics.thresholds import SEEN, coincidence, curves, guessing, misfit

LEVELS = 0.75 * 2 ** (np.arange(8) / 2)
CHANCES = (0.25, 0.5, 0.125)
TRUTHS = (Weibull(2.0, 3.0, 0.02), Weibull(3.0, 2.0, 0.08), Weibull(2.0, 6.0, 0.2))
BLOCKS = (1, 3, 24)
SEED = 20_261_127


def answers(function: Weibull, blocks: int, random: np.random.Generator, images: int = 1) -> Trials:
    """Simulated answers to the balanced lines of the chart; `images` answers share each image."""
    size = np.tile(np.repeat(LEVELS, len(CHANCES)), blocks)
    chance = np.tile(CHANCES, len(LEVELS) * blocks)
    right = (random.random(len(size)) < function.right(size, chance)).astype(float)
    names = [str(number // images) for number in range(len(size))]
    return Trials(size, right, chance, names)


def coverage(truth: Weibull, blocks: int, repetitions: int) -> tuple[dict[float, float], float]:
    """Share of intervals that hold the true size, for 50 and 90 %; and rejections of a true fit."""
    random, held, rejected = np.random.default_rng(SEED + blocks), {0.5: 0, 0.9: 0}, 0
    for number in range(repetitions):
        found = curves({"r": answers(truth, blocks, random)}, seed=number, resamples=100)
        for share, interval in zip(held, found.intervals("r", tuple(held)), strict=True):
            held[share] += interval.low <= truth.size_at(share) <= interval.high
        if number < repetitions // 5:
            trials = found.trials["r"]
            rejected += misfit(trials, found.fits["r"], seed=number, simulations=60) <= 0.05
    shares = {share: count / repetitions for share, count in held.items()}
    return shares, rejected / (repetitions // 5)


def rows(repetitions: int) -> Iterator[str]:
    """The lines of the tables, in Markdown."""
    yield (
        "| true threshold, slope, lapse | answers | 50 % size held | 90 % size held "
        "| fit rejected |"
    )
    yield "| --- | ---: | ---: | ---: | ---: |"
    for truth in TRUTHS:
        for blocks in BLOCKS:
            held, rejected = coverage(truth, blocks, repetitions)
            most = "never seen" if np.isinf(truth.size_at(0.9)) else f"{held[0.9]:.3f}"
            yield (
                f"| {truth.threshold:g}, {truth.slope:g}, {truth.lapse:g} | {24 * blocks} "
                f"| {held[0.5]:.3f} | {most} | {rejected:.3f} |"
            )
    random, guess = np.random.default_rng(SEED), Weibull(1e9, 3.0, 0.0)
    seen = sum(guessing(answers(guess, 4, random)) < SEEN for _ in range(20 * repetitions))
    yield ""
    yield (
        f"A model that guesses was said to see in {seen} of {20 * repetitions} charts of 96 "
        f"answers (allowed: {SEEN:g})."
    )
    wrong = 0
    for number in range(repetitions // 4):
        three = {name: answers(TRUTHS[0], 8, random) for name in "abc"}
        wrong += (
            coincidence(curves(three, seed=number, resamples=100), list("abc")).verdict == "differ"
        )
    yield (
        f"Three equal curves were said to differ in {wrong} of {repetitions // 4} (allowed: 0.05)."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=400)
    for row in rows(parser.parse_args().repetitions):
        print(row, flush=True)
