"""Radiographs: sets of findings at full size, where resolution matters most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from resolution_eval.sources.published.item import Images, Item, need
from resolution_eval.sources.table import Row, read_table, rows_of

_MALIGNANT = "MALIGNANT"


def cbis_ddsm(folder: Path, images: Images) -> Iterator[Item]:
    """CBIS-DDSM: full mammograms of the four case tables, malignant where one finding is.

    A table has a row per abnormality; a mammogram is asked once, in the split of its table.
    """
    for split, ending in (("test", "test"), ("train", "train")):
        found: dict[str, list[Row]] = defaultdict(list)
        for kind in ("mass", "calc"):
            file = _csv(folder, f"{kind}_case_description_{ending}_set.csv")
            if file is None:
                continue
            for row in rows_of(read_table(file), file):
                need(row.cells, ("patient_id", "image file path", "pathology"), file)
                found[row["image file path"]].append(row)
        for path, rows in sorted(found.items()):
            worst = any(row["pathology"].upper() == _MALIGNANT for row in rows)
            yield Item(
                id=path,
                images=(_image(folder, path),),
                question="",
                answer="malignant" if worst else "benign",
                cluster=rows[0]["patient_id"],
                split=split,
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
    """VinDr-CXR's test split: whether the consensus of five readers has a finding."""
    file = folder / "annotations" / "image_labels_test.csv"
    for row in rows_of(read_table(file), file):
        need(row.cells, ("image_id", "No finding"), file)
        clear = row["No finding"] in ("1", "1.0")
        yield Item(
            id=row["image_id"],
            images=(f"test/{row['image_id']}.dicom",),
            question="",
            answer="no finding" if clear else "finding",
        )
