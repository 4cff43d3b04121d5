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
