"""Log-likelihood of texts after an image and a prompt, and of choices sharing one prompt pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from resolution_eval.flamingo.language import accepts, condition, conditioned
from resolution_eval.flamingo.model import FlamingoBundle
from resolution_eval.flamingo.text import Batch, Joined, check_images, join, pad, run
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
    table = torch.full((len(scored), max(map(len, scored), default=0)), -math.inf)
    for row, scores in zip(table, scored, strict=True):
        for column, one in enumerate(scores):
            row[column] = one.log_likelihood / (one.tokens if per_token else 1)
    return table


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
    language_model = bundle.model.lang_encoder
    owners = [row for row, group in enumerate(groups) for _ in group]
    tails = [j.ids[len(prefixes[row]) :] for row, group in enumerate(groups) for j in group]
    with (
        torch.inference_mode(),
        conditioned(language_model, encoded.latents, cached=True),
    ):
        batch = pad(bundle, prefixes, "left")
        first, cache = _prompt_pass(bundle, batch)
        index = torch.tensor(owners, device=bundle.device)
        logits = first[index, None]
        if max(map(len, tails)) > 1:
            if hasattr(cache, "batch_select_indices"):
                rest = _tail_pass(bundle, encoded.latents, batch, cache, index, tails)
            else:
                starts = [prefixes[row] for row in owners]
                rest = _whole_pass(bundle, encoded.latents[index], starts, tails)
            logits = torch.cat([logits, rest], dim=1)
        log_probabilities = logits.float().log_softmax(-1)
    scores = iter(
        _score(log_probabilities[place], tail, joined.start - len(prefixes[row]))
        for place, (row, tail, joined) in enumerate(
            zip(owners, tails, (j for group in groups for j in group), strict=True)
        )
    )
    return [[next(scores) for _ in group] for group in groups]


def _joined(
    bundle: FlamingoBundle, prompts: Sequence[str], continuations: Sequence[Sequence[str]]
) -> list[list[Joined]]:
    if len(prompts) != len(continuations):
        raise ValueError(f"{len(prompts)} prompts for {len(continuations)} lists of choices")
    for row, texts in enumerate(continuations):
        if isinstance(texts, str) or not texts:
            raise ValueError(f"prompt {row} needs a list of one choice or more, received {texts!r}")
    return [
        [join(bundle, prompt, text) for text in texts]
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


def _tail_pass(
    bundle: FlamingoBundle,
    latents: Float[Tensor, "batch images latents width"],
    prompts: Batch,
    cache: Any,
    owners: Int[Tensor, " choices"],
    tails: Sequence[Sequence[int]],
) -> Float[Tensor, "choices tokens vocabulary"]:
    """Logits after every token but the last of each tail, which continues its owner's prompt."""
    cache.batch_select_indices(owners)
    media = prompts.ids == bundle.model.media_token_id
    # as many choices for every question: each image's keys and values are made once for them all
    each = len(owners) // len(latents)
    if not torch.equal(owners, torch.arange(len(latents)).repeat_interleave(each).to(owners)):
        latents, media = latents[owners], media[owners]
    condition(bundle.model.lang_encoder, latents, media)
    batch = pad(bundle, [tail[:-1] for tail in tails], "right")
    mask = torch.cat([prompts.mask[owners], batch.mask], dim=1)
    positions = prompts.mask.sum(1)[owners, None] + batch.positions
    outputs = run(bundle, batch, mask, positions, past_key_values=cache, use_cache=True)
    logits: Tensor = outputs.logits
    return logits


def _whole_pass(
    bundle: FlamingoBundle,
    latents: Float[Tensor, "choices images latents width"],
    starts: Sequence[Sequence[int]],
    tails: Sequence[Sequence[int]],
) -> Float[Tensor, "choices tokens vocabulary"]:
    """As `_tail_pass`, the prompt run again for every choice.

    For a language model whose own (remote) code keeps no cache of transformers' kind: MPT-1B.
    """
    condition(bundle.model.lang_encoder, latents)
    whole = [[*start, *tail[:-1]] for start, tail in zip(starts, tails, strict=True)]
    batch = pad(bundle, whole, "right")
    logits: Tensor = run(bundle, batch, batch.mask, batch.positions, use_cache=False).logits
    longest = max(len(tail) for tail in tails) - 1
    rows = torch.tensor([len(start) for start in starts], device=logits.device)
    places = (rows[:, None] + torch.arange(longest, device=logits.device)).clamp(
        max=logits.shape[1] - 1
    )
    return logits.gather(1, places[..., None].expand(-1, -1, logits.shape[-1]))


def _score(
    log_probabilities: Float[Tensor, "tokens vocabulary"], tail: Sequence[int], start: int
) -> Score:
    """Score of the tokens `tail[start:]`, row i being what is said of `tail[i]`."""
    own = torch.tensor(tail[start:], device=log_probabilities.device)
    rows = log_probabilities[start : len(tail)]
    return Score(
        log_likelihood=float(rows.gather(1, own[:, None]).sum()),
        tokens=len(own),
        greedy=bool((rows.argmax(-1) == own).all()),
    )
