"""Geometries: of a released checkpoint of every family, as far as the family reads it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from resolution_eval.models.families.family_base import Parts


def _config(vision: dict[str, Any], **own: Any) -> SimpleNamespace:
    return SimpleNamespace(vision_config=SimpleNamespace(**vision), **own)


def _images(**own: Any) -> SimpleNamespace:
    return SimpleNamespace(image_processor=SimpleNamespace(**own))


def _square(edge: int, patch: int = 14) -> dict[str, Any]:
    return {"image_size": edge, "patch_size": patch}


def _points(edge: int, most: int) -> list[list[int]]:
    sides = range(1, most + 1)
    return [[edge * rows, edge * columns] for rows in sides for columns in sides]


NEXT = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
MLLAMA = [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]]
QWEN = {"patch_size": 14, "spatial_merge_size": 2}
NONE = SimpleNamespace()

GEOMETRIES: dict[str, tuple[str, Parts]] = {
    "llava": ("llava-hf/llava-1.5-7b-hf", Parts(_config(_square(336)), NONE)),
    "llava_next": (
        "llava-hf/llava-v1.6-mistral-7b-hf",
        Parts(_config(_square(336), image_grid_pinpoints=NEXT), NONE),
    ),
    "llava_onevision": (
        "llava-hf/llava-onevision-qwen2-7b-ov-hf",
        Parts(
            _config(
                _square(384),
                image_grid_pinpoints=_points(384, 6),
                vision_aspect_ratio="anyres_max_9",
            ),
            NONE,
        ),
    ),
    "qwen2_vl": ("Qwen/Qwen2-VL-7B-Instruct", Parts(_config(QWEN), NONE)),
    "qwen2_5_vl": ("Qwen/Qwen2.5-VL-7B-Instruct", Parts(_config(QWEN), NONE)),
    "qwen3_vl": ("Qwen/Qwen3-VL-8B-Instruct", Parts(_config({**QWEN, "patch_size": 16}), NONE)),
    "internvl": (
        "OpenGVLab/InternVL3-8B-hf",
        Parts(_config(_square(448), downsample_ratio=0.5), _images(max_patches=12)),
    ),
    "idefics3": (
        "HuggingFaceM4/Idefics3-8B-Llama3",
        Parts(
            _config(_square(364), scale_factor=2),
            _images(
                size={"longest_edge": 1456},
                max_image_size={"longest_edge": 364},
                do_image_splitting=True,
            ),
        ),
    ),
    "smolvlm": (
        "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
        Parts(
            _config(_square(384), scale_factor=3),
            _images(
                size={"longest_edge": 1536},
                max_image_size={"longest_edge": 384},
                do_image_splitting=True,
            ),
        ),
    ),
    "paligemma": ("google/paligemma-3b-mix-224", Parts(_config(_square(224)), NONE)),
    "gemma3": (
        "google/gemma-3-4b-it",
        Parts(_config(_square(896), mm_tokens_per_image=256), NONE),
    ),
    "mistral3": (
        "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
        Parts(_config(_square(1540), spatial_merge_size=2), NONE),
    ),
    "pixtral": ("mistral-community/pixtral-12b", Parts(_config(_square(1024, 16)), NONE)),
    "mllama": (
        "meta-llama/Llama-3.2-11B-Vision-Instruct",
        Parts(_config({**_square(560), "supported_aspect_ratios": MLLAMA}), NONE),
    ),
    "aya_vision": (
        "CohereLabs/aya-vision-8b",
        Parts(_config(_square(364), downsample_factor=2), _images(max_patches=12)),
    ),
    "cohere2_vision": (
        "CohereLabs/command-a-vision-07-2025",
        Parts(_config(_square(512, 16), downsample_factor=2), _images(max_patches=12)),
    ),
    "instructblip": (
        "Salesforce/instructblip-vicuna-7b",
        Parts(_config(_square(224), num_query_tokens=32), NONE),
    ),
}
"""Per family a checkpoint and its geometry, as far as the family reads it."""
