"""Prompts and continuations as tokens, and the language model's forward over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.flamingo.bundle import FlamingoBundle
from resolution_eval.models.flamingo.language import IMAGE, accepts, conditioned
from resolution_eval.models.flamingo.vision import EncodedImages

KEPT = 4096
"""Joined texts that a bundle remembers."""


@dataclass(frozen=True)
class JointText:
    """A prompt and its continuation, tokenised together."""

    ids: tuple[int, ...]
    start: int
    """Index of the continuation's first token: the first to end after the prompt's own end."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences of tokens, padded to one length."""

    ids: Int[Tensor, "batch tokens"]
    mask: Int[Tensor, "batch tokens"]

    @property
    def positions(self) -> Int[Tensor, "batch tokens"]:
        """Place of every token in its own sequence, from 0; padding shares the nearest place."""
        return (self.mask.cumsum(1) - 1).clamp(min=0)


def tokenise(bundle: FlamingoBundle, text: str) -> tuple[list[int], list[int]]:
    """Token ids of `text`, and for each the index of the character after its last (special: 0).

    Beginning-of-text tokens are the tokenizer's own; an end-of-text token that it adds is dropped.

    Raises:
        ModelError: the tokenizer cannot tell its tokens' places in the text.
    """
    if not bundle.tokenizer.is_fast:
        raise ModelError("the tokenizer gives no character offsets; a fast one is needed")
    encoding = bundle.tokenizer(text, return_offsets_mapping=True)
    ids = list(encoding["input_ids"])
    spans = [tuple(span) for span in encoding["offset_mapping"]]
    while ids and spans[-1] == (0, 0):
        ids.pop()
        spans.pop()
    return ids, [end for _, end in spans]


def join(bundle: FlamingoBundle, prompt: str, continuation: str) -> JointText:
    """Tokens of `prompt + continuation` as one text, and where the continuation begins.

    Tokenising the two apart need not give the same tokens: a space at the seam is enough.

    Raises:
        ValueError: the continuation has no token of its own, or no token stands before it.
    """
    ids, ends = tokenise(bundle, prompt + continuation)
    start = next((place for place, end in enumerate(ends) if end > len(prompt)), len(ids))
    if start == len(ids):
        raise ValueError(f"the continuation {continuation!r} has no tokens of its own")
    if start == 0:
        raise ValueError(
            f"nothing stands before the continuation {continuation!r} to predict it from; "
            f"begin the prompt with {IMAGE}"
        )
    if bundle.model.media_token_id in ids[start:]:
        raise ValueError(f"{IMAGE} belongs into the prompt, found in {continuation!r}")
    return JointText(tuple(ids), start)


def joins(bundle: FlamingoBundle) -> Callable[[str, str], JointText]:
    """`join` of this Flamingo, remembered: a task asks the same again."""
    if "joins" not in bundle.memory:
        bundle.memory["joins"] = lru_cache(KEPT)(partial(join, bundle))
    joiner: Callable[[str, str], JointText] = bundle.memory["joins"]
    return joiner


def pad(
    bundle: FlamingoBundle, sequences: Sequence[Sequence[int]], side: Literal["left", "right"]
) -> Batch:
    """The sequences as one batch on the model's device, padded on `side`."""
    length = max(len(sequence) for sequence in sequences)
    shape = (len(sequences), length)
    ids = torch.full(shape, bundle.tokenizer.pad_token_id, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        first = length - len(sequence) if side == "left" else 0
        ids[row, first : first + len(sequence)] = torch.tensor(sequence, dtype=torch.long)
        mask[row, first : first + len(sequence)] = 1
    return Batch(ids.to(bundle.device), mask.to(bundle.device))


def check_images(
    bundle: FlamingoBundle, encoded: EncodedImages, ids: Sequence[Sequence[int]]
) -> None:
    """Refuse prompts that do not fit their images.

    Raises:
        ValueError: there is not one prompt per encoded image, or a prompt has more <image> tokens
            than images (open_flamingo would then attend to nothing, in silence).
    """
    if len(ids) != len(encoded.latents):
        raise ValueError(f"{len(ids)} prompts for {len(encoded.latents)} encoded images")
    images = encoded.latents.shape[1]
    for row, sequence in enumerate(ids):
        count = list(sequence).count(bundle.model.media_token_id)
        if count > images:
            raise ValueError(f"prompt {row} has {count} {IMAGE} tokens, for {images} image")


def run(bundle: FlamingoBundle, batch: Batch, mask: Tensor, positions: Tensor, **rest: Any) -> Any:
    """Forward of the (conditioned) language model, position ids passed where it takes them."""
    language_model = bundle.model.lang_encoder
    if accepts(language_model, "position_ids"):
        rest["position_ids"] = positions
    return language_model(batch.ids, attention_mask=mask, **rest)


def logits(
    bundle: FlamingoBundle, encoded: EncodedImages, batch: Batch
) -> Float[Tensor, "batch tokens vocabulary"]:
    """Logits after every token of `batch`, whose sequences look at their images; differentiable.

    Raises:
        ValueError: as `check_images`.
    """
    check_images(bundle, encoded, batch.ids.tolist())
    with conditioned(bundle.model.lang_encoder, encoded.latents, cached=False):
        logits: Tensor = run(bundle, batch, batch.mask, batch.positions, use_cache=False).logits
    return logits
