"""Radiographs: sets of findings at full size, where resolution matters most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import inf
from pathlib import Path, PurePosixPath

from resolution_eval.data.sources.delimited import TableRow, read_table, rows_of
from resolution_eval.data.sources.published.finding_masks import largest_finding
from resolution_eval.data.sources.published.item import Images, Item, need
from resolution_eval.ground.errors import DataError

_MALIGNANT = "MALIGNANT"
_CORNERS = ("x_min", "y_min", "x_max", "y_max")


def cbis_ddsm(folder: Path, images: Images) -> Iterator[Item]:
    """CBIS-DDSM: full mammograms of the four case tables, malignant where one finding is.

    A table has a row per abnormality; a mammogram is asked once, in the split of its table. The
    size of the largest finding of a test image is that of its mask, where the masks are there.
    """
    for split in ("test", "train"):
        mammograms: dict[str, list[TableRow]] = defaultdict(list)
        for kind in ("mass", "calc"):
            file = _csv(folder, f"{kind}_case_description_{split}_set.csv")
            if file is None:
                continue
            for row in rows_of(read_table(file), file):
                need(row.cells, ("patient_id", "image file path", "pathology"), file)
                mammograms[row["image file path"]].append(row)
        for path, rows in sorted(mammograms.items()):
            worst = any(row["pathology"].upper() == _MALIGNANT for row in rows)
            image = _image(folder, path)
            finding = largest_finding(rows, image, folder, images) if split == "test" else None
            yield Item(
                id=path,
                images=(image,),
                question="",
                answer="malignant" if worst else "benign",
                cluster=rows[0]["patient_id"],
                split=split,
                boxes=(finding[0],) if finding else (),
                kind=finding[1] if finding else "box",
            )


def _csv(folder: Path, name: str) -> Path | None:
    return next(
        (place for place in (folder / name, folder / "csv" / name) if place.is_file()), None
    )


def _image(folder: Path, path: str) -> str:
    """The mammogram: under CBIS-DDSM/ as published, else the JPEG in the folder of its series."""
    published = f"CBIS-DDSM/{path}"
    if (folder / published).is_file():
        return published
    parts = PurePosixPath(path).parts
    series = parts[2] if len(parts) > 3 else ""
    jpegs = sorted((folder / "jpeg" / series).glob("*.jpg")) if series else []
    return jpegs[0].relative_to(folder).as_posix() if jpegs else published


def vindr_cxr(folder: Path, images: Images) -> Iterator[Item]:
    """VinDr-CXR's test split: whether the consensus of five readers has a finding, and the boxes of
    annotations_test.csv where that is there.
    """
    file = folder / "annotations" / "image_labels_test.csv"
    boxes = _boxes(folder / "annotations" / "annotations_test.csv")
    for row in rows_of(read_table(file), file):
        need(row.cells, ("image_id", "No finding"), file)
        clear = row["No finding"] in ("1", "1.0")
        yield Item(
            id=row["image_id"],
            images=(f"test/{row['image_id']}.dicom",),
            question="",
            answer="no finding" if clear else "finding",
            boxes=() if clear else tuple(boxes.get(row["image_id"], ())),
        )


def _boxes(file: Path) -> dict[str, list[tuple[float, float]]]:
    """Width and height in pixels of each image's boxes; a line without a box has no finding.

    Raises:
        DataError: a box is no box.
    """
    boxes: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows_of(read_table(file), file) if file.is_file() else ():
        need(row.cells, ("image_id", *_CORNERS), file)
        written = [row[name] for name in _CORNERS]
        if not any(written):
            continue
        try:
            left, top, right, bottom = map(float, written)
        except ValueError:
            raise DataError(f"{file}, line {row.line}: {written} is no box") from None
        if not (0 <= left < right < inf and 0 <= top < bottom < inf):
            raise DataError(f"{file}, line {row.line}: the box {written} has no extent")
        boxes[row["image_id"]].append((right - left, bottom - top))
    return boxes
