"""A Flamingo with its tokenizer and what is known of it; built from a configuration."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.flamingo.attention import fuse
from resolution_eval.models.flamingo.config import FlamingoConfig
from resolution_eval.models.flamingo.language import (
    END_OF_CHUNK,
    IMAGE,
    add_special_tokens,
    make_flamingo_language_model,
)
from resolution_eval.models.flamingo.upstream import Flamingo, PerceiverResampler
from resolution_eval.models.positions import PositionCache
from resolution_eval.resolution import TrainingResolution

Strategy = str
"""How a checkpoint was trained: none, low, native or mixed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FlamingoBundle:
    """A Flamingo, ready to encode, rank and generate."""

    model: Any
    """open_flamingo's `Flamingo`."""
    tokenizer: Any
    config: FlamingoConfig
    training: TrainingResolution = field(default_factory=lambda: TrainingResolution("unknown"))
    strategy: Strategy = "none"
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What else its folder says of it: recipe, seed, accuracy."""
    identity: str = "untrained"
    """Name of the checkpoint in results."""
    revision: str | None = None
    """Commit of the repository that it was downloaded from, or sha256:... of a folder's weights."""
    positions: PositionCache = field(default_factory=PositionCache)
    memory: dict[str, Any] = field(default_factory=dict)
    """What functions of this Flamingo remember between calls."""

    @property
    def patch(self) -> int:
        """Edge of the vision encoder's square patch, in pixels."""
        return int(self.model.vision_encoder.conv1.kernel_size[0])

    @property
    def dtype(self) -> torch.dtype:
        """Type of the vision encoder's weights, in which it takes pixels."""
        return self.model.vision_encoder.conv1.weight.dtype  # type: ignore[no-any-return]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.vision_encoder.conv1.weight.device  # type: ignore[no-any-return]


def build(
    config: FlamingoConfig, tokenizer: Any, *, seed: int = 0, vocabulary: int | None = None
) -> FlamingoBundle:
    """A Flamingo with random weights, in evaluation mode, every parameter trainable.

    The tokenizer is copied and given open_flamingo's special tokens; the language model gets
    `vocabulary` embeddings, as many as there are tokens by default: a released checkpoint can have
    more. The caller's random state is left as it was.

    Raises:
        ModelError: the vision or language part cannot be built from the configuration.
    """
    tokenizer = copy.deepcopy(tokenizer)
    add_special_tokens(tokenizer)
    language = {**config.language, "vocab_size": vocabulary or len(tokenizer)}
    config = config.model_copy(update={"language": language})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vision = vision_encoder(config)
        language_model = language_model_from(config.language)
        model = assemble(vision, language_model, tokenizer, config)
    return FlamingoBundle(model=model.eval(), tokenizer=tokenizer, config=config)


def vision_encoder(config: FlamingoConfig) -> nn.Module:
    """The vision transformer of the configuration, which gives its patch tokens."""
    from open_clip.transformer import QuickGELU, VisionTransformer

    options = {"mlp_ratio": 4.0, **config.vision, "output_tokens": True}
    if config.quick_gelu:
        options["act_layer"] = QuickGELU
    try:
        vision: nn.Module = VisionTransformer(**options)
    except (TypeError, ValueError, AssertionError) as error:
        raise ModelError(
            f"no vision encoder can be built from {json.dumps(config.vision)}: {error}"
        ) from error
    return vision


def language_model_from(language: Mapping[str, Any]) -> Any:
    """A causal language model of the Hugging Face configuration, with random weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    options = dict(language)
    kind = options.pop("model_type", None)
    try:
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **options))
    except ValueError as error:
        raise ModelError(f"no language model of model_type {kind!r}: {error}") from error


def assemble(vision: nn.Module, language_model: Any, tokenizer: Any, config: FlamingoConfig) -> Any:
    """open_flamingo's `Flamingo` from its parts; `language_model` is changed in place."""
    make_flamingo_language_model(language_model)
    width = config.vision["width"]
    model = Flamingo(
        SimpleNamespace(visual=vision),
        language_model,
        tokenizer.convert_tokens_to_ids(END_OF_CHUNK),
        tokenizer.convert_tokens_to_ids(IMAGE),
        vis_dim=width,
        cross_attn_every_n_layers=config.cross_attn_every_n_layers,
    )
    if config.perceiver:
        model.perceiver = PerceiverResampler(dim=width, **config.perceiver)
        model.perceiver._use_gradient_checkpointing = False
    fuse(model)
    return model
