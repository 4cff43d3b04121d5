"""Geometries: of a released checkpoint of every family, as far as the family reads it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from resolution_eval.models.families.parts import Parts

Geometry = tuple[str, Parts]
"""A checkpoint, and of its parts as much as its family reads."""


def _geometry(
    checkpoint: str, vision: dict[str, Any], images: dict[str, Any] | None = None, **own: Any
) -> Geometry:
    """That of a vision tower, an image processor and further settings of the configuration."""
    config = SimpleNamespace(vision_config=SimpleNamespace(**vision), **own)
    processor = SimpleNamespace(image_processor=SimpleNamespace(**images or {}))
    return checkpoint, Parts(config, processor)


def _square(edge: int, patch: int = 14, **own: Any) -> dict[str, Any]:
    return {"image_size": edge, "patch_size": patch, **own}


def _split(edge: int, most: int) -> dict[str, Any]:
    """Tiles of `edge` pixels, `most` a side."""
    longest, tile = {"longest_edge": edge * most}, {"longest_edge": edge}
    return {"size": longest, "max_image_size": tile, "do_image_splitting": True}


NEXT = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
ONEVISION = [[384 * rows, 384 * columns] for rows in range(1, 7) for columns in range(1, 7)]
MLLAMA = [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]]
QWEN = {"patch_size": 14, "spatial_merge_size": 2}
TILES = {"max_patches": 12}

GEOMETRIES: dict[str, Geometry] = {
    "llava": _geometry("llava-hf/llava-1.5-7b-hf", _square(336)),
    "llava_next": _geometry(
        "llava-hf/llava-v1.6-mistral-7b-hf", _square(336), image_grid_pinpoints=NEXT
    ),
    "llava_onevision": _geometry(
        "llava-hf/llava-onevision-qwen2-7b-ov-hf",
        _square(384),
        image_grid_pinpoints=ONEVISION,
        vision_aspect_ratio="anyres_max_9",
    ),
    "qwen2_vl": _geometry("Qwen/Qwen2-VL-7B-Instruct", QWEN),
    "qwen2_5_vl": _geometry("Qwen/Qwen2.5-VL-7B-Instruct", QWEN),
    "qwen3_vl": _geometry("Qwen/Qwen3-VL-8B-Instruct", {**QWEN, "patch_size": 16}),
    "internvl": _geometry("OpenGVLab/InternVL3-8B-hf", _square(448), TILES, downsample_ratio=0.5),
    "idefics3": _geometry(
        "HuggingFaceM4/Idefics3-8B-Llama3", _square(364), _split(364, 4), scale_factor=2
    ),
    "smolvlm": _geometry(
        "HuggingFaceTB/SmolVLM2-2.2B-Instruct", _square(384), _split(384, 4), scale_factor=3
    ),
    "paligemma": _geometry("google/paligemma-3b-mix-224", _square(224)),
    "gemma3": _geometry("google/gemma-3-4b-it", _square(896), mm_tokens_per_image=256),
    "mistral3": _geometry(
        "mistralai/Mistral-Small-3.1-24B-Instruct-2503", _square(1540), spatial_merge_size=2
    ),
    "pixtral": _geometry("mistral-community/pixtral-12b", _square(1024, 16)),
    "mllama": _geometry(
        "meta-llama/Llama-3.2-11B-Vision-Instruct", _square(560, supported_aspect_ratios=MLLAMA)
    ),
    "aya_vision": _geometry("CohereLabs/aya-vision-8b", _square(364), TILES, downsample_factor=2),
    "cohere2_vision": _geometry(
        "CohereLabs/command-a-vision-07-2025", _square(512, 16), TILES, downsample_factor=2
    ),
    "instructblip": _geometry(
        "Salesforce/instructblip-vicuna-7b", _square(224), num_query_tokens=32
    ),
}
"""Per family a checkpoint and its geometry."""
