"""How well the intervals of sizes cover, and how often tests of seeing and coinciding are wrong.

    python -m benchmarks.acuity_coverage [--repetitions 400]

keeps them in benchmarks/acuity.json, from simulated answers on the eye chart's own design.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from benchmarks.acuity_results import SEED, keep
from resolution_eval.statistics.psychometric import Trials, Weibull
from resolution_eval.statistics.thresholds import SEEN, coincidence, curves, guessing, misfit

LEVELS = 0.75 * 2 ** (np.arange(8) / 2)
CHANCES = (0.25, 0.5, 0.125)
TRUTHS = (Weibull(2.0, 3.0, 0.02), Weibull(3.0, 2.0, 0.08), Weibull(2.0, 6.0, 0.2))
EDGE = Weibull(2.0, 3.0, 0.095)
"""Sees nine tenths, but hardly more."""
BLOCKS = (1, 3, 24)
IMAGES, ALIKE = 4, 0.5
"""Answers to one image, where there are several; and how often two of them share their luck."""


@dataclass(frozen=True)
class Design:
    """One cell of the simulation."""

    truth: Weibull
    blocks: int
    images: int = 1
    """Answers that share each image."""

    @property
    def answers(self) -> int:
        """How many there are."""
        return len(LEVELS) * len(CHANCES) * self.blocks


DESIGNS = (
    *(Design(truth, blocks) for truth in TRUTHS for blocks in BLOCKS),
    *(Design(EDGE, blocks) for blocks in BLOCKS[1:]),
    *(Design(truth, BLOCKS[-1], IMAGES) for truth in TRUTHS),
)


def answers(function: Weibull, blocks: int, random: np.random.Generator, images: int = 1) -> Trials:
    """Simulated answers to the balanced lines of the chart; `images` answers share each image.

    What decides an answer is drawn once for an image in `ALIKE` of its answers, else for itself:
    every answer has its probability, and answers to one image agree more than by chance.
    """
    size = np.tile(np.repeat(LEVELS, len(CHANCES)), blocks)
    chance = np.tile(CHANCES, len(LEVELS) * blocks)
    luck, image = random.random(len(size)), np.arange(len(size)) // images
    if images > 1:
        shared = random.random(len(size)) < ALIKE**0.5
        luck = np.where(shared, random.random(image[-1] + 1)[image], luck)
    right = (luck < function.right(size, chance)).astype(float)
    return Trials(size, right, chance, list(map(str, image)))


def fits_of(repetitions: int) -> int:
    """Of so many charts, those whose fit is tested, which takes many simulations each."""
    return max(1, repetitions // 5)


def coverage(design: Design, repetitions: int) -> tuple[dict[float, float], float]:
    """Share of intervals that hold the true size, for 50 and 90 %; and rejections of a true fit."""
    random = np.random.default_rng([SEED, DESIGNS.index(design)])  # no two cells share their luck
    held = {0.5: 0, 0.9: 0}
    truth, rejected = design.truth, 0
    for number in range(repetitions):
        trials = answers(truth, design.blocks, random, design.images)
        found = curves({"r": trials}, seed=number, resamples=100)
        for share, interval in zip(held, found.intervals("r", tuple(held)), strict=True):
            held[share] += interval.low <= truth.size_at(share) <= interval.high
        if number < fits_of(repetitions):
            rejected += misfit(trials, found.fits["r"], seed=number, simulations=60) <= 0.05
    shares = {share: count / repetitions for share, count in held.items()}
    return shares, rejected / fits_of(repetitions)


def wrongly_seeing(charts: int) -> int:
    """Charts of 96 answers in which a model that guesses is said to see."""
    random, guess = np.random.default_rng(SEED), Weibull(1e9, 3.0, 0.0)
    return sum(guessing(answers(guess, 4, random)) < SEEN for _ in range(charts))


def wrongly_differing(trios: int) -> int:
    """Of so many trios of equal curves, those that are said to differ."""
    random, wrong = np.random.default_rng(SEED), 0
    for number in range(trios):
        three = {name: answers(TRUTHS[0], 8, random) for name in "abc"}
        found = curves(three, seed=number, resamples=100)
        wrong += coincidence(found, list("abc")).verdict == "differ"
    return wrong


def main() -> None:
    """Simulate everything and keep it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=400)
    repetitions = parser.parse_args().repetitions
    cells = []
    for design in DESIGNS:
        held, rejected = coverage(design, repetitions)
        truth = design.truth
        cells.append(
            {
                "truth": [truth.threshold, truth.slope, truth.lapse],
                "answers": design.answers,
                "images": design.answers // design.images,
                "half": held[0.5],
                "most": None if np.isinf(truth.size_at(0.9)) else held[0.9],
                "rejected": rejected,
            }
        )
        print(cells[-1], flush=True)
    found = {
        "repetitions": repetitions,
        "fits": fits_of(repetitions),
        "seed": SEED,
        "cells": cells,
        "seeing": [wrongly_seeing(20 * repetitions), 20 * repetitions],
        "differing": [wrongly_differing(repetitions // 4), repetitions // 4],
    }
    keep("coverage", "simulated", found)


if __name__ == "__main__":
    main()
