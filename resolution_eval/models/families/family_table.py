"""The table of families: `python -m resolution_eval.models.families.family_table`."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from resolution_eval.models.families import FAMILIES, Family, Parts, intended_grid
from resolution_eval.resolution import Size, budget_size

SIZES = (28, 56, 112, 224, 448, 672, 1024)
SOURCE = Size(1024, 1024)

HEAD = """# Families of Hugging Face checkpoints

<!-- Made by `python -m resolution_eval.models.families.family_table`. -->

What the encoder of each family receives at each resolution, and how many visual tokens that costs.
`--model reshf` runs these. A cell is the grid that enters the vision encoder (height x width, in
pixels) and the number of visual tokens that it becomes, the thumbnail's included, for a square
source of 1024 x 1024 pixels. Other aspect ratios, and your own checkpoint, are shown by
`resolution-eval doctor --model reshf --model_args pretrained=ID --sizes 28,224,448`.

A type that is not among these is *probed*: the processor's own call is searched for arguments that
leave an image at its size, and a miniature of the model with random weights shows whether every
grid gets through, where it enters, and how many visual tokens it becomes. `match` is offered only
where thirteen grids of three aspects came out exactly; otherwise `restore` is, with the reason. How
a processor lays an image out in tiles is measured with an image of which every pixel says where it
is from. Where a processor takes one of a few budgets (Gemma 4's 70 to 1,120 tokens, Aria's 490 and
980 px), `match` takes the one whose grid is nearest, and `doctor` lists the steps. What probing
finds for every type of transformers is [a page of its own](types.md); a newer type needs no code.

Under `restore` with training at native sizes, the grid is what the checkpoint's own processor makes
of the source, tiles and thumbnails included.

Under `match` the grid follows the resolution. A tiling family has tiles of the training's size from
that size on, in a number that follows the resolution, and below it one smaller tile. Where `match`
is impossible the column says `restore`; the reason stands below the table. InstructBLIP's grid
moves, but its queries make 32 tokens of any grid. "training" is what configuration and processor
tell; a checkpoint's card (`models/`) goes before it.
"""


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


def page() -> str:
    """The page in Markdown."""
    families = {family.name: family for family in FAMILIES.values()}
    heads = ["family", "geometry of", "training", "scheme", *(f"r = {size}" for size in SIZES)]
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    lines += [f"| {' | '.join(_row(family))} |" for family in families.values()]
    return "\n".join((HEAD, *lines, "", *_reasons(families.values()), ""))


def _row(family: Family) -> Iterator[str]:
    checkpoint, parts = GEOMETRIES[family.name]
    training = family.training(parts)
    scheme = "match" if family.refusal(parts) is None else "restore"
    yield from (family.name, f"`{checkpoint}`", f"`{training}`", scheme)
    for size in SIZES:
        information = budget_size(SOURCE, size)
        grid = intended_grid(family, parts, training, scheme, information, SOURCE)
        yield f"{grid.height}x{grid.width}: {family.visual_tokens(parts, grid)}"


def _reasons(families: Any) -> Iterator[str]:
    for family in families:
        refusal = family.refusal(GEOMETRIES[family.name][1])
        if refusal is not None:
            yield f"`match` is impossible for {family.name}: {refusal}.\n"


if __name__ == "__main__":
    print(page(), end="")
