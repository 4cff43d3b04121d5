"""A model's answers, with what was read from the tensors that entered its encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass

from resolution_eval.attestation import Failure, Sent, Served
from resolution_eval.errors import ModelError

Entered = tuple[tuple[int, int], int]
"""What was read of a demonstration's image: grid (height, width) in pixels, and visual tokens."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A model's answer to one job, and what was read from the tensors that entered its encoder."""

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
    served: Served | None = None
    """What a server said and what is predicted of it, where one answered."""
    generated_tokens: int | None = None
    """Tokens of the text that was written; None where choices were ranked."""
    demonstrations: tuple[Entered, ...] = ()


def finite(answer: Answer | Failure) -> Answer | Failure:
    """The answer, if its scores are numbers.

    Raises:
        ModelError: a score is NaN or infinite.
    """
    if isinstance(answer, Failure):
        return answer
    if answer.choice_scores and not all(math.isfinite(score) for score in answer.choice_scores):
        raise ModelError(f"the choices' scores are not finite: {answer.choice_scores}")
    return answer
