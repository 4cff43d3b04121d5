"""Local layout: a folder with `labels.csv` beside its images, which is also how users bring data.

Columns: file (several names apart by "|", or file_2, file_3, ... for the images after the first),
label, split, source; for questions also question, and where known qid, choices
(separated by "|"), answer_type (closed or open); where known the finding's box or mask (see
`targets`); any further column may serve as the cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from resolution_eval.answers.prompts import mark_fault, marked
from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources import duplicates
from resolution_eval.data.sources.coco import with_boxes
from resolution_eval.data.sources.delimited import TableRow, read_table, require_columns, rows_of
from resolution_eval.data.sources.folder_files import (
    escape,
    not_found,
    on_disk,
    plain_path,
)
from resolution_eval.data.sources.layout import SPLIT_NAMES, TABLE, layout_of
from resolution_eval.data.sources.normal_form import matching, normal, spellings
from resolution_eval.data.sources.pictures import SEPARATOR, pictures
from resolution_eval.data.sources.source import (
    Sample,
    class_of,
    fingerprint,
    listing,
    of_split,
    ordered,
)
from resolution_eval.data.sources.targets import with_details
from resolution_eval.evidence.attestation import Form
from resolution_eval.ground.errors import DataError, ImageError, suggest
from resolution_eval.ground.files import file_digest
from resolution_eval.pixels import format_of
from resolution_eval.pixels.display_choices import EncodedImage, Options

__all__ = ["TABLE", "YES_NO", "LocalSource", "TableRow", "escape", "read_table", "rows_of"]

YES_NO = ("yes", "no")
MORE = "files after the first"
"""Key of a tidy line's cell with the names of its further images, one a line."""
FORMULA = ("=", "@")
"""How a cell begins that a spreadsheet would run; "+" and "-" may begin an answer."""


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
        self._options = _options(card)
        self._layout = layout_of(self._folder, card.cluster)
        self.revision = self._layout.revision
        self.excluded = self._layout.excluded
        rows = [_tidy(row, self._folder) for row in self._layout.rows]
        require_columns(rows, _needed(card), self._layout.table)
        _refuse_faulty(rows, card, self._folder, self._layout.table)
        rows, self._boxes = with_boxes(rows, self._folder)
        samples = with_details(
            rows, [_sample(row, card) for row in rows], self._folder, self._layout.table
        )
        self._alike = duplicates.groups(self._sized(samples))
        _refuse_contradictions(samples, self._alike, card, self._layout.table)
        self._samples = ordered(duplicates.clustered(samples, self._alike))
        self._spelt = tuple(_spelling_notes(rows, card))
        self._found: dict[str, str] = {}

    def _sized(self, samples: Iterable[Sample]) -> dict[str, str]:
        """Content of each image that is not alone in its size: only those can be copies."""
        sizes: dict[int, list[str]] = {}
        for file in sorted({image for sample in samples for image in sample.images}):
            path = self._folder / file
            if path.is_file() and path.stat().st_size:
                sizes.setdefault(path.stat().st_size, []).append(file)
        alike = [file for files in sizes.values() if len(files) > 1 for file in files]
        return {file: self._content(file) for file in alike}

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Copies, images that train and test share, questions that stand more than once, and what
        was read otherwise than it was written.
        """
        told = [*self._layout.notes, *self._boxes, *self._spelt, *_notes(self._samples)]
        return (*told, *duplicates.notes(self._samples, self._alike))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, labels and image contents, whatever the order they are stored in."""
        files = {image for sample in self._samples for image in sample.images}
        self._found = {file: self._content(file) for file in files}
        return fingerprint(self._samples, self._found)

    def _content(self, file: str) -> str:
        path = self._folder / file
        return file_digest(path) if path.is_file() else "missing"

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of one split, ordered by the SHA-256 of their id.

        Raises:
            DataError: the split is unknown or has no line.
        """
        return of_split(self._samples, split, str(self._layout.table))

    def read(self, locator: str) -> bytes:
        """The image file named `locator` in labels.csv, as the fingerprint knows it.

        Raises:
            ImageError: it is missing, cannot be read, or changed since the fingerprint was taken.
        """
        path = self._folder / locator
        if not path.is_file():
            raise ImageError(f"image file {not_found(locator, self._folder)} (No such file)")
        try:
            data = path.read_bytes()
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
        return EncodedImage.of(data, self._options)


def _options(card: TaskCard) -> Options:
    return Options(
        window=card.window, frame=card.frame, max_pixels=card.max_pixels, microns=card.microns
    )


def _needed(card: TaskCard) -> list[str]:
    needed = ["file", "label", "split"]
    needed += ["question"] if card.kind == "questions" else []
    return needed + ([card.cluster] if card.cluster != "image" else [])


def _tidy(row: TableRow, folder: Path) -> TableRow:
    """The line with its paths as they are stored, and its split as ours is called."""
    split = SPLIT_NAMES.get(normal(row["split"]), row["split"])
    first, *more = (on_disk(plain_path(file), folder) for file in pictures(row.cells, folder))
    return TableRow(row.line, row.cells | {"file": first, MORE: "\n".join(more), "split": split})


def _files(row: TableRow) -> tuple[str, ...]:
    """The images of a tidy line, in order."""
    return (row["file"], *row.cells.get(MORE, "").split("\n")) if row[MORE] else (row["file"],)


def _refuse_faulty(rows: list[TableRow], card: TaskCard, folder: Path, table: Path) -> None:
    """Raise one DataError that names the lines at fault, the first rule that is broken."""
    for fault in (
        _empty_cell,
        _formula,
        _bad_split,
        _bad_choices,
        _bad_label,
        _bad_path,
        _bad_marks,
    ):
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


def _refuse_contradictions(
    samples: Sequence[Sample], alike: dict[str, tuple[str, ...]], card: TaskCard, table: Path
) -> None:
    if card.kind != "classification":
        return
    found = duplicates.contradictions(samples, alike, lambda sample: sample.image)
    if found:
        first = next(iter(alike))
        kind = format_of((table.parent / first).read_bytes()).name
        raise DataError(
            f"{table}: the same {kind} file, byte for byte, has several labels: {listing(found)}; "
            "keep the right one"
        )


Fault = Callable[[TableRow, TaskCard, Path], str | None]


def _empty_cell(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    needed = ["file", "label"]
    needed += ["question"] if card.kind == "questions" else []
    needed += ["qid"] if "qid" in row.cells else []
    needed += [card.cluster] if card.cluster != "image" else []
    empty = [column for column in needed if not row[column]]
    if not empty and not all(_files(row)):
        return f"a name is empty between {SEPARATOR!r} in file"
    return f"{empty[0]} is empty" if empty else None


def _formula(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    suspects = ("file", "label", "question", "choices", "qid")
    found = [column for column in suspects if row[column].startswith(FORMULA)]
    if not found or (found == ["label"] and card.kind == "classification"):
        return None
    return f"{found[0]} {row[found[0]]!r} begins like a spreadsheet's formula; write it as text"


def _bad_split(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    if row["split"] in SPLIT_NAMES.values():
        return None
    return f"unknown split {row['split']!r}; {suggest(row['split'], SPLIT_NAMES)}"


def _bad_choices(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    choices = _choices(row) if card.kind == "questions" else ()
    if not all(choices):
        return f"an option is empty in {row['choices']!r}"
    alike = [spelt for spelt in spellings(choices).values() if len(spelt) > 1]
    if alike or len({normal(choice) for choice in choices}) < len(choices):
        told = " and ".join(map(repr, alike[0])) if alike else repr(row["choices"])
        return f"an option stands twice: {told}"
    return None


def _bad_label(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    if card.kind == "questions":
        choices = _choices(row)
        known = not choices or _answer(row, choices) in choices
        return None if known else f"answer {row['label']!r} is not one of the choices {choices}"
    if class_of(row["label"], card):
        return None
    known_labels = [*card.classes, *card.label_names]
    return f"unknown label {row['label']!r}; {suggest(row['label'], known_labels)}"


def _bad_path(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    root = Path(card.root) if card.root else None
    told = (escape(file, folder, root) for file in _files(row))
    return next(filter(None, told), None)


def _bad_marks(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    if card.kind != "questions":
        return None
    count = len(_files(row))
    return mark_fault("\n".join((marked(row["question"], count), *_choices(row))), count)


def _id(row: TableRow, card: TaskCard) -> str:
    if row["qid"]:
        return row["qid"]
    files = SEPARATOR.join(_files(row))
    if card.kind == "classification":
        return files
    return f"{files}#{sha256(row['question'].encode()).hexdigest()[:12]}"


def _sample(row: TableRow, card: TaskCard) -> Sample:
    asks = card.kind == "questions"
    choices = _choices(row) if asks else card.classes
    unlisted: Form = "closed" if row["answer_type"].lower() == "closed" else "open"
    image, *more = _files(row)
    return Sample(
        id=_id(row, card),
        image=image,
        more=tuple(more),
        question=marked(row["question"], 1 + len(more)) if asks else card.question or "",
        answer=_answer(row, choices) if asks else class_of(row["label"], card) or "",
        choices=choices,
        cluster=row["file"] if card.cluster == "image" else row[card.cluster],
        split=row["split"],
        form="closed" if choices else unlisted,
    )


def _notes(samples: Sequence[Sample]) -> Iterator[str]:
    images = {
        split: {image for sample in samples if sample.split == split for image in sample.images}
        for split in ("train", "test")
    }
    shared = images["train"] & images["test"]
    if shared:
        test = [sample for sample in samples if sample.split == "test"]
        asked = sum(not shared.isdisjoint(sample.images) for sample in test)
        yield (
            f"{len(shared)} of {len(images['test'])} test images are in train too, with {asked} "
            "of the test samples: a model trained on that train split has seen them"
        )
    counts = Counter((sample.images, sample.question.casefold()) for sample in samples)
    repeated = sum(count > 1 for count in counts.values())
    if repeated:
        yield f"{repeated} questions stand more than once about the same image; all are kept"


def _spelling_notes(rows: Sequence[TableRow], card: TaskCard) -> Iterator[str]:
    """Labels that are spelt otherwise than the class that they are taken for."""
    if card.kind != "classification":
        return
    known = {*card.classes, *card.label_names}
    other = Counter(row["label"] for row in rows if row["label"] not in known)
    told = [f"{label!r} as {class_of(label, card)!r}" for label in sorted(other)]
    if told:
        yield (
            f"{sum(other.values())} labels are spelt otherwise than their class and taken for it: "
            f"{listing(told)}"
        )


def _choices(row: TableRow) -> tuple[str, ...]:
    """Options of a question: its column `choices`, else yes and no if that is the answer; none of
    an open one.
    """
    if row["answer_type"].lower() == "open":
        return ()
    if row["choices"]:
        return tuple(choice.strip() for choice in row["choices"].split("|"))
    return YES_NO if normal(row["label"]) in YES_NO else ()


def _answer(row: TableRow, choices: tuple[str, ...]) -> str:
    """The label, spelt as the choice that it matches in normal form, if one does."""
    return matching(row["label"], choices) or row["label"]
