"""Coco: boxes of findings from a file in COCO's form beside the table, as its `target` column.

`annotations.json`, `*.coco.json`, `instances*.json` in the folder, in `annotations` or in a folder
of a split. Boxes are x, y, width, height in pixels of the image that the file describes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from resolution_eval.data.sources.delimited import TableRow, read_table
from resolution_eval.data.sources.folder_files import plain_path
from resolution_eval.data.sources.source import listing
from resolution_eval.data.sources.stored_size import AS_STORED, size_on_disk
from resolution_eval.data.sources.targets import BOX, MASK
from resolution_eval.ground.errors import DataError
from resolution_eval.ground.notation import BOM, json_value
from resolution_eval.pixels.display_choices import Options

PATTERNS = ("annotations.json", "*.coco.json", "instances*.json")
_PARTS = (".", "annotations", "train", "valid", "val", "test")


def with_boxes(
    rows: Sequence[TableRow], folder: Path, options: Options = AS_STORED
) -> tuple[list[TableRow], tuple[str, ...]]:
    """The lines with the boxes of the folder's COCO files as their targets, and what to note;
    images are shown as `options` say.

    Raises:
        DataError: a file is broken, describes an image of another size, names an image that two
            lines could be, or a line has a target of its own besides.
    """
    files = list(_files(folder))
    if not files:
        return list(rows), ()
    boxes: dict[str, str] = {}
    known: set[str] = set()
    for file in files:
        described = _described(file, folder, [row["file"] for row in rows], options)
        known |= described.keys()
        boxes |= {name: text for name, text in described.items() if text}
    both = [row for row in rows if row["file"] in boxes and (row[BOX] or row[MASK])]
    if both:
        told = listing([f"line {row.line}" for row in both])
        raise DataError(f"{folder}: {files[0].name} and the table both give a target: {told}")
    lines = [
        replace(row, cells=row.cells | {BOX: boxes[row["file"]]}) if row["file"] in boxes else row
        for row in rows
    ]
    named = " and ".join(file.relative_to(folder).as_posix() for file in files)
    listed = {row["file"] for row in rows}
    note = f"{named}: boxes of {len(boxes.keys() & listed)} of {len(listed)} listed images"
    absent = len(listed - known)
    return lines, (f"{note}; {absent} are not described there" if absent else note,)


def _files(folder: Path) -> Iterator[Path]:
    for part in _PARTS:
        for pattern in PATTERNS:
            yield from sorted((folder / part).glob(pattern))


def _described(file: Path, folder: Path, listed: Sequence[str], options: Options) -> dict[str, str]:
    """The listed images that a file describes, each with its boxes as a `target` cell holds them,
    empty where it has none.
    """
    document = _document(file)
    images = {one["id"]: one for one in document["images"]}
    texts: dict[Any, list[str]] = defaultdict(list)
    for number, one in enumerate(document["annotations"]):
        if one.get("image_id") not in images:
            raise DataError(f"{file}: annotation {number} is of no image that it describes")
        texts[one["image_id"]].append(_box(one.get("bbox"), file, number))
    boxes = {}
    for key, image in images.items():
        name = _listed(str(image["file_name"]), file, folder, listed)
        if name is not None:
            _check_size(image, folder / name, file, options)
            boxes[name] = ";".join(filter(None, texts[key]))
    return boxes


def _document(file: Path) -> Mapping[str, Any]:
    try:
        value = json_value(read_table(file).removeprefix(BOM))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON in UTF-8") from error
    lists = [value.get(key) for key in ("images", "annotations")] if isinstance(value, dict) else []
    whole = len(lists) == 2 and all(
        isinstance(each, list) and all(isinstance(one, dict) for one in each) for each in lists
    )
    if not whole or any(not {"id", "file_name"} <= one.keys() for one in value["images"]):
        raise DataError(
            f"{file} is not in COCO's form: it needs lists `images` (id, file_name) and "
            "`annotations` (image_id, bbox)"
        )
    document: Mapping[str, Any] = value
    return document


def _box(value: Any, file: Path, number: int) -> str:
    """A box as text; empty of an annotation without one."""
    if value in (None, []):
        return ""
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 4 or any(type(one) not in (int, float) for one in numbers):
        raise DataError(f"{file}: annotation {number}: bbox {value!r} is not x, y, width, height")
    return ",".join(f"{one:.9g}" for one in numbers)


def _listed(name: str, file: Path, folder: Path, listed: Sequence[str]) -> str | None:
    """The listed image that the file means by `name`: its path from the folder or from beside the
    file, else the one listed file of that name; none where none is.
    """
    plain = plain_path(name)
    beside = (file.parent.relative_to(folder) / plain).as_posix()
    for path in (plain, beside):
        if path in listed:
            return path
    same = {each for each in listed if PurePosixPath(each).name == PurePosixPath(plain).name}
    if len(same) > 1:
        raise DataError(f"{file}: {name!r} could be {listing(sorted(same))}; give its path")
    return same.pop() if same else None


def _check_size(image: Mapping[str, Any], path: Path, file: Path, options: Options) -> None:
    """Raise where the boxes are of another size than the stored image has."""
    told = (image.get("width"), image.get("height"))
    stored = size_on_disk(path, options)
    if stored is not None and None not in told and told != stored:
        raise DataError(
            f"{file}: {image['file_name']!r} has {told[0]}x{told[1]} px there and "
            f"{stored[0]}x{stored[1]} px as stored; boxes of another size would lie elsewhere"
        )
