"""Answers of a Flamingo to a pool of samples, ranked among their choices as the adapter ranks."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from resolution_eval.data.sources import Sample
from resolution_eval.models.flamingo import FlamingoBundle, encode, rank
from resolution_eval.models.flamingo.vision import normalise
from resolution_eval.resolution import Resolution
from resolution_eval.training.flamingo_learner import prompt
from resolution_eval.training.pool import ImagePool

BATCH = 64
"""Most images that are ranked together."""


def accuracy(bundle: FlamingoBundle, pool: ImagePool, resolution: Resolution) -> float:
    """Fraction of the pool's samples whose answer ranks first among their choices.

    Samples without choices count as wrong.
    """
    right = [verdict for _, verdict in verdicts(bundle, pool, resolution)]
    return sum(right) / len(right)


def verdicts(
    bundle: FlamingoBundle, pool: ImagePool, resolution: Resolution
) -> Iterator[tuple[Sample, bool]]:
    """Every sample, and whether its answer ranks first among its choices."""
    bundle.model.eval()
    for grid, places in pool.in_order(resolution, BATCH):
        part = pool.take(resolution, grid, places)
        with torch.inference_mode():
            encoded = encode(bundle, normalise(part.pixels, bundle.config))
        choices = [[f" {choice}" for choice in sample.choices] for sample in part.samples]
        scores = rank(bundle, encoded, [prompt(sample) for sample in part.samples], choices)
        for best, sample in zip(scores.argmax(1).tolist(), part.samples, strict=True):
            yield sample, sample.choices[best] == sample.answer
