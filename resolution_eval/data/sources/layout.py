"""Layout: how a folder says what its images show, brought to the lines of one table.

| in the folder | layout |
| --- | --- |
| `labels.csv` | the local layout |
| `metadata.csv` or `.jsonl`, there or in `train`, `val`, `test` | Hugging Face imagefolder |
| one folder of images per class, there or in `train`, `val`, `test` | class folders |
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from resolution_eval.data.sources.delimited import (
    TableRow,
    json_rows,
    read_table,
    require_columns,
    rows_of,
)
from resolution_eval.data.sources.normal_form import normal
from resolution_eval.data.sources.pictures import SEPARATOR, pictures
from resolution_eval.data.sources.source import Exclusion, listing
from resolution_eval.ground.errors import DataError

TABLE = "labels.csv"
METADATA = ("metadata.csv", "metadata.jsonl")
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "unsplit": "test",
    "unknown": "test",
}
"""Splits as written in a table or as names of folders, to ours: data that nobody split is there to
be tested on.
"""
COLUMNS = (
    "file",
    "label",
    "split",
    "source",
    "question",
    "qid",
    "choices",
    "answer_type",
    "region",
)
IMAGE_ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", ".jxl"),
    *(".svs", ".ndpi", ".scn"),
    *(".dcm", ".dicom", ".pgm", ".ppm", ".pbm", ".pnm"),
    *(".nii", ".nii.gz"),
)
_LABELS = ("answer", "text", "caption")
"""Columns of metadata that stand in for the label where there is none."""
_PASSED_OVER = (".", "__MACOSX")


@dataclass(frozen=True)
class Layout:
    """What a folder says of its images."""

    table: Path
    """File, or folder of class folders, that errors name."""
    revision: str
    rows: tuple[TableRow, ...]
    excluded: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()


def layout_of(folder: Path, *more: str) -> Layout:
    """The layout of `folder`; `more` columns of a table may be spelt in any case.

    Raises:
        DataError: there is none, or its table is broken.
    """
    if (folder / TABLE).is_file():
        return _labels(folder / TABLE, more)
    tables = list(_metadata(folder))
    if tables:
        return _imagefolder(folder, tables, more)
    layout = _class_folders(folder)
    return _labels(folder / TABLE, more) if layout is None else layout


def has_layout(folder: Path) -> bool:
    """Whether `folder` has a table or class folders."""
    if (folder / TABLE).is_file() or any(_metadata(folder)):
        return True
    return folder.is_dir() and _class_folders(folder) is not None


def _labels(table: Path, more: tuple[str, ...]) -> Layout:
    data = read_table(table)
    rows = tuple(rows_of(data, table, (*COLUMNS, *more)))
    revision = f"{TABLE} sha256:{sha256(data).hexdigest()}"
    require_columns(rows, ("file",), table)
    if "split" in rows[0].cells:
        return Layout(table, revision, rows)
    everything = tuple(TableRow(row.line, row.cells | {"split": "test"}) for row in rows)
    note = f"{TABLE} has no column split: all of its {len(rows)} lines are taken as test samples"
    return Layout(table, revision, everything, notes=(note,))


# --- Hugging Face imagefolder


def _metadata(folder: Path) -> Iterator[tuple[str, Path]]:
    """The split and the file of each table of metadata."""
    for split, place in _parts(folder):
        yield from ((split, place / name) for name in METADATA if (place / name).is_file())


def _parts(folder: Path) -> list[tuple[str, Path]]:
    """The folders of splits, with their splits; the folder itself where it has none."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    parts = [
        (SPLIT_NAMES[normal(place.name)], place)
        for place in inside
        if place.is_dir() and normal(place.name) in SPLIT_NAMES
    ]
    return parts or [("test", folder)]


def _imagefolder(folder: Path, tables: list[tuple[str, Path]], more: tuple[str, ...]) -> Layout:
    rows: list[TableRow] = []
    digest = sha256()
    for split, table in tables:
        data = read_table(table)
        digest.update(data)
        json = table.suffix == ".jsonl"
        names = ("file_name", "file_names", *_LABELS, *COLUMNS, *more)
        lines = list((json_rows if json else rows_of)(data, table, names))
        several = bool(lines) and "file_names" in lines[0].cells
        require_columns(lines, ("file_names" if several else "file_name",), table)
        rows += [_row_of_metadata(row, split, table.parent, folder) for row in lines]
    excluded = (*_unlisted(folder, tables, rows), *_beside_splits(folder))
    told = ", ".join(str(table.relative_to(folder)) for _, table in tables)
    return Layout(tables[0][1], f"{told} sha256:{digest.hexdigest()}", tuple(rows), excluded)


def _row_of_metadata(row: TableRow, split: str, place: Path, folder: Path) -> TableRow:
    """The line as labels.csv would have it: its file names are relative to its own table."""
    cells = dict(row.cells)
    inside = place.relative_to(folder).as_posix()
    written = cells.pop("file_names", None) or cells.pop("file_name", "")
    names = pictures({"file": written.replace("\\", "/")}, place)
    files = (name if inside == "." else f"{inside}/{name}" for name in names)
    cells["file"] = SEPARATOR.join(files)
    cells.setdefault("split", split)
    for alias in _LABELS:
        if "label" not in cells and alias in cells:
            cells["label"] = cells[alias]
    return TableRow(row.line, cells)


def _unlisted(
    folder: Path, tables: list[tuple[str, Path]], rows: list[TableRow]
) -> Iterator[Exclusion]:
    listed = {name for row in rows for name in pictures(row.cells, folder)}
    told = {table.parent for _, table in tables}
    for split, place in _parts(folder):
        for file in _files(place) if place not in told else ():
            if _is_image(file):
                yield Exclusion(file.relative_to(folder).as_posix(), "has no metadata", split)
    for split, table in tables:
        for file in _files(table.parent):
            name = file.relative_to(folder).as_posix()
            if _is_image(file) and name not in listed:
                yield Exclusion(name, f"not listed in {table.name}", split)


# --- class folders


def _class_folders(folder: Path) -> Layout | None:
    """One class per folder that holds images; none where fewer than two do, or images lie beside.

    What is no image by its ending is excluded by name.
    """
    rows: list[TableRow] = []
    excluded: list[Exclusion] = list(_beside_splits(folder))
    notes: list[str] = []
    for split, place in _parts(folder):
        classes: set[str] = set()
        for file in _files(place):
            name = file.relative_to(folder).as_posix()
            inside = file.relative_to(place).parts
            if len(inside) < 2:
                excluded.append(Exclusion(name, "not in a class folder", split))
            elif not _is_image(file):
                excluded.append(Exclusion(name, "not an image by its ending", split))
            else:
                classes.add(inside[0])
                cells = {"file": name, "label": inside[0], "split": split}
                rows.append(TableRow(len(rows) + 1, cells))
        notes += _empty_folders(place, split, classes)
    if len({row["label"] for row in rows}) < 2:
        return None
    names = sha256("\n".join(row["file"] for row in rows).encode()).hexdigest()
    revision = f"class folders sha256:{names}"
    return Layout(folder, revision, tuple(rows), tuple(excluded), tuple(notes))


def _beside_splits(folder: Path) -> Iterator[Exclusion]:
    """Images that lie beside the folders of splits, where there are such."""
    parts = {place for _, place in _parts(folder)}
    if parts == {folder}:
        return
    for file in _files(folder, parts):
        if _is_image(file):
            name = file.relative_to(folder).as_posix()
            yield Exclusion(name, "lies beside the folders of splits")


def _empty_folders(place: Path, split: str, classes: Set[str]) -> Iterator[str]:
    """That folders which could be classes hold no image."""
    inside = [one.name for one in sorted(place.iterdir()) if one.is_dir()]
    empty = [name for name in inside if name not in classes and not name.startswith(_PASSED_OVER)]
    if empty:
        yield (f"folders of {split} that hold no image and are no class: {listing(empty)}")


def _is_image(file: Path) -> bool:
    """Whether its ending is that of an image; scanners write DICOM without one, or end in a UID."""
    if file.name.lower().endswith(IMAGE_ENDINGS):
        return True
    bare = not file.suffix or file.suffix[1:].isdecimal()
    return bare and _is_dicom(file)


def _is_dicom(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _files(folder: Path, without: Set[Path] = frozenset()) -> Iterator[Path]:
    """The files under `folder`, by name; no hidden ones, and none in the folders `without`, which
    are not looked into. Links are followed, whatever they lead to is judged line by line; one that
    leads nowhere is a file, which is then not found.
    """
    yield from sorted(_walked(folder, frozenset(), without))


def _walked(folder: Path, above: frozenset[Path], without: Set[Path]) -> Iterator[Path]:
    here = folder.resolve()
    if here in above:  # a link to a folder that it lies in
        return
    for place in folder.iterdir():
        if place.name.startswith(_PASSED_OVER) or place in without:
            continue
        if place.is_dir():
            yield from _walked(place, above | {here}, without)
        elif place.is_file() or place.is_symlink():
            yield place


def refuse_without_layout(folder: Path) -> None:
    """Raise where `folder` says nothing of its images.

    Raises:
        DataError: it does not.
    """
    if not has_layout(folder):
        raise DataError(
            f"{folder} has no {TABLE}; --data needs a folder with {TABLE} and images/, with "
            f"{METADATA[0]} or {METADATA[1]}, or with one folder of images per class"
        )
