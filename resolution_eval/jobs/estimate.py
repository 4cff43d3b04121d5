"""What a job will take of a server before it is run: tokens by a rule, money by a price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from resolution_eval.data.cards import task_cards
from resolution_eval.jobs.job import Job
from resolution_eval.resolution import Size, budget_size, parse_resolution

MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class CellEstimate:
    """One resolution of one task."""

    resolution: str
    images: int
    """Of the test split, by the task's card; at most the plan's `--limit`."""
    tokens: int | None
    """Most image tokens of all of them; None where no rule tells. The text comes on top."""

    def money(self, price: float | None) -> float | None:
        """By the price of a million prompt tokens; None where either is not known."""
        return None if price is None or self.tokens is None else self.tokens * price / MILLION


def estimates(job: Job) -> list[CellEstimate]:
    """Every cell of a job that asks a server; none where the card does not say how large its images
    are, or how many.

    Raises:
        UsageError: an argument names no rule.
        ModelError: the processor cannot be loaded.
    """
    from resolution_eval.models.arguments import model_arguments
    from resolution_eval.models.wrapped.predictors import predictor

    settings = job.settings
    card = task_cards().get(settings.task.removesuffix("_res"))
    told: Mapping[str, str] = model_arguments(settings.model_args)
    if settings.model != "reswrap" or card is None:
        return []
    if card.source_width is None or card.source_height is None or not card.counts.get("test"):
        return []
    source = Size(card.source_width, card.source_height)
    name = told.get("model") or told.get("model_version") or told.get("pretrained") or ""
    who = predictor(name, told)
    sizes = settings.resolutions or tuple(map(str, card.resolutions))
    images = _images(card.counts["test"], settings.arguments, len(sizes))
    found = []
    for size in sizes:
        shown = budget_size(source, parse_resolution(size))
        forecast = None if who is None else who.forecast(shown, TURNS)
        most = None if forecast is None or forecast.tokens is None else forecast.tokens[1]
        tokens = None if most is None else most * images
        found.append(CellEstimate(resolution=size, images=images, tokens=tokens))
    return found


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
    """The estimate in lines, each a comment for a shell."""
    cells = estimates(job)
    if not cells:
        return
    for cell in cells:
        yield f"#   {cell.resolution}: {cell.images:,} images, {_spent(cell.tokens, price)}"
    known = [cell.tokens for cell in cells if cell.tokens is not None]
    if len(known) == len(cells):
        yield f"#   together: {_spent(sum(known), price)}; prompts' texts and answers come on top"
    else:
        yield "#   tokens are unknown: no rule tells those of this model"


def _spent(tokens: int | None, price: float | None) -> str:
    if tokens is None:
        return "tokens unknown"
    money = "" if price is None else f", {tokens * price / MILLION:.2f} by the price given"
    return f"{tokens:,} image tokens{money}"
