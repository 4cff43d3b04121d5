"""Families of Hugging Face image-text-to-text checkpoints: how each one's grid is controlled."""

from __future__ import annotations

from typing import Any

from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.models.families.aya import AYA, COHERE2
from resolution_eval.models.families.family_base import Family, Parts, ProcessorSettings, TowerGrid
from resolution_eval.models.families.gemma import GEMMA3, PALIGEMMA
from resolution_eval.models.families.idefics3 import IDEFICS3, SMOLVLM
from resolution_eval.models.families.instructblip import INSTRUCTBLIP
from resolution_eval.models.families.internvl import INTERNVL
from resolution_eval.models.families.llava import LLAVA
from resolution_eval.models.families.llava_next import LLAVA_NEXT, LLAVA_ONEVISION
from resolution_eval.models.families.mllama import MLLAMA
from resolution_eval.models.families.pixtral import MISTRAL3, PIXTRAL
from resolution_eval.models.families.qwen_vl import QWEN2_5_VL, QWEN2_VL, QWEN3_VL
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
        LLAVA,
        LLAVA_NEXT,
        LLAVA_ONEVISION,
        QWEN2_VL,
        QWEN2_5_VL,
        QWEN3_VL,
        INTERNVL,
        IDEFICS3,
        SMOLVLM,
        PALIGEMMA,
        GEMMA3,
        MISTRAL3,
        PIXTRAL,
        MLLAMA,
        INSTRUCTBLIP,
        AYA,
        COHERE2,
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
