"""A model's answers, with what was read from the tensors that entered its encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from resolution_eval.evidence.attestation import Sent, ServerFacts
from resolution_eval.evidence.verdict import Failure
from resolution_eval.ground.errors import ModelError

Fact = TypeVar("Fact")
Entered = tuple[tuple[int, int], int]
"""What was read of a demonstration's image: grid (height, width) in pixels, and visual tokens."""


@dataclass(frozen=True, kw_only=True)
class ImageEntry:
    """What was read of one image of a question that has several."""

    grid: tuple[int, int] | None
    """Height and width in pixels; None where nobody could look."""
    visual_tokens: int | None
    tiles: int | None = None
    """Images that entered for it, where it is cut into tiles."""
    sent: Sent | None = None
    predicted_size: tuple[int, int] | None = None
    """Width and height in pixels that a server's rule leaves of it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A model's answer to one job, and what was read from the tensors that entered its encoder.

    Of a question with several images `grid` and `sent` are of the first, `visual_tokens` and
    `tiles` of all together, and `images` has each.
    """

    text: str
    choice: int | None
    choice_scores: tuple[float, ...] | None
    grid: tuple[int, int] | None
    """Height and width in pixels; None where nobody could look."""
    visual_tokens: int | None
    evidence: str
    tiles: int | None = None
    """Images that entered, where the image is cut into tiles."""
    notes: tuple[str, ...] = ()
    sent: Sent | None = None
    served: ServerFacts | None = None
    """What a server said and what is predicted of it, where one answered."""
    generated_tokens: int | None = None
    """Tokens of the text that was written; None where choices were ranked."""
    demonstrations: tuple[Entered, ...] = ()
    images: tuple[ImageEntry, ...] = ()
    """Each of the question's own images in order, where it has several."""


def by_number(facts: Sequence[Fact], order: Sequence[int]) -> list[Fact]:
    """The facts of images that stand in the `order` of the prompt, by the question's own numbers.

    Example:
        >>> by_number(["c", "a", "b"], (2, 0, 1))
        ['a', 'b', 'c']
    """
    return [one for _, one in sorted(zip(order, facts, strict=True), key=lambda pair: pair[0])]


def together(entries: Sequence[ImageEntry]) -> dict[str, Any]:
    """The facts of an `Answer` that follow from those of its several images."""
    tokens = [entry.visual_tokens for entry in entries]
    tiles = [entry.tiles for entry in entries]
    return {
        "grid": entries[0].grid,
        "sent": entries[0].sent,
        "visual_tokens": None if None in tokens else sum(filter(None, tokens)),
        "tiles": sum(count or 1 for count in tiles) if any(tiles) else None,
        "images": tuple(entries),
    }


def facts_of(entries: Sequence[ImageEntry]) -> dict[str, Any]:
    """An answer's facts of its images; of one image alone there is no list."""
    facts = together(entries)
    return facts if len(entries) > 1 else {**facts, "images": ()}


def finite(answer: Answer | Failure) -> Answer | Failure:
    """The answer; ModelError where a score of it is NaN or infinite."""
    if isinstance(answer, Failure):
        return answer
    if answer.choice_scores and not all(math.isfinite(score) for score in answer.choice_scores):
        raise ModelError(f"the choices' scores are not finite: {answer.choice_scores}")
    return answer
