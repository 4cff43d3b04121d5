"""Targets: where in a local image the finding is, from a column of boxes or of masks.

`target` holds `x,y,width,height` in pixels of the stored image, several boxes apart by ";";
`mask` names an image file in which the finding is not black. Of several boxes, or parts of a mask
that do not touch, the largest counts: it is the easiest to see. Where a column `subtlety` grades
how hard the finding is, each grade has a curve of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resolution_eval.data.sources.delimited import TableRow
from resolution_eval.data.sources.source import Sample, listing
from resolution_eval.data.sources.stored_size import AS_STORED, size_on_disk
from resolution_eval.evidence.details import Detail
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.images import stored
from resolution_eval.pixels.display_choices import Options

BOX, MASK, SUBTLETY = "target", "mask", "subtlety"
WHITE = 127
"""A mask is black and white; as JPEG nearly so."""


def with_details(
    rows: Sequence[TableRow],
    samples: Sequence[Sample],
    folder: Path,
    table: Path,
    options: Options = AS_STORED,
) -> list[Sample]:
    """The samples of `rows`, in their order, each with the finding that its line tells of; of files
    whose size depends on how they are shown `options` say it.

    Raises:
        DataError: as `detail_of`, the lines at fault named.
    """
    detailed, faults = [], []
    for row, sample in zip(rows, samples, strict=True):
        try:
            detail = detail_of(row.cells, len(sample.choices), folder, options)
            detailed.append(replace(sample, detail=detail))
        except DataError as error:
            faults.append(f"line {row.line}: {error}")
    if faults:
        raise DataError(f"{table}: {listing(faults)}")
    return detailed


def detail_of(
    cells: Mapping[str, str], choices: int, folder: Path, options: Options = AS_STORED
) -> Detail | None:
    """The finding that a line of labels.csv tells of; None where both columns are empty or absent.

    `choices` is how many options the question has; an open question cannot be guessed.

    Raises:
        DataError: a box is not four numbers, lies outside its image, or a mask cannot be read, is
            black, or has another size than the image.
    """
    box, mask = (cells.get(name, "").strip() for name in (BOX, MASK))
    if not box and not mask:
        return None
    if box and mask:
        raise DataError(f"{BOX} and {MASK} are both filled in; keep one of them")
    size = size_on_disk(folder / cells["file"].strip(), options)
    width, height = _largest_box(box, size) if box else _largest_part(_inside(mask, folder), size)
    grade = cells.get(SUBTLETY, "").strip()
    return Detail(
        kind=f"subtlety {grade}"[:100] if grade else ("box" if box else "mask"),
        width=width,
        height=height,
        chance=1 / choices if choices > 1 else 0.0,
    )


def _inside(mask: str, folder: Path) -> Path:
    """The mask's file, which lies in the data set's folder."""
    path = folder / mask
    if "\0" in mask or not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{MASK} {mask!r} leads out of the folder; copy the file into it")
    return path


def _largest_box(text: str, size: tuple[int, int] | None) -> tuple[float, float]:
    """Width and height of the largest of the boxes in `text`, of an image of that size."""
    boxes = [_box(part.strip()) for part in text.split(";") if part.strip()]
    for x, y, width, height in boxes:
        if size and (x < 0 or y < 0 or x + width > size[0] + 1 or y + height > size[1] + 1):
            raise DataError(
                f"{BOX} {x:g},{y:g},{width:g},{height:g} lies outside its image of "
                f"{size[0]}x{size[1]} px; boxes are x,y,width,height in pixels of the stored image"
            )
    _, _, width, height = max(boxes, key=lambda box: box[2] * box[3])
    return width, height


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise DataError(
            f'{BOX} {text!r} is not x,y,width,height; write four numbers, as "120,88,31,27"'
        ) from None
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise DataError(f"{BOX} {text!r} has no extent; width and height are positive pixels")
    return x, y, width, height


def _largest_part(mask: Path, size: tuple[int, int] | None) -> tuple[float, float]:
    """Width and height of the largest connected part of the mask of an image of that size."""
    marked = _marked(mask)
    if size and size != (marked.shape[1], marked.shape[0]):
        raise DataError(
            f"{MASK} {mask.name!r} has {marked.shape[1]}x{marked.shape[0]} px and its image "
            f"{size[0]}x{size[1]}; both must have the same pixels"
        )
    if not marked.any():
        raise DataError(
            f"{MASK} {mask.name!r} is all black; leave the cell empty without a finding, and "
            "save a mask of few grey values as PNG, not as JPEG"
        )
    return largest_part(marked)


def largest_part(marked: NDArray[np.bool_]) -> tuple[float, float]:
    """Width and height of the box around the largest part that hangs together."""
    from scipy.ndimage import find_objects, label  # a second to import, for one data set's masks

    rows, columns = (np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0))
    part = marked[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    parts, _ = label(part, structure=np.ones((3, 3)))
    down, across = find_objects(parts)[int(np.bincount(parts.ravel())[1:].argmax())]
    return float(across.stop - across.start), float(down.stop - down.start)


def _marked(mask: Path) -> NDArray[np.bool_]:
    """Where the mask is not black; of a JPEG, whose black is only nearly so, where it is white."""
    try:
        with stored(mask) as opened:
            least = WHITE if opened.format in ("JPEG", "MPO") else 0
            return np.asarray(opened.convert("L")) > least
    except (OSError, ValueError, SyntaxError, ImageError) as error:
        raise DataError(f"{MASK} {mask.name!r} cannot be read: {error}") from error
