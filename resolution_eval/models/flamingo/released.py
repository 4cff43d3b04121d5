"""Released Flamingo checkpoints, assembled from the parts that their cards name."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from resolution_eval.data.cards import FlamingoCard, ModelCard
from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families import integrity
from resolution_eval.models.families.tokens import plain_tokenizer
from resolution_eval.models.flamingo.bundle import FlamingoBundle, assemble
from resolution_eval.models.flamingo.config import CLIP_MEAN, CLIP_STD, FlamingoConfig
from resolution_eval.models.flamingo.language import add_special_tokens
from resolution_eval.models.flamingo.upstream_checkpoint import (
    embedding_rows,
    load_trained,
    read_checkpoint,
)
from resolution_eval.resolution import TrainingResolution


def load_released(
    card: ModelCard,
    *,
    dtype: torch.dtype,
    device: torch.device | str,
    trust_remote_code: bool = False,
    revision: str | None = None,
) -> FlamingoBundle:
    """The released checkpoint of `card`, downloaded where it is not in Hugging Face's cache.

    open_flamingo's own factory is not used: it always runs the language model's remote code, and
    under current open_clip gives OpenAI's weights the wrong activation. `revision` is that of the
    checkpoint's repository.

    Raises:
        ModelError: a part cannot be had, needs remote code that was not allowed, or does not fit.
    """
    parts = card.flamingo
    if parts is None:
        raise ModelError(f"the card {card.name!r} has no [flamingo] table to build the model from")
    if parts.remote_code and not trust_remote_code:
        raise ModelError(
            f"the language model of {card.pretrained}, {parts.language}, runs code from its "
            "Hugging Face repository; read that code, and allow it with trust_remote_code=True"
        )
    tokenizer, language_model = _language(parts, dtype)
    vision = _vision(parts)
    path = _download(card.pretrained, parts.weights, revision)
    language_model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model = assemble(vision, language_model, tokenizer, _config(parts, language_model))
    state = read_checkpoint(path)
    rows = embedding_rows(model, state)
    if rows is not None and rows > len(tokenizer):  # it may have lost a padding token since then
        model.lang_encoder.resize_token_embeddings(rows, mean_resizing=False)
    load_trained(model, state, origin=f"{card.pretrained}/{parts.weights}")
    return FlamingoBundle(
        model=model.to(device, dtype).eval(),
        tokenizer=tokenizer,
        config=_config(parts, language_model),
        training=TrainingResolution.parse(card.training),
        identity=card.pretrained,
        revision=_commit(path),
    )


def _language(parts: FlamingoCard, dtype: torch.dtype) -> tuple[Any, Any]:
    """Tokenizer and language model; remote code runs only where the card says that it must."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            parts.language, trust_remote_code=parts.remote_code
        )
        language_model, told = AutoModelForCausalLM.from_pretrained(
            parts.language,
            trust_remote_code=parts.remote_code,
            dtype=dtype,
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"no language model {parts.language!r} to be had: {error}") from error
    plain_tokenizer(tokenizer)
    integrity.check(parts.language, language_model, told)
    add_special_tokens(tokenizer)
    _give_embeddings(language_model)
    return tokenizer, language_model


def _give_embeddings(language_model: Any) -> None:
    """MPT-1B's remote code does not say where its embeddings are; open_flamingo does the same."""
    try:
        language_model.get_input_embeddings()
    except NotImplementedError:
        base = type(language_model)
        members = {
            "get_input_embeddings": lambda self: self.transformer.wte,
            "set_input_embeddings": lambda self, new: setattr(self.transformer, "wte", new),
            "__module__": base.__module__,
        }
        language_model.__class__ = type(base.__name__, (base,), members)


def _vision(parts: FlamingoCard) -> nn.Module:
    """open_clip's vision encoder with the activation that its weights were trained with."""
    import open_clip

    try:
        clip = open_clip.create_model(
            parts.vision,
            pretrained=parts.vision_pretrained,
            force_quick_gelu=_quick_gelu(parts),
        )
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"no vision encoder {parts.vision!r} with weights {parts.vision_pretrained!r} "
            f"to be had: {error}"
        ) from error
    vision: nn.Module = clip.visual
    vision.output_tokens = True  # type: ignore[assignment]
    return vision


def _quick_gelu(parts: FlamingoCard) -> bool:
    """Whether the vision weights are OpenAI's kind, trained with QuickGELU.

    open_clip 2 chose this by itself; open_clip 3 follows the model's name and only warns.
    """
    import open_clip

    weights = open_clip.get_pretrained_cfg(parts.vision, parts.vision_pretrained) or {}
    model = open_clip.get_model_config(parts.vision) or {}
    return bool(weights.get("quick_gelu", model.get("quick_gelu", False)))


def _download(repository: str, file: str, revision: str | None) -> str:
    """Path of the file in Hugging Face's cache."""
    from huggingface_hub import hf_hub_download

    try:
        return str(hf_hub_download(repository, file, revision=revision))
    except OSError as error:
        raise ModelError(f"{repository}/{file} cannot be had: {error}") from error


def _commit(path: str) -> str | None:
    """The commit that a file of Hugging Face's cache belongs to, .../snapshots/COMMIT/FILE."""
    match = re.search(r"[/\\]snapshots[/\\]([0-9a-f]{40})[/\\]", path)
    return None if match is None else match[1]


def _config(parts: FlamingoCard, language_model: Any) -> FlamingoConfig:
    """The configuration from which `build` would make the same model."""
    import open_clip

    known = open_clip.get_model_config(parts.vision)
    options = dict(known["vision_cfg"])
    options["heads"] = options["width"] // options.pop("head_width", 64)
    weights = open_clip.get_pretrained_cfg(parts.vision, parts.vision_pretrained) or {}
    return FlamingoConfig(
        vision={**options, "output_dim": known["embed_dim"]},
        language=language_model.config.to_dict(),
        cross_attn_every_n_layers=parts.cross_attn_every_n_layers,
        quick_gelu=_quick_gelu(parts),
        mean=weights.get("mean") or CLIP_MEAN,
        std=weights.get("std") or CLIP_STD,
    )
