"""Families of Hugging Face image-text-to-text checkpoints: how each one's grid is controlled."""

from __future__ import annotations

from typing import Any

from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.models.families.any_grid import PixtralFamily, QwenFamily
from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.gemma import Gemma3Family, PaliGemmaFamily
from resolution_eval.models.families.idefics3 import Idefics3Family
from resolution_eval.models.families.instructblip import InstructBlipFamily
from resolution_eval.models.families.internvl import AyaFamily, InternVLFamily
from resolution_eval.models.families.llava_next import AnyresFamily, OneVisionFamily
from resolution_eval.models.families.mllama import MllamaFamily
from resolution_eval.models.families.parts import Parts, ProcessorSettings, TowerGrid
from resolution_eval.resolution import Size, TrainingResolution

__all__ = [
    "FAMILIES",
    "Family",
    "Parts",
    "ProcessorSettings",
    "TowerGrid",
    "family_for",
    "family_of",
    "intended_grid",
]

FAMILIES: dict[str, Family] = {
    model_type: family
    for family in (
        Family(name="llava", model_types=("llava",), interpolates=True, several_images=True),
        AnyresFamily(name="llava_next", model_types=("llava_next", "llava_next_video")),
        OneVisionFamily(name="llava_onevision", model_types=("llava_onevision",)),
        QwenFamily(name="qwen2_vl", model_types=("qwen2_vl",)),
        QwenFamily(name="qwen2_5_vl", model_types=("qwen2_5_vl",)),
        QwenFamily(name="qwen3_vl", model_types=("qwen3_vl", "qwen3_vl_moe")),
        InternVLFamily(name="internvl", model_types=("internvl",)),
        Idefics3Family(name="idefics3", model_types=("idefics3",)),
        Idefics3Family(name="smolvlm", model_types=("smolvlm",)),
        PaliGemmaFamily(name="paligemma", model_types=("paligemma",)),
        Gemma3Family(name="gemma3", model_types=("gemma3",)),
        PixtralFamily(
            name="mistral3", model_types=("mistral3",), squeezed="model.multi_modal_projector"
        ),
        PixtralFamily(name="pixtral", model_types=("llava/pixtral",)),
        MllamaFamily(name="mllama", model_types=("mllama",)),
        InstructBlipFamily(name="instructblip", model_types=("instructblip",)),
        AyaFamily(name="aya_vision", model_types=("aya_vision",)),
        AyaFamily(name="cohere2_vision", model_types=("cohere2_vision",), edge_in_tokens=True),
    )
    for model_type in family.model_types
}
"""Every family, by `model_type`, or by `model_type/vision model_type` where that decides."""


def family_of(config: Any) -> Family:
    """The family of a checkpoint with this configuration.

    Raises:
        ModelError: it belongs to none.
    """
    vision = getattr(getattr(config, "vision_config", None), "model_type", None)
    family = FAMILIES.get(f"{config.model_type}/{vision}") or FAMILIES.get(config.model_type)
    if family is None:
        raise ModelError(
            f"no family controls the grid of model_type {config.model_type!r}; "
            f"known: {', '.join(sorted(FAMILIES))}. lmms-eval's own models run without attestation"
        )
    return family


def family_for(parts: Parts) -> Family:
    """The family of a checkpoint: the one written for its type, or one found by probing.

    Raises:
        ModelError: there is none, and probing finds none.
    """
    from resolution_eval.models.families.generic import generic_family

    try:
        return family_of(parts.config)
    except ModelError:
        return generic_family(parts)


def intended_grid(
    family: Family,
    parts: Parts,
    training: TrainingResolution,
    scheme: str,
    information: Size,
    source: Size,
) -> Size:
    """Size in pixels at which an image's information should enter the vision tower.

    Raises:
        UsageError: the family's grid cannot follow the resolution, or the training grid is unknown.
    """
    if scheme == "restore":
        return source if family.own else family.trained_grid(parts, source, training)
    refusal = family.refusal(parts)
    if refusal is not None:
        raise UsageError(
            f"scheme=match is impossible for {family.name}: {refusal}; use scheme=restore"
        )
    return family.grid(parts, information)
