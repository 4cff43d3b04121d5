"""Language models with open_flamingo's cross-attention, made right for current transformers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.flamingo.upstream import (
    FlamingoLMMixin,
    getattr_recursive,
    infer_decoder_layers_name,
)

IMAGE = "<image>"
END_OF_CHUNK = "<|endofchunk|>"
PAD = "<PAD>"


def add_special_tokens(tokenizer: Any) -> None:
    """Give `tokenizer` open_flamingo's tokens, in its order, where it lacks them.

    The order decides the rows of the embedding table that released checkpoints expect.
    """
    from transformers import AddedToken

    known = tokenizer.get_vocab()
    wanted = [text for text in (END_OF_CHUNK, IMAGE) if text not in known]
    if tokenizer.pad_token is None:
        wanted += [PAD] if PAD not in known else []
    tokenizer.add_tokens(
        [AddedToken(text, special=True, normalized=False) for text in wanted], special_tokens=True
    )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = PAD


def decoder_layers_name(language_model: nn.Module) -> str:
    """Dotted name of the list of decoder layers, from open_flamingo's own table.

    Raises:
        ModelError: open_flamingo does not know this kind of language model.
    """
    name = type(language_model).__name__
    try:
        path = str(infer_decoder_layers_name(language_model))
        layers = getattr_recursive(language_model, path)
    except (ValueError, AttributeError) as error:
        raise ModelError(
            f"open_flamingo does not know where the decoder layers of {name} are; use a language "
            "model of the kinds OPT, GPT-J, GPT-NeoX (Pythia, RedPajama), LLaMA or MPT"
        ) from error
    if not isinstance(layers, nn.ModuleList):
        raise ModelError(f"{name}.{path} is no list of decoder layers, as open_flamingo expects")
    return path


def make_flamingo_language_model(language_model: Any) -> None:
    """Mix open_flamingo's `FlamingoLMMixin` into the object, with a forward fit for `generate`.

    open_flamingo's forward requires `attention_mask`, which current transformers omit where nothing
    is padded, and hides the base model's signature, by which `generate` decides whether to pass
    `position_ids`. The forward here takes what the base takes, and says so.
    """
    name = decoder_layers_name(language_model)
    base = type(language_model)
    signature = inspect.signature(base.forward)

    def forward(self: Any, input_ids: Tensor, *, attention_mask: Any = None, **rest: Any) -> Any:
        return FlamingoLMMixin.forward(self, input_ids, attention_mask, **rest)

    forward.__signature__ = signature  # type: ignore[attr-defined]
    members = {"forward": forward, "__module__": base.__module__}
    language_model.__class__ = type(base.__name__, (FlamingoLMMixin, base), members)
    language_model.set_decoder_layers_attr_name(name)


def accepts(language_model: Any, argument: str) -> bool:
    """Whether the language model's forward takes `argument` by name."""
    return argument in inspect.signature(language_model.forward).parameters


@contextmanager
def conditioned(language_model: Any, latents: Tensor, *, cached: bool) -> Iterator[None]:
    """Have every decoder layer look at `latents` [sequences, images, latents, width].

    `cached`: inputs without an <image> token continue the sequence before, and see its last image.
    """
    language_model.clear_conditioned_layers()
    condition(language_model, latents)
    language_model._use_cached_vision_x = cached
    try:
        yield
    finally:
        language_model.clear_conditioned_layers()
        language_model._use_cached_vision_x = False


def condition(language_model: Any, latents: Tensor, media: Tensor | None = None) -> None:
    """Set the latents, and the places of <image> tokens, that every decoder layer uses."""
    for layer in language_model._get_decoder_layers():
        layer.condition_vis_x(latents)
        layer.condition_media_locations(media)
