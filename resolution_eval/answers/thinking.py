"""Thinking: what a checkpoint writes for itself before its answer, and where the limit cuts it."""

from __future__ import annotations

from typing import Any

from resolution_eval.answers.generation import Generation
from resolution_eval.answers.reply_text import THINKING

TASK_TOKENS = 64
"""Tokens that our tasks allow an answer, unless they are told otherwise."""
TOKENS = 4096
"""Tokens that a checkpoint gets in their place if it thinks before it answers."""


def opened(text: str) -> tuple[str, str] | None:
    """The tags of a thinking that `text` opens and does not close; None where there is none.

    Example:
        >>> opened("assistant\\n<think>\\n")
        ('<think>', '</think>')
        >>> opened("assistant\\n<think>\\n\\n</think>\\n\\n") is None
        True
    """
    begun = [(text.rfind(opening), opening, closing) for opening, closing in THINKING]
    place, opening, closing = max(begun)
    if place < 0 or closing in text[place + len(opening) :]:
        return None
    return opening, closing


def without_thinking(text: str) -> str:
    """`text` behind the last thinking that it closes.

    Example:
        >>> without_thinking("<think>adipose?</think> muscle")
        ' muscle'
    """
    for _, closing in THINKING:
        text = text.rpartition(closing)[2]
    return text


def closed(prompt: str) -> str:
    """`prompt` with the thinking that it opens closed again, empty, before an answer is ranked.

    Example:
        >>> closed("assistant\\n<think>\\n")
        'assistant\\n<think>\\n\\n</think>\\n\\n'
    """
    tags = opened(prompt)
    if tags is None:
        return prompt
    space = "" if prompt.endswith("\n") else "\n"
    return f"{prompt}{space}\n{tags[1]}\n\n"


def thinks(template: Any, prompt: str) -> bool:
    """Whether a checkpoint thinks before it answers: its prompt opens a thinking, or its template
    knows of one and the prompt does not close it at its end.
    """
    if opened(prompt) is not None:
        return True
    known = [pair for pair in THINKING if pair[0] in str(template or "")]
    return any(not prompt.rstrip().endswith(closing) for _, closing in known)


def allowed(asked: Generation, *, thinking: bool) -> Generation:
    """The generation asked for, with room to think where nobody asked for another than the task's
    own number of tokens.
    """
    if not thinking or asked.max_new_tokens != TASK_TOKENS:
        return asked
    return asked.model_copy(update={"max_new_tokens": TOKENS})


def cut_note(limit: int) -> str:
    """What an attestation says of an answer whose thinking the limit cut."""
    return f"{CUT} at max_new_tokens={limit}; raise it with --gen_kwargs max_new_tokens={4 * limit}"


CUT = "cut while thinking"
"""How the note begins."""


def is_cut(note: str) -> bool:
    """Whether a note says that a thinking was cut."""
    return note.startswith(CUT)
