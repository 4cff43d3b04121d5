"""What a job will take of a server before it is run: tokens by a rule, money by a price."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from resolution_eval.data.cards import TaskCard, task_cards
from resolution_eval.data.sources.opener import at_hand
from resolution_eval.data.sources.source import Sample, Source
from resolution_eval.ground.errors import ImageError
from resolution_eval.images import decode
from resolution_eval.jobs.job import Job
from resolution_eval.resolution import Size, budget_size, parse_resolution

if TYPE_CHECKING:
    from resolution_eval.models.wrapped.predictors import Predictor

MILLION = 1_000_000


LOOKED_AT = 200
"""Most images whose sizes are looked at, of data whose card does not say them: the first ones, in
the order of their ids' digests."""


@dataclass(frozen=True, kw_only=True)
class CellEstimate:
    """One resolution of one task."""

    resolution: str
    images: int
    """Of the test split; at most the plan's `--limit`."""
    tokens: int | None
    """Most image tokens of all of them; None where no rule tells. The text comes on top."""


@dataclass(frozen=True)
class JobMaterial:
    """How many test samples a job has, and how large their images are."""

    samples: int
    sizes: tuple[tuple[Size, ...], ...]
    """Of the images of each sample that was looked at, as they are stored."""
    looked_at: bool
    """Whether images were opened for it; otherwise the card says it."""


def job_material(card: TaskCard) -> JobMaterial | None:
    """By the card, or by the data where it is on this machine; None where neither tells.

    Raises:
        DataError: the data is damaged.
    """
    told = card.counts.get("test")
    if card.source_width is not None and card.source_height is not None and told:
        return JobMaterial(told, ((Size(card.source_width, card.source_height),),), False)
    source = at_hand(card)
    if source is None:
        return None
    samples = [one for one in source.samples("test") if not card.only or one.id in card.only]
    sizes = tuple(tuple(_sizes(source, one)) for one in samples[:LOOKED_AT])
    known = tuple(each for each in sizes if each)
    return JobMaterial(len(samples), known, True) if known else None


def _sizes(source: Source, sample: Sample) -> Iterator[Size]:
    """Of the sample's images, as they are decoded; nothing of one that cannot be."""
    for locator in (sample.image, *sample.more):
        with suppress(ImageError):
            yield decode(source.read(locator)).size


def estimates(job: Job, material: JobMaterial) -> list[CellEstimate]:
    """Every cell of a job that asks a server.

    Raises:
        UsageError: an argument names no rule.
        ModelError: the processor cannot be loaded.
    """
    from resolution_eval.models.arguments import model_arguments
    from resolution_eval.models.wrapped.predictors import predictor

    settings = job.settings
    told: Mapping[str, str] = model_arguments(settings.model_args)
    name = told.get("model") or told.get("model_version") or told.get("pretrained") or ""
    who = predictor(name, told)
    sizes = settings.resolutions or tuple(map(str, _card(job).resolutions))
    images = _images(material.samples, settings.arguments, len(sizes))
    found = []
    for size in sizes:
        each = [_most(who, one, size) for one in material.sizes]
        known = [most for most in each if most is not None]
        whole = len(known) == len(each)
        tokens = math.ceil(sum(known) * images / len(each)) if whole else None
        found.append(CellEstimate(resolution=size, images=images, tokens=tokens))
    return found


def _most(who: Predictor | None, sizes: Sequence[Size], resolution: str) -> int | None:
    """Most tokens of one sample's images at a resolution; None where no rule tells."""
    if who is None:
        return None
    asked = parse_resolution(resolution)
    found = [who.forecast(budget_size(size, asked), TURNS).tokens for size in sizes]
    known = [most for _, most in filter(None, found)]
    return sum(known) if len(known) == len(found) else None


def _card(job: Job) -> TaskCard:
    return task_cards()[job.settings.task.removesuffix("_res")]


TURNS = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which?"}]}]
"""A conversation of which the image's tokens are wanted alone."""


def _images(test: int, arguments: tuple[str, ...], sizes: int) -> int:
    """Images of each resolution; `--limit` counts documents, of which each resolution has its
    share.
    """
    for name, value in pairwise(arguments):
        if name == "--limit":
            limit = float(value)
            return max(1, round(limit * test if limit < 1 else min(test, limit / sizes)))
    return test


def told(job: Job, price: float | None) -> Iterator[str]:
    """The estimate in lines, each a comment for a shell; nothing of a job that asks no server.

    Raises:
        UsageError: an argument names no rule.
        ModelError: the processor cannot be loaded.
        DataError: the data is damaged.
    """
    name = job.settings.task.removesuffix("_res")
    if job.settings.model != "reswrap":
        return
    card = task_cards().get(name)
    if card is None:
        yield f"#   tokens are unknown: {job.settings.task} is not one task with a card"
        return
    material = job_material(card)
    if material is None:
        yield (
            f"#   tokens are unknown: the card of {name} does not say how many images there are "
            "and how large, and its data is not on this machine"
        )
        return
    cells = estimates(job, material)
    for cell in cells:
        yield f"#   {cell.resolution}: {cell.images:,} images, {_spent(cell.tokens, price)}"
    if material.looked_at:
        yield f"#   sizes are those of the first {len(material.sizes):,} samples on this machine"
    known = [cell.tokens for cell in cells if cell.tokens is not None]
    if len(known) == len(cells):
        yield f"#   together: {_spent(sum(known), price)}; prompts' texts and answers come on top"
    else:
        yield "#   tokens are unknown: no rule tells those of this model"


def _spent(tokens: int | None, price: float | None) -> str:
    if tokens is None:
        return "tokens unknown"
    cost = "" if price is None else f", {money_text(tokens * price / MILLION)} by the price given"
    return f"{tokens:,} image tokens{cost}"


def money_text(amount: float) -> str:
    """An amount to a hundredth, or to two digits where it is less than one.

    Example:
        >>> money_text(4.577), money_text(0.00123)
        ('4.58', '0.0012')
    """
    return f"{amount:.2f}" if amount >= 1 else f"{amount:.2g}"
