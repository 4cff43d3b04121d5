"""Identity: whether a submission is of what it calls itself, and was asked what the task asks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from resolution_eval.answers.prompts import question_text
from resolution_eval.board.board_schema import STATUSES
from resolution_eval.board.pins import Pin
from resolution_eval.board.submission import Facts
from resolution_eval.data.cards import TaskCard
from resolution_eval.ground.likeness import skeleton
from resolution_eval.host.taskfiles import GENERATION
from resolution_eval.records import Record

PROJECT = "resolution-eval"
"""This project, as a submitter or an owner of models; others may not look like it."""


def identity_faults(facts: Facts, vouched: str | None, *, accepted: bool) -> Iterator[str]:
    """Whether the model's name is what ran; `vouched` is why, in the maintainers' words, if not."""
    if vouched is not None:
        return
    if not accepted:
        yield from _borrowed_faults(facts)
    if facts.model != facts.pretrained:
        yield (
            f"model {facts.model!r}, but what ran is pretrained={facts.pretrained!r}; name the "
            "model as it was loaded, or have the maintainers vouch for it (--vouch)"
        )


def _borrowed_faults(facts: Facts) -> Iterator[str]:
    """Names that are not the submitter's to give: this project's, and those of a status."""
    owner = facts.model.partition("/")[0] if "/" in facts.model else ""
    for what, name in (("submitter", facts.submitter), ("the owner of the model", owner)):
        if _holds(name, PROJECT):
            yield (
                f"{what} {name!r} reads as this project's own name; give your own, or have the "
                "maintainers vouch for it (--vouch)"
            )
    statuses = {skeleton(status) for status in STATUSES}
    for what, text in (
        *(("label", label) for label in facts.labels),
        *(("recipe", text) for text in (facts.recipe,) if text),
        ("title", facts.title),
    ):
        if skeleton(text) in statuses:
            yield f"{what} {text!r} reads as a status of the board, which the board alone gives"


def _holds(name: str, other: str) -> bool:
    """Whether whole words of `name`, one after the other, read as `other`, or as several of it;
    capitals within a word begin another, and digits part words or stand in them for letters.
    """
    parted = re.sub(r"(?<=[^\W\d_])(?=[A-Z][a-z])", " ", name)
    meant = {skeleton(other), skeleton(f"{other}s")}
    for pattern in (r"[^\W_]+", r"[^\W\d_]+"):
        words = [skeleton(word) for word in re.findall(pattern, parted)]
        ends = range(1, len(words) + 1)
        if any("".join(words[i:j]) in meant for j in ends for i in range(j)):
            return True
    return False


def asked_faults(record: Record, card: TaskCard, pin: Pin) -> Iterator[str]:
    """Whether the model was asked as the task asks: its prompt, and how answers are written."""
    generation, own = record.environment.generation, json.dumps(GENERATION, sort_keys=True)
    if generation != own:
        yield (
            f"environment.generation {generation}, but the task's is {own}; run without "
            "--gen_kwargs"
        )
    prompt = record.prompt or ""
    if card.question is not None and prompt != question_text(card.question, pin.choices):
        wanted = question_text(card.question, pin.choices)
        yield f"prompt {prompt!r:.300}, but the task asks {wanted!r:.300}"
    tails = {question_text("", sample.choices) for sample in pin.by_id.values()}
    if not prompt.endswith(tuple(tails)):
        yield f"prompt {prompt!r:.300} ends with no question's options as the task tells them"
