"""One sample's answer, scored: right or wrong, or why there is no answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from resolution_eval.evidence.details import Detail

Form = Literal["closed", "open"]
"""Whether an answer is one of few, or any phrase: the two are never averaged."""


class Failure(BaseModel):
    """Why a sample has no answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    message: str


class Judgement(BaseModel):
    """What a language model said of an open answer; never part of exact match or F1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: str
    """Provider and model that were asked."""
    model: str | None
    """Model that answered, by its own word; null where none did."""
    correct: Literal[0, 1] | None
    """Null where the judge failed: no judgement is not a wrong answer."""
    failure: str | None


class Verdict(BaseModel):
    """One sample at one resolution, scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    resolution: str
    cluster: str
    target: str
    prediction: str | None
    """What the answer was read as: the choice, or an open answer's normalised phrase; null where it
    could not be read, or the sample failed.
    """
    correct: Literal[0, 1] | None
    """Null where the sample failed: a failed sample is not a wrong one."""
    answer: str | None
    failure: Failure | None
    choice_scores: tuple[float, ...] | None
    """Log-likelihood of each of `options`, where they were ranked."""
    options: tuple[str, ...] = ()
    """The options in the order shown."""
    form: Form = "closed"
    f1: float | None = None
    """Token F1 with the target, of an open question; null for a closed one, and where it failed."""
    judgement: Judgement | None = None
    """Of an open question in a run with a judge; null elsewhere, and where the sample failed."""
    generated_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """Tokens that the model wrote; null where choices were ranked, or nobody counted."""
    detail: Detail | None = None
    """What had to be seen to answer, and how large it is; null where nobody said."""
