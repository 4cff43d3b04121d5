"""What a Flamingo is built from, as one frozen record that a JSON file holds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class FlamingoConfig(BaseModel):
    """Architecture of a Flamingo and the normalisation of its pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vision: dict[str, Any]
    """Arguments of `open_clip.transformer.VisionTransformer`: image_size, patch_size, width,
    layers, heads, mlp_ratio, output_dim and others."""
    language: dict[str, Any]
    """Hugging Face configuration of the language model, with its `model_type`."""
    cross_attn_every_n_layers: Annotated[int, Field(ge=1)] = 1
    perceiver: dict[str, int] = Field(default_factory=dict)
    """Arguments of `PerceiverResampler` that differ from its defaults: depth, num_latents, ..."""
    quick_gelu: bool = False
    """Whether the vision encoder uses OpenAI's approximation of GELU."""
    mean: tuple[float, float, float] = CLIP_MEAN
    """Per channel, subtracted from pixels in 0..1."""
    std: tuple[float, float, float] = CLIP_STD
    """Per channel, divides the pixels once the mean is subtracted."""
