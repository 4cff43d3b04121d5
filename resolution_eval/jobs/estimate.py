"""What a job will take of a server before it is run: tokens by a rule, money by a price."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from resolution_eval.data.cards import TaskCard, task_cards
from resolution_eval.data.sources.opener import at_hand
from resolution_eval.data.sources.roots import cache_root, data_root
from resolution_eval.data.sources.source import Sample, Source
from resolution_eval.ground.errors import DataError, ImageError
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
    samples: int
    """Of the test split; at most the plan's `--limit`."""
    tokens: int | None
    """Image tokens of all, without texts: as many for each as the rule gives at most, on average, a
    sample that was looked at; None where no rule tells."""
    whole: bool
    """Whether no average was taken: every sample was looked at, or all have equally many."""


@dataclass(frozen=True)
class JobMaterial:
    """How many test samples a job has, and how large their images are."""

    samples: int
    sizes: tuple[tuple[Size, ...], ...]
    """Of the images of each sample that was looked at, as they are stored."""
    looked_at: int
    """Samples whose images were opened for it; 0 where the card says it."""

    @property
    def broken(self) -> int:
        """Samples that were looked at and have an image that cannot be decoded."""
        return self.looked_at - len(self.sizes) if self.looked_at else 0


def job_material(card: TaskCard) -> JobMaterial | None:
    """By the card, or by the data where it is on this machine; None where neither tells. Looked at
    once, for however many jobs.

    Raises:
        DataError: the data is damaged.
    """
    return _material(card, data_root(), cache_root())


@lru_cache(maxsize=256)
def _material(card: TaskCard, *_roots: Path | None) -> JobMaterial | None:
    told = card.counts.get("test")
    if card.source_width is not None and card.source_height is not None and told:
        return JobMaterial(told, ((Size(card.source_width, card.source_height),),), 0)
    source = at_hand(card)
    if source is None:
        return None
    samples = [one for one in source.samples("test") if not card.only or one.id in card.only]
    sample_sizes = [_sizes(source, one) for one in samples[:LOOKED_AT]]
    return JobMaterial(len(samples), tuple(filter(None, sample_sizes)), len(sample_sizes))


def _sizes(source: Source, sample: Sample) -> tuple[Size, ...] | None:
    """Of the sample's images, as they are decoded; None where one cannot be: the sample fails."""
    try:
        return tuple(decode(source.read(one)).size for one in (sample.image, *sample.more))
    except ImageError:
        return None


def estimates(job: Job, card: TaskCard, material: JobMaterial) -> list[CellEstimate]:
    """Every cell of a job on the task of `card` that asks a server; at least one sample's sizes are
    known.

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
    sizes = settings.resolutions or tuple(map(str, card.resolutions))
    samples = _limited(material.samples, settings.arguments, len(sizes))
    looked_at = samples == material.looked_at == material.samples
    cells = []
    for size in sizes:
        each = [_most(who, one, size) for one in material.sizes]
        known = [most for most in each if most is not None]
        tokens = None
        if len(known) == len(each):
            tokens = sum(known) if looked_at else math.ceil(sum(known) * samples / len(each))
        whole = looked_at or (len(set(each)) == 1 and not material.broken)
        cells.append(CellEstimate(resolution=size, samples=samples, tokens=tokens, whole=whole))
    return cells


def _most(who: Predictor | None, sizes: Sequence[Size], resolution: str) -> int | None:
    """Most tokens of one sample's images at a resolution; None where no rule tells."""
    from resolution_eval.models.wrapped.predictors import LONE

    if who is None:
        return None
    asked = parse_resolution(resolution)
    tokens = [who.forecast(budget_size(size, asked), LONE).tokens for size in sizes]
    known = [most for _, most in filter(None, tokens)]
    return sum(known) if len(known) == len(tokens) else None


def _limited(test: int, arguments: tuple[str, ...], sizes: int) -> int:
    """Samples of each resolution, of which each has its share of the documents of `--limit`."""
    parts = [part for one in arguments for part in one.split("=", 1)]
    for name, value in pairwise(parts):
        if name == "--limit":
            limit = float(value)
            return max(1, round(limit * test if limit < 1 else min(test, limit / sizes)))
    return test


def told(job: Job, price: float | None) -> Iterator[str]:
    """The estimate in lines, each a comment for a shell; nothing of a job that asks no server.

    Raises:
        UsageError: an argument names no rule.
        ModelError: the processor cannot be loaded.
    """
    name = job.settings.task.removesuffix("_res")
    if job.settings.model != "reswrap":
        return
    card = task_cards().get(name)
    if card is None:
        yield f"#   tokens are unknown: {job.settings.task} is not one task with a card"
        return
    try:
        material = job_material(card)
    except DataError as error:
        yield f"#   tokens are unknown: {' '.join(str(error).split())}"
        return
    if material is None or not material.sizes:
        yield f"#   tokens are unknown: {_unknown(name, material)}"
        return
    cells = estimates(job, card, material)
    for cell in cells:
        spent = _spent(cell.tokens, cell.whole, price)
        yield f"#   {cell.resolution}: {cell.samples:,} samples, {spent}"
    yield from _ground(material)
    yield f"#   {_together(cells, price)}"


def _unknown(name: str, material: JobMaterial | None) -> str:
    if material is None:
        return (
            f"the card of {name} does not say how many images there are and how large, and its "
            "data is not on this machine"
        )
    if material.looked_at:
        return (
            f"the data of {name} is on this machine, and of the first {material.looked_at:,} "
            "samples none has images that can be read"
        )
    return f"the data of {name} on this machine has no test samples that are asked"


def _ground(material: JobMaterial) -> Iterator[str]:
    """What was looked at."""
    if material.looked_at:
        part = f"{len(material.sizes):,} of " if material.broken else ""
        first = f"{part}the first {material.looked_at:,} samples"
        yield f"#   sizes are those of {first} on this machine"
    if material.broken:
        yield (
            f"#   besides, {material.broken:,} samples have an image that cannot be read: they "
            "fail, and are not asked"
        )


def _together(cells: Sequence[CellEstimate], price: float | None) -> str:
    known = [cell.tokens for cell in cells if cell.tokens is not None]
    if len(known) < len(cells):
        return "tokens are unknown: no rule tells those of this model"
    whole = all(cell.whole for cell in cells)
    return f"together: {_spent(sum(known), whole, price)}; prompts' texts and answers come on top"


def _spent(tokens: int | None, whole: bool, price: float | None) -> str:
    if tokens is None:
        return "tokens unknown"
    text = f"{'' if whole else 'about '}{tokens:,} image tokens"
    if price is None:
        return text
    return f"{text}, {money_text(tokens * price / MILLION)} by the price given"


def money_text(amount: float) -> str:
    """An amount to a hundredth, or to two digits where it is less than one.

    Example:
        >>> money_text(4.577), money_text(0.00123)
        ('4.58', '0.0012')
    """
    return f"{amount:.2f}" if amount >= 1 else f"{amount:.2g}"
