"""What follows a prompt: the tokens of its choices, packed into one sequence, and their scores.

Choices of one question share its prompt's cache. Packed, all of them stand behind each other in one
sequence in which none sees another: the cache is neither copied for each choice, nor padded to the
longest of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Score:
    """What the model says of one continuation."""

    log_likelihood: float
    """Natural logarithm, summed over the continuation's tokens."""
    tokens: int
    greedy: bool
    """Whether every token is the likeliest at its place."""


@dataclass(frozen=True)
class Tails:
    """What follows the shared prefixes of all questions: one tail a choice, question by question.

    Example: a prefix "... Answer:" with the choices "red" and "light blue" has two tails.
    """

    owners: Sequence[int]
    """Question of each tail."""
    ids: Sequence[Sequence[int]]
    starts: Sequence[int]
    """Place in each tail where the choice itself begins."""

    @classmethod
    def of(cls, ids: Sequence[Sequence[list[int]]], starts: Sequence[Sequence[int]]) -> Tails:
        """The tails of every question, in order."""
        return cls(
            owners=[row for row, own in enumerate(ids) for _ in own],
            ids=[tail for own in ids for tail in own],
            starts=[start for own in starts for start in own],
        )

    @property
    def longest(self) -> int:
        """Tokens of the longest tail."""
        return max(map(len, self.ids))

    @property
    def most(self) -> int:
        """Tokens of all tails of one question, of the question with the most."""
        counts: dict[int, int] = {}
        for owner, ids in zip(self.owners, self.ids, strict=True):
            counts[owner] = counts.get(owner, 0) + len(ids)
        return max(counts.values())


@dataclass(frozen=True)
class Rest:
    """Logits behind every token but the last of each tail."""

    logits: Float[Tensor, "rows columns vocabulary"]
    rows: Sequence[int]
    """Row of each tail."""
    columns: Sequence[int]
    """Column of each tail's first token; the others follow."""


@dataclass(frozen=True, eq=False)
class PackedTails:
    """The tails of each question in one sequence, padded on the right."""

    ids: Int[Tensor, "questions tokens"]
    places: Int[Tensor, "questions tokens"]
    """Place of every token in its own tail."""
    visible: Bool[Tensor, "questions tokens tokens"]
    """Which tokens each sees: itself, and those before it in its own tail."""
    columns: Sequence[int]
    """Column of each tail's first token."""

    def hidden(
        self, prompts: Int[Tensor, "questions prompt"], dtype: torch.dtype
    ) -> Float[Tensor, "questions 1 tokens all"]:
        """What is added to attention's scores, behind prompts of this mask: 0 where a token is
        seen, the least number of the type elsewhere.
        """
        before = prompts.bool()[:, None].expand(-1, self.visible.shape[1], -1)
        seen = torch.cat([before, self.visible], dim=2)[:, None]
        zero = torch.zeros(1, dtype=dtype, device=seen.device)
        return zero.masked_fill(~seen, torch.finfo(dtype).min)


def packed(tails: Tails, questions: int, *, device: torch.device, pad: int = 0) -> PackedTails:
    """The tails, all but the last token of each, as one sequence a question."""
    segments: list[list[int]] = [[] for _ in range(questions)]
    places: list[list[int]] = [[] for _ in range(questions)]
    tokens: list[list[int]] = [[] for _ in range(questions)]
    columns = []
    for number, (row, ids) in enumerate(zip(tails.owners, tails.ids, strict=True)):
        columns.append(len(tokens[row]))
        tokens[row] += ids[:-1]
        segments[row] += [number] * (len(ids) - 1)
        places[row] += range(len(ids) - 1)
    segment = _filled(segments, -1).to(device)
    own = (segment[:, :, None] == segment[:, None, :]).tril()
    return PackedTails(_filled(tokens, pad).to(device), _filled(places, 0).to(device), own, columns)


def _filled(rows: Sequence[Sequence[int]], filler: int) -> Tensor:
    """The rows as one tensor, each ending in the filler."""
    length = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (length - len(row))] for row in rows])


def scored(
    first: Float[Tensor, "questions vocabulary"], rest: Rest | None, tails: Tails
) -> Iterator[Score]:
    """Score of each tail's choice; `first` says what follows the prefixes.

    Only the rows of logits that say something of a choice are looked at, in float32, and they come
    to the processor in one piece.
    """
    said, wanted = [first[torch.tensor(tails.owners, device=first.device)]], []
    if rest is not None:
        steps = [(tail, step) for tail, ids in enumerate(tails.ids) for step in range(1, len(ids))]
        rows = torch.tensor([rest.rows[tail] for tail, _ in steps], device=first.device)
        columns = torch.tensor(
            [rest.columns[tail] + step - 1 for tail, step in steps], device=first.device
        )
        said.append(rest.logits[rows, columns])
        wanted = [tails.ids[tail][step] for tail, step in steps]
    wanted = [*(ids[0] for ids in tails.ids), *wanted]
    tokens = torch.tensor(wanted, device=first.device)
    likelihoods = torch.cat(said).float().log_softmax(-1)
    greedy = (likelihoods.argmax(-1) == tokens).tolist()
    token_likelihoods = likelihoods.gather(1, tokens[:, None])[:, 0].tolist()
    behind = len(tails.ids)
    for number, (ids, start) in enumerate(zip(tails.ids, tails.starts, strict=True)):
        places = [number, *range(behind, behind := behind + len(ids) - 1)][start:]
        yield Score(
            log_likelihood=math.fsum(token_likelihoods[place] for place in places),
            tokens=len(places),
            greedy=all(greedy[place] for place in places),
        )
