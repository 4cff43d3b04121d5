"""Log-likelihood of texts after an image and a prompt, and of choices sharing one prompt pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from resolution_eval.models.flamingo.bundle import FlamingoBundle
from resolution_eval.models.flamingo.language import accepts, condition, conditioned
from resolution_eval.models.flamingo.text import Batch, JointText, check_images, joins, pad, run
from resolution_eval.models.flamingo.vision import EncodedImages
from resolution_eval.models.tails import Rest, Score, Tails, packed, scored


def rank(
    bundle: FlamingoBundle,
    encoded: EncodedImages,
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
    bundle: FlamingoBundle,
    encoded: EncodedImages,
    prompts: Sequence[str],
    continuations: Sequence[str],
) -> list[tuple[float, bool]]:
    """Per sample the continuation's log-likelihood, and whether greedy decoding would give it.

    Raises:
        ValueError: as `rank`.
    """
    scored = score(bundle, encoded, prompts, [[text] for text in continuations])
    return [(one.log_likelihood, one.greedy) for (one,) in scored]


def score(
    bundle: FlamingoBundle,
    encoded: EncodedImages,
    prompts: Sequence[str],
    continuations: Sequence[Sequence[str]],
) -> list[list[Score]]:
    """The scores of each prompt's continuations, all from one pass over the prompt."""
    groups = _joined(bundle, prompts, continuations)
    prefixes = [_shared_prefix(group) for group in groups]
    check_images(bundle, encoded, prefixes)
    tails = Tails(
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
        if tails.longest == 1:
            rest = None
        elif not hasattr(cache, "batch_select_indices"):
            rest = _whole_pass(bundle, encoded.latents, prefixes, tails)
        elif _takes_packed(bundle.model.lang_encoder):
            rest = _packed_pass(bundle, batch, cache, tails)
        else:
            rest = _tail_pass(bundle, encoded.latents, batch, cache, tails)
        scores = scored(first, rest, tails)
        return [[next(scores) for _ in group] for group in groups]


def _joined(
    bundle: FlamingoBundle, prompts: Sequence[str], continuations: Sequence[Sequence[str]]
) -> list[list[JointText]]:
    if len(prompts) != len(continuations):
        raise ValueError(f"{len(prompts)} prompts for {len(continuations)} lists of choices")
    for row, texts in enumerate(continuations):
        if isinstance(texts, str) or not texts:
            raise ValueError(f"prompt {row} needs a list of one choice or more, received {texts!r}")
    return [
        [joins(bundle)(prompt, text) for text in texts]
        for prompt, texts in zip(prompts, continuations, strict=True)
    ]


def _shared_prefix(group: Sequence[JointText]) -> list[int]:
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


def _packed_pass(bundle: FlamingoBundle, prompts: Batch, cache: Any, tails: Tails) -> Rest:
    """All tails of a question behind each other in one sequence, none of which sees another."""
    together = packed(
        tails, len(prompts.ids), device=bundle.device, pad=bundle.tokenizer.pad_token_id
    )
    batch = Batch(together.ids, torch.ones_like(together.ids))
    hidden = together.hidden(prompts.mask, bundle.model.lang_encoder.dtype)
    positions = prompts.mask.sum(1, keepdim=True) + together.places
    outputs = run(bundle, batch, hidden, positions, past_key_values=cache, use_cache=True)
    return Rest(outputs.logits, tails.owners, together.columns)


def _tail_pass(
    bundle: FlamingoBundle,
    latents: Float[Tensor, "batch images latents width"],
    prompts: Batch,
    cache: Any,
    tails: Tails,
) -> Rest:
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
    return Rest(outputs.logits, range(len(tails.ids)), [0] * len(tails.ids))


def _whole_pass(
    bundle: FlamingoBundle,
    latents: Float[Tensor, "batch images latents width"],
    prefixes: Sequence[Sequence[int]],
    tails: Tails,
) -> Rest:
    """As `_tail_pass`, the prompt run again for every choice.

    For a language model whose own (remote) code keeps no cache of transformers' kind: MPT-1B.
    """
    condition(bundle.model.lang_encoder, latents[torch.tensor(tails.owners, device=bundle.device)])
    starts = [prefixes[row] for row in tails.owners]
    whole = [[*start, *tail[:-1]] for start, tail in zip(starts, tails.ids, strict=True)]
    batch = pad(bundle, whole, "right")
    logits: Tensor = run(bundle, batch, batch.mask, batch.positions, use_cache=False).logits
    return Rest(logits, range(len(whole)), [len(start) for start in starts])
