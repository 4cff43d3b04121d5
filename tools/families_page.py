"""docs/families.md, the table of families: `python -m tools.families_page`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from resolution_eval.models.families import FAMILIES, Family, intended_grid
from resolution_eval.models.families.geometries import GEOMETRIES
from resolution_eval.resolution import Size, budget_size
from tools import DOCS

SIZES = (28, 56, 112, 224, 448, 672, 1024)
SOURCE = Size(1024, 1024)

HEAD = """# Families of Hugging Face checkpoints

<!-- Made by `python -m tools.families_page`. -->

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
    (DOCS / "families.md").write_text(page(), encoding="utf-8")
