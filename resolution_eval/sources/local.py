"""Local layout: a folder with `labels.csv` beside its images, which is also how users bring data.

Columns: file, label, split, source; for questions also question, and where known qid, choices
(separated by "|"), answer_type (closed or open); where known the finding's box or mask (see
`targets`); any further column may serve as the cluster.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from io import StringIO
from pathlib import Path, PurePosixPath, PureWindowsPath

from resolution_eval.attestation import Form
from resolution_eval.cards import TaskCard
from resolution_eval.errors import DataError, ImageError, suggest
from resolution_eval.sources.base import (
    Exclusion,
    Sample,
    class_of,
    fingerprint,
    listing,
    of_split,
    ordered,
)
from resolution_eval.sources.targets import with_details

TABLE = "labels.csv"
SPLIT_NAMES = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "unsplit": "test",
    "unknown": "test",
}
"""Splits as written in labels.csv, to ours: data that nobody split is there to be tested on."""

YES_NO = ("yes", "no")
FORMULA = ("=", "@")
"""How a cell begins that a spreadsheet would run; "+" and "-" may begin an answer."""


@dataclass(frozen=True)
class Row:
    """One line of labels.csv: its number in the file, and its cells by column."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "").strip()


class LocalSource:
    """The data set in `folder`, in the local layout.

    A sample's id is its `qid` where there is such a column; else the file, with a hash of the
    question added for question tasks. An image that is missing, empty or corrupt keeps its sample:
    `read` or `decode` raises when it is asked for.

    Raises:
        DataError: labels.csv is absent, not UTF-8, not CSV or without a needed column; or it has
            lines with an unknown label or split, an empty cell, a formula, a duplicate id, or a
            file outside the folder. Every such line is named.
    """

    name = "local"

    def __init__(self, folder: Path, card: TaskCard) -> None:
        self._folder = folder.resolve()
        self._card = card
        table = self._folder / TABLE
        data = read_table(table)
        self.revision = f"labels.csv sha256:{sha256(data).hexdigest()}"
        rows = list(rows_of(data, table))
        _require_columns(rows, card, table)
        _refuse_faulty(rows, card, self._folder)
        samples = [_sample(row, card) for row in rows]
        self._samples = ordered(with_details(rows, samples, self._folder, table))
        self._found: dict[str, str] = {}

    @property
    def excluded(self) -> tuple[Exclusion, ...]:
        """Nothing: every line is a sample, or an error."""
        return ()

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Images that train and test share, and questions that stand more than once."""
        return tuple(_notes(self._samples))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, labels and image contents, whatever the order they are stored in."""
        files = {sample.image for sample in self._samples}
        self._found = {file: self._content(file) for file in files}
        return fingerprint(self._samples, self._found)

    def _content(self, file: str) -> str:
        path = self._folder / file
        return sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of one split, ordered by the SHA-256 of their id.

        Raises:
            DataError: the split is unknown or has no line.
        """
        return of_split(self._samples, split, str(self._folder / TABLE))

    def read(self, locator: str) -> bytes:
        """The image file named `locator` in labels.csv, as the fingerprint knows it.

        Raises:
            ImageError: it is missing, cannot be read, or changed since the fingerprint was taken.
        """
        try:
            data = (self._folder / locator).read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ImageError(
                f"image file {locator!r} of {self._folder} cannot be read: {reason}"
            ) from error
        known = self._found.get(locator)
        if known is not None and sha256(data).hexdigest() != known:
            raise ImageError(
                f"image file {locator!r} of {self._folder} changed while the run was under way; "
                "run again on data that stays as it is"
            )
        return data


def read_table(table: Path) -> bytes:
    """Content of the file `table`.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return table.read_bytes()
    except OSError as error:
        raise DataError(
            f"{table} cannot be read: {error.strerror}; it must list the images"
        ) from error


def rows_of(data: bytes, table: Path) -> Iterator[Row]:
    """The lines of the CSV in `data` below its header; `table` names it in errors.

    Raises:
        DataError: it is not UTF-8 or not CSV, or a line has more or fewer cells than the header.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{table}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x}); "
            "save the table as UTF-8"
        ) from error
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{table}, line {reader.line_num}: {len(cells)} cells, but the header has "
                    f"{len(header)} columns; quote cells that contain commas"
                )
            yield Row(reader.line_num, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise DataError(f"{table}, line {reader.line_num}: not CSV: {error}") from error


def _require_columns(rows: list[Row], card: TaskCard, table: Path) -> None:
    if not rows:
        raise DataError(f"{table} has no line below its header; it must list the images")
    present = rows[0].cells
    needed = ["file", "label", "split"]
    needed += ["question"] if card.kind == "questions" else []
    needed += [card.cluster] if card.cluster != "image" else []
    for column in needed:
        if column not in present:
            raise DataError(f"{table} has no column {column!r}; {suggest(column, present)}")


def _refuse_faulty(rows: list[Row], card: TaskCard, folder: Path) -> None:
    """Raise one DataError that names the lines at fault, the first rule that is broken."""
    table = folder / TABLE
    for fault in (_empty_cell, _formula, _bad_split, _bad_label, _bad_path):
        found = [f"line {row.line}: {text}" for row in rows if (text := fault(row, card, folder))]
        if found:
            raise DataError(f"{table}: {listing(found)}")
    lines: dict[str, list[int]] = {}
    for row in rows:
        lines.setdefault(_id(row, card), []).append(row.line)
    duplicates = [f"{name!r} on lines {numbers}" for name, numbers in lines.items() if numbers[1:]]
    if duplicates:
        raise DataError(
            f"{table}: duplicate id {listing(duplicates)}; keep one line each, or tell the lines "
            "apart in a column qid"
        )


Fault = Callable[[Row, TaskCard, Path], str | None]


def _empty_cell(row: Row, card: TaskCard, folder: Path) -> str | None:
    needed = ["file", "label"]
    needed += ["question"] if card.kind == "questions" else []
    needed += ["qid"] if "qid" in row.cells else []
    needed += [card.cluster] if card.cluster != "image" else []
    empty = [column for column in needed if not row[column]]
    return f"{empty[0]} is empty" if empty else None


def _formula(row: Row, card: TaskCard, folder: Path) -> str | None:
    suspects = ("file", "label", "question", "choices", "qid")
    found = [column for column in suspects if row[column].startswith(FORMULA)]
    if not found or (found == ["label"] and card.kind == "classification"):
        return None
    return f"{found[0]} {row[found[0]]!r} begins like a spreadsheet's formula; write it as text"


def _bad_split(row: Row, card: TaskCard, folder: Path) -> str | None:
    if row["split"] in SPLIT_NAMES:
        return None
    return f"unknown split {row['split']!r}; {suggest(row['split'], SPLIT_NAMES)}"


def _bad_label(row: Row, card: TaskCard, folder: Path) -> str | None:
    if card.kind == "questions":
        choices = _choices(row)
        known = not choices or _answer(row, choices) in choices
        return None if known else f"answer {row['label']!r} is not one of the choices {choices}"
    if class_of(row["label"], card):
        return None
    known_labels = [*card.classes, *card.label_names]
    return f"unknown label {row['label']!r}; {suggest(row['label'], known_labels)}"


def _bad_path(row: Row, card: TaskCard, folder: Path) -> str | None:
    return escape(row["file"], folder)


def escape(file: str, folder: Path) -> str | None:
    """How the relative path `file` leads out of `folder`; None where it does not."""
    posix, windows = PurePosixPath(file), PureWindowsPath(file)
    if "\\" in file or "\0" in file or windows.drive or posix.is_absolute() or ".." in posix.parts:
        return f"{file!r} is not a plain path inside the folder"
    try:
        inside = (folder / file).resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # a loop of links
        inside = False
    return None if inside else f"{file!r} leads out of the folder by a link; copy the file into it"


def _id(row: Row, card: TaskCard) -> str:
    if row["qid"]:
        return row["qid"]
    if card.kind == "classification":
        return row["file"]
    return f"{row['file']}#{sha256(row['question'].encode()).hexdigest()[:12]}"


def _sample(row: Row, card: TaskCard) -> Sample:
    asks = card.kind == "questions"
    choices = _choices(row) if asks else card.classes
    unlisted: Form = "closed" if row["answer_type"].lower() == "closed" else "open"
    return Sample(
        id=_id(row, card),
        image=row["file"],
        question=row["question"] if asks else card.question or "",
        answer=_answer(row, choices) if asks else class_of(row["label"], card) or "",
        choices=choices,
        cluster=row["file"] if card.cluster == "image" else row[card.cluster],
        split=SPLIT_NAMES[row["split"]],
        form="closed" if choices else unlisted,
    )


def _notes(samples: Sequence[Sample]) -> Iterator[str]:
    images = {
        split: {sample.image for sample in samples if sample.split == split}
        for split in ("train", "test")
    }
    shared = images["train"] & images["test"]
    if shared:
        asked = sum(sample.split == "test" and sample.image in shared for sample in samples)
        yield (
            f"{len(shared)} of {len(images['test'])} test images are in train too, with {asked} "
            "of the test samples: a model trained on that train split has seen them"
        )
    counts = Counter((sample.image, sample.question.casefold()) for sample in samples)
    repeated = sum(count > 1 for count in counts.values())
    if repeated:
        yield f"{repeated} questions stand more than once about the same image; all are kept"


def _choices(row: Row) -> tuple[str, ...]:
    """Options of a question: its column `choices`, else yes and no if that is the answer; none of
    an open one.
    """
    if row["answer_type"].lower() == "open":
        return ()
    if row["choices"]:
        return tuple(choice.strip() for choice in row["choices"].split("|"))
    return YES_NO if row["label"].lower() in YES_NO else ()


def _answer(row: Row, choices: tuple[str, ...]) -> str:
    """The label, spelt as the choice that it matches regardless of case, if one does."""
    same = [choice for choice in choices if choice.casefold() == row["label"].casefold()]
    return same[0] if same else row["label"]
