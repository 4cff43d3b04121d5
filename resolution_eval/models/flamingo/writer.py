"""Text written after an image and a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from resolution_eval.answers.generation import Generation, cut
from resolution_eval.ground.finite import finite_logits
from resolution_eval.models.families.decoding import Decoding
from resolution_eval.models.flamingo.bundle import FlamingoBundle
from resolution_eval.models.flamingo.language import END_OF_CHUNK, conditioned
from resolution_eval.models.flamingo.text import check_images, pad, tokenise
from resolution_eval.models.flamingo.vision import EncodedImages


def generate(
    bundle: FlamingoBundle, encoded: EncodedImages, prompts: Sequence[str], **arguments: Any
) -> list[str]:
    """The texts of `write`; `arguments` are those of `Generation`."""
    return [text for text, _ in write(bundle, encoded, prompts, Generation(**arguments))]


def write(
    bundle: FlamingoBundle, encoded: EncodedImages, prompts: Sequence[str], asked: Generation
) -> list[tuple[str, int]]:
    """The text that continues each prompt, and the number of tokens written, the one that ends it
    not counted.

    It ends before the first of the strings in `asked.until`, at <|endofchunk|>, at the end-of-text
    token or after `max_new_tokens`. The <image> token is never written. Greedy answers do not
    depend on what else is in the batch.

    Raises:
        ValueError: a prompt has more <image> tokens than images, or there is not one per image.
        ModelError: the logits are not finite.
    """
    sequences = [tokenise(bundle, prompt)[0] for prompt in prompts]
    check_images(bundle, encoded, sequences)
    batch = pad(bundle, sequences, "left")
    stop = _StopAt(bundle.tokenizer, asked.until, batch.ids.shape[1])
    settings = decoding(bundle).asked(asked)
    latents = encoded.latents.repeat_interleave(asked.num_beams, dim=0)
    with torch.inference_mode(), conditioned(bundle.model.lang_encoder, latents, cached=True):
        written = bundle.model.lang_encoder.generate(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            generation_config=settings,
            logits_processor=[finite_logits],
            stopping_criteria=[stop] if asked.until else None,
        )
    return [_text(bundle, row, asked.until) for row in written[:, batch.ids.shape[1] :].tolist()]


def decoding(bundle: FlamingoBundle) -> Decoding:
    """What of the language model's settings is used, its marks of an end; others are removed."""
    if "decoding" not in bundle.memory:
        marks = {
            "eos_token_id": _ends(bundle),
            "pad_token_id": bundle.tokenizer.pad_token_id,
            "suppress_tokens": [bundle.model.media_token_id],
        }
        told = Decoding.of(bundle.model.lang_encoder, bundle.tokenizer).dropped
        dropped = {name: value for name, value in told.items() if name not in marks}
        bundle.memory["decoding"] = Decoding(kept=marks, dropped=dropped)
        bundle.memory["decoding"].install(bundle.model.lang_encoder)
    decoding: Decoding = bundle.memory["decoding"]
    return decoding


def _ends(bundle: FlamingoBundle) -> list[int]:
    """Tokens that end an answer."""
    ends = [bundle.model.eoc_token_id, bundle.tokenizer.eos_token_id]
    return [token for token in ends if token is not None]


def _text(bundle: FlamingoBundle, ids: Sequence[int], until: Sequence[str]) -> tuple[str, int]:
    """The answer in the new tokens `ids`, cut at its first end, and how many tokens came before."""
    ends = {*_ends(bundle), bundle.tokenizer.pad_token_id}
    stop = next((place for place, token in enumerate(ids) if token in ends), len(ids))
    text = bundle.tokenizer.decode(ids[:stop], skip_special_tokens=True)
    return cut(text, (*until, END_OF_CHUNK)), stop


class _StopAt:
    """Stopping criterion of `generate`: a row is done once its new text holds one string."""

    def __init__(self, tokenizer: Any, until: Sequence[str], start: int) -> None:
        self.tokenizer, self.until, self.start = tokenizer, until, start

    def __call__(self, input_ids: Tensor, scores: Tensor, **rest: Any) -> Tensor:
        texts = self.tokenizer.batch_decode(input_ids[:, self.start :], skip_special_tokens=True)
        done = [cut(text, self.until) != text for text in texts]
        return torch.tensor(done, device=input_ids.device)
