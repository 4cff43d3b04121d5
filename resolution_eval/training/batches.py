"""Batches of a run: which samples, at which resolution, the same for every process.

Everything is drawn from the seed, the step and the place within it: a run that is resumed draws
what it would have drawn, and no state of a generator need be kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

import torch

from resolution_eval.training.augmentation import augment
from resolution_eval.training.plan import Augmentation, TrainingPlan
from resolution_eval.training.pool import ImageBatch, ImagePool


@dataclass(frozen=True, eq=False)
class Share:
    """One process's part of a batch."""

    drawn: ImageBatch
    everyone: tuple[str, ...]
    """Ids of the samples of all processes."""
    idle: bool
    """Whether the batch has too few samples for this process, which repeats one and counts none."""


def draw_share(
    plan: TrainingPlan, pool: ImagePool, when: tuple[int, int], rank: int, world: int
) -> Share:
    """What process `rank` of `world` trains on `when`: step, and batch in it, both from 0."""
    random = generator(plan.seed, "batch", *when)
    resolution = plan.sampler.draw(random)
    places = pool.draw(resolution, plan.stage(when[0])[0].batch * world, random)
    own = places[rank::world]
    drawn = pool.take(resolution, pool.grid(resolution, places[0]), own or places[:1])
    if plan.augmentation != Augmentation():
        orders = range(rank, rank + world * len(drawn.samples), world)
        changed = [
            augment(image[None], plan.augmentation, generator(plan.seed, "change", *when, order))
            for image, order in zip(drawn.pixels, orders, strict=True)
        ]
        drawn = replace(drawn, pixels=torch.cat(changed))
    names = tuple(pool.samples[number].id for number in places)
    return Share(drawn, names, not own)


def generator(*parts: object) -> torch.Generator:
    """A generator that follows from `parts` alone."""
    digest = sha256("/".join(map(str, parts)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
