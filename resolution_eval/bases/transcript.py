"""What a base's model was given to read and what it wrote: tokens, where it is asked here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


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
    found = []
    for row, prompt in enumerate(ids):
        kept = prompt[mask[row].bool()] if isinstance(mask, Tensor) else prompt
        rest = tuple(sequences[row, ids.shape[1] :].tolist()) if begins else None
        found.append(Transcript(tuple(kept.tolist()), rest))
    return found
