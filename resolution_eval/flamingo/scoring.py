"""Log-likelihood of texts after an image and a prompt, and of choices sharing one prompt pass."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from resolution_eval.flamingo.language import accepts, condition, conditioned
from resolution_eval.flamingo.model import FlamingoBundle
from resolution_eval.flamingo.text import Batch, Joined, check_images, joins, pad, run
from resolution_eval.flamingo.vision import Encoded


@dataclass(frozen=True)
class Score:
    """What the model says of one continuation."""

    log_likelihood: float
    """Natural logarithm, summed over the continuation's tokens."""
    tokens: int
    greedy: bool
    """Whether every token is the likeliest at its place."""


def rank(
    bundle: FlamingoBundle,
    encoded: Encoded,
    prompts: Sequence[str],
    choices: Sequence[Sequence[str]],
    *,
    per_token: bool = False,
) -> Float[Tensor, "batch choices"]:
    """Log-likelihood of each choice's text after its image and prompt, on the CPU in float32.

    Rows with fewer choices end in -inf. Prompt and choice are tokenised together. The choices of
    one question share one encoding of the image and one pass over the prompt. The sum over the
    choice's tokens, or with `per_token` their mean.

    Raises:
        ValueError: numbers of prompts, choices and images differ, a prompt has more <image> tokens
            than images, a choice has no token of its own, or a question has no choices.
    """
    scored = score(bundle, encoded, prompts, choices)
    most = max(map(len, scored), default=0)
    rows = [
        [one.log_likelihood / (one.tokens if per_token else 1) for one in row] for row in scored
    ]
    return torch.tensor([[*row, *[-math.inf] * (most - len(row))] for row in rows])


def loglikelihood(
    bundle: FlamingoBundle, encoded: Encoded, prompts: Sequence[str], continuations: Sequence[str]
) -> list[tuple[float, bool]]:
    """Per sample the continuation's log-likelihood, and whether greedy decoding would give it.

    Raises:
        ValueError: as `rank`.
    """
    scored = score(bundle, encoded, prompts, [[text] for text in continuations])
    return [(one.log_likelihood, one.greedy) for (one,) in scored]


def score(
    bundle: FlamingoBundle,
    encoded: Encoded,
    prompts: Sequence[str],
    continuations: Sequence[Sequence[str]],
) -> list[list[Score]]:
    """The scores of each prompt's continuations, all from one pass over the prompt."""
    groups = _joined(bundle, prompts, continuations)
    prefixes = [_shared_prefix(group) for group in groups]
    check_images(bundle, encoded, prefixes)
    tails = _Tails(
        owners=[row for row, group in enumerate(groups) for _ in group],
        ids=[j.ids[len(prefixes[row]) :] for row, group in enumerate(groups) for j in group],
        starts=[j.start - len(prefixes[row]) for row, group in enumerate(groups) for j in group],
    )
    with (
        torch.inference_mode(),
        conditioned(bundle.model.lang_encoder, encoded.latents, cached=True),
    ):
        batch = pad(bundle, prefixes, "left")
        first, cache = _prompt_pass(bundle, batch)
        if max(map(len, tails.ids)) == 1:
            rest = None
        elif not hasattr(cache, "batch_select_indices"):
            rest = _whole_pass(bundle, encoded.latents, prefixes, tails)
        elif _takes_packed(bundle.model.lang_encoder):
            rest = _packed_pass(bundle, batch, cache, tails)
        else:
            rest = _tail_pass(bundle, encoded.latents, batch, cache, tails)
        scores = iter(_scores(first, rest, tails))
    return [[next(scores) for _ in group] for group in groups]


@dataclass(frozen=True)
class _Tails:
    """What follows the shared prefixes of all questions: one tail a choice, question by question.

    Example: a prefix "... Answer:" with the choices "red" and "light blue" has two tails.
    """

    owners: Sequence[int]
    """Question of each tail."""
    ids: Sequence[Sequence[int]]
    starts: Sequence[int]
    """Place in each tail where the choice itself begins."""


@dataclass(frozen=True)
class _Rest:
    """Logits behind every token but the last of each tail."""

    logits: Float[Tensor, "rows columns vocabulary"]
    rows: Sequence[int]
    """Row of each tail."""
    columns: Sequence[int]
    """Column of each tail's first token; the others follow."""


def _joined(
    bundle: FlamingoBundle, prompts: Sequence[str], continuations: Sequence[Sequence[str]]
) -> list[list[Joined]]:
    if len(prompts) != len(continuations):
        raise ValueError(f"{len(prompts)} prompts for {len(continuations)} lists of choices")
    for row, texts in enumerate(continuations):
        if isinstance(texts, str) or not texts:
            raise ValueError(f"prompt {row} needs a list of one choice or more, received {texts!r}")
    return [
        [joins(bundle)(prompt, text) for text in texts]
        for prompt, texts in zip(prompts, continuations, strict=True)
    ]


def _shared_prefix(group: Sequence[Joined]) -> list[int]:
    """The tokens before every continuation that all members of `group` begin with.

    It can be shorter than the prompt, where a choice changes how the prompt's end is tokenised.
    """
    prefix: list[int] = []
    for tokens in zip(*(joined.ids[: joined.start] for joined in group), strict=False):
        if len(set(tokens)) > 1:
            break
        prefix.append(tokens[0])
    if not prefix:
        raise ValueError("the choices of a question share no first token; begin its prompt alike")
    return prefix


def _prompt_pass(
    bundle: FlamingoBundle, batch: Batch
) -> tuple[Float[Tensor, "batch vocabulary"], Any]:
    """Logits after each prompt's last token, and the cache of its keys and values."""
    language_model = bundle.model.lang_encoder
    last = {"logits_to_keep": 1} if accepts(language_model, "logits_to_keep") else {}
    outputs = run(bundle, batch, batch.mask, batch.positions, use_cache=True, **last)
    return outputs.logits[:, -1], outputs.past_key_values


def _takes_packed(language_model: Any) -> bool:
    """Whether it takes each token's position and a mask of what each token sees.

    Alibi (MPT) finds positions by itself, and flash attention knows no such mask.
    """
    kind = getattr(language_model.config, "_attn_implementation", None)
    return accepts(language_model, "position_ids") and kind in ("sdpa", "eager")


def _packed_pass(bundle: FlamingoBundle, prompts: Batch, cache: Any, tails: _Tails) -> _Rest:
    """All tails of a question behind each other in one sequence, none of which sees another.

    The cache is neither copied nor padded to the longest choice for every one of them.
    """
    segments: list[list[int]] = [[] for _ in prompts.ids]
    places: list[list[int]] = [[] for _ in prompts.ids]
    tokens: list[list[int]] = [[] for _ in prompts.ids]
    columns = []
    for number, (row, ids) in enumerate(zip(tails.owners, tails.ids, strict=True)):
        columns.append(len(tokens[row]))
        tokens[row] += ids[:-1]
        segments[row] += [number] * (len(ids) - 1)
        places[row] += range(len(ids) - 1)
    batch = pad(bundle, tokens, "right")
    segment, place = (_padded(rows, batch.ids) for rows in (segments, places))
    own = (segment[:, :, None] == segment[:, None, :]).tril()
    before = prompts.mask.bool()[:, None].expand(-1, own.shape[1], -1)
    dtype = bundle.model.lang_encoder.dtype
    hidden = torch.zeros(1, dtype=dtype, device=own.device)
    hidden = hidden.masked_fill(~torch.cat([before, own], dim=2)[:, None], torch.finfo(dtype).min)
    positions = prompts.mask.sum(1, keepdim=True) + place
    outputs = run(bundle, batch, hidden, positions, past_key_values=cache, use_cache=True)
    return _Rest(outputs.logits, tails.owners, columns)


def _padded(rows: Sequence[Sequence[int]], like: Tensor) -> Tensor:
    """The rows as one tensor of the shape of `like`, ending in -1; -1 belongs to itself alone."""
    length = like.shape[1]
    filled = [[*row, *[-1] * (length - len(row))] for row in rows]
    return torch.tensor(filled, dtype=torch.long, device=like.device)


def _tail_pass(
    bundle: FlamingoBundle,
    latents: Float[Tensor, "batch images latents width"],
    prompts: Batch,
    cache: Any,
    tails: _Tails,
) -> _Rest:
    """A sequence for each tail, which continues its owner's prompt."""
    owners = torch.tensor(tails.owners, device=bundle.device)
    cache.batch_select_indices(owners)
    media = prompts.ids == bundle.model.media_token_id
    # as many choices for every question: each image's keys and values are made once for them all
    each = len(owners) // len(latents)
    if not torch.equal(owners, torch.arange(len(latents)).repeat_interleave(each).to(owners)):
        latents, media = latents[owners], media[owners]
    condition(bundle.model.lang_encoder, latents, media)
    batch = pad(bundle, [tail[:-1] for tail in tails.ids], "right")
    mask = torch.cat([prompts.mask[owners], batch.mask], dim=1)
    positions = prompts.mask.sum(1)[owners, None] + batch.positions
    outputs = run(bundle, batch, mask, positions, past_key_values=cache, use_cache=True)
    return _Rest(outputs.logits, range(len(tails.ids)), [0] * len(tails.ids))


def _whole_pass(
    bundle: FlamingoBundle,
    latents: Float[Tensor, "batch images latents width"],
    prefixes: Sequence[Sequence[int]],
    tails: _Tails,
) -> _Rest:
    """As `_tail_pass`, the prompt run again for every choice.

    For a language model whose own (remote) code keeps no cache of transformers' kind: MPT-1B.
    """
    condition(bundle.model.lang_encoder, latents[torch.tensor(tails.owners, device=bundle.device)])
    starts = [prefixes[row] for row in tails.owners]
    whole = [[*start, *tail[:-1]] for start, tail in zip(starts, tails.ids, strict=True)]
    batch = pad(bundle, whole, "right")
    logits: Tensor = run(bundle, batch, batch.mask, batch.positions, use_cache=False).logits
    return _Rest(logits, range(len(whole)), [len(start) for start in starts])


def _scores(
    first: Float[Tensor, "batch vocabulary"], rest: _Rest | None, tails: _Tails
) -> Iterator[Score]:
    """Score of each tail's choice; `first` says what follows the prefixes.

    Only the rows of logits that say something of a choice are looked at, and they come to the
    processor in one piece.
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
    found = likelihoods.gather(1, tokens[:, None])[:, 0].tolist()
    behind = len(tails.ids)
    for number, (ids, start) in enumerate(zip(tails.ids, tails.starts, strict=True)):
        places = [number, *range(behind, behind := behind + len(ids) - 1)][start:]
        yield Score(
            log_likelihood=math.fsum(found[place] for place in places),
            tokens=len(places),
            greedy=all(greedy[place] for place in places),
        )
