"""What a base's model was given to read and what it wrote: tokens, where it is asked here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from resolution_eval.answers import thinking
from resolution_eval.evidence.model_answer import Answer
from resolution_eval.evidence.verdict import Failure
from resolution_eval.models.families import Family, Parts

UNSEEN = (
    "whether the question reached the model whole, with the placeholders of its image, and whether "
    "a thinking was cut, was not seen: the base does not call generate with input_ids"
)
"""What is noted of answers of which there is no transcript."""


@dataclass(frozen=True)
class Transcript:
    """One row of a batch."""

    prompt: tuple[int, ...]
    """Tokens that entered the language model, image tokens included, padding not."""
    written: tuple[int, ...] | None
    """Tokens behind them; None where the output does not begin with the prompt."""


def transcripts(named: Mapping[str, Any], output: Any) -> list[Transcript]:
    """The rows of one call of `generate`; none where it was not given tokens."""
    ids, mask = named.get("input_ids"), named.get("attention_mask")
    if not isinstance(ids, Tensor):
        return []
    sequences = getattr(output, "sequences", output)
    begins = (
        isinstance(sequences, Tensor)
        and sequences.shape[1] >= ids.shape[1]
        and bool((sequences[:, : ids.shape[1]] == ids).all())
    )
    rows = []
    for row, prompt in enumerate(ids):
        kept = prompt[mask[row].bool()] if isinstance(mask, Tensor) else prompt
        rest = tuple(sequences[row, ids.shape[1] :].tolist()) if begins else None
        rows.append(Transcript(tuple(kept.tolist()), rest))
    return rows


def as_one(earlier: Sequence[Transcript], later: Sequence[Transcript]) -> Transcript:
    """One question's transcript over several calls: what the first read, what the last wrote."""
    return Transcript((*earlier, *later)[0].prompt, later[-1].written)


def checked(
    family: Family | None,
    parts: Parts | None,
    answers: Sequence[Answer | Failure],
    seen: Sequence[Transcript],
    prompts: Sequence[str],
    limits: Sequence[int],
) -> list[Answer | Failure]:
    """The answers, held against what their models read: a question that did not arrive whole is a
    failure, as is another number of image tokens than the grid makes; a thinking that the prompt
    opened begins the text, and one that the limit cut is noted.
    """
    if parts is None:
        return list(answers)
    if len(seen) != len(answers):
        return [_unseen(answer) for answer in answers]
    rows = zip(answers, seen, prompts, limits, strict=True)
    return [_checked(family, parts, *row) for row in rows]


def _checked(
    family: Family | None,
    parts: Parts,
    answer: Answer | Failure,
    transcript: Transcript,
    prompt: str,
    limit: int,
) -> Answer | Failure:
    if isinstance(answer, Failure):
        return answer
    tokenizer = parts.processor.tokenizer
    image = None if family is None else family.image_token(parts)
    read = tokenizer.decode([token for token in transcript.prompt if token != image])
    lines = [
        tokenizer.decode(tokenizer(line, add_special_tokens=False)["input_ids"])
        for line in prompt.splitlines()
    ]
    if lost := _lost(lines, read):
        return Failure(kind="prompt", message=lost)
    if family is not None and (fault := _miscounted(family, parts, answer)):
        return Failure(kind="prompt", message=fault)
    return _thought(answer, read, transcript, tokenizer.eos_token_id, limit)


def _lost(lines: Sequence[str], read: str) -> str | None:
    """Why a question's lines are not all in what the model read, white space aside, or None."""
    squeezed = "".join(read.split())
    missing = [line for line in lines if "".join(line.split()) not in squeezed]
    if not missing:
        return None
    return (
        f"the base's prompt does not hold the question whole: {missing[0][:60]!r} is not in it; a "
        "base or tokenizer that cuts or rewrites the text cannot be scored"
    )


def _miscounted(family: Family, parts: Parts, answer: Answer) -> str | None:
    """Why the placeholders are not those of the grid that entered; None where nobody can tell."""
    if not family.computes or family.own or answer.grid is None or answer.images:
        return None
    if answer.visual_tokens is None or answer.tiles is not None:
        return None
    from resolution_eval.resolution import Size

    made = family.visual_tokens(parts, Size(answer.grid[1], answer.grid[0]))
    if made == answer.visual_tokens:
        return None
    return (
        f"the base puts {answer.visual_tokens} image tokens into the prompt where the grid "
        f"{answer.grid[0]}x{answer.grid[1]} makes {made}"
    )


def _thought(answer: Answer, read: str, transcript: Transcript, ends: Any, limit: int) -> Answer:
    """The answer with the tag of the thinking that its prompt opened, noted where it is cut."""
    opening = thinking.opened(read)
    text = answer.text
    if opening and opening[0] not in text:
        text = f"{opening[0]}{text}"
    known = set(ends) if isinstance(ends, list | tuple) else {ends}
    written = transcript.written
    ended = written is None or any(token in known for token in written)
    cut = (thinking.cut_note(limit),) if thinking.opened(text) and not ended else ()
    return replace(answer, text=text, notes=(*answer.notes, *cut))


def _unseen(answer: Answer | Failure) -> Answer | Failure:
    if isinstance(answer, Failure):
        return answer
    return replace(answer, notes=(*answer.notes, UNSEEN))
