"""Local layout: a folder with `labels.csv` beside its images, which is also how users bring data.

Columns: file (several names apart by "|", or file_2, file_3, ... for the images after the first),
label, split, source; for questions also question, and where known qid, choices
(separated by "|"), answer_type (closed or open); where known the finding's box or mask (see
`targets`); of a whole slide the `region` that is shown (see `slide_views`); any further column may
serve as the cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
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
from resolution_eval.data.sources.slide_views import (
    COLUMN as REGION,
)
from resolution_eval.data.sources.slide_views import (
    refuse_targets,
    region_locator,
    region_of,
    slide_bytes,
    without_microns,
)
from resolution_eval.data.sources.source import (
    Sample,
    class_of,
    fingerprint,
    listing,
    of_split,
    ordered,
)
from resolution_eval.data.sources.targets import BOX, MASK, with_details
from resolution_eval.evidence.attestation import Form
from resolution_eval.ground.errors import DataError, ImageError, UsageError, suggest
from resolution_eval.ground.files import file_digest
from resolution_eval.pixels import format_of
from resolution_eval.pixels.display_choices import Cut, EncodedImage, Options, Region
from resolution_eval.resolution import in_microns

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
        microns = card.microns is not None or in_microns(card.resolutions)
        regions = any(row[REGION] for row in rows)
        refuse_targets([row[BOX] or row[MASK] for row in rows], microns, regions)
        self._views = {name: view for row in rows for name, view in _views(row)}
        self._slides = microns or regions
        samples = with_details(
            rows, [_sample(row, card) for row in rows], self._folder, self._layout.table
        )
        self._digests: dict[str, str] = {}
        self._alike = duplicates.groups(self._sized(samples))
        self._refuse_contradictions(samples)
        self._samples = ordered(self._clustered(samples))
        self._spelt = tuple(_spelling_notes(rows, card))
        self._found: dict[str, str] = {}
        self._stamps: dict[str, str] = {}
        """Size and time of each slide, which is too large to be read whole for each sample."""

    def _clustered(self, samples: Sequence[Sample]) -> Iterator[Sample]:
        """The samples with copies in one cluster; regions of copies of a slide are too."""
        for sample in duplicates.clustered(samples, self._alike):
            cluster = sample.cluster
            if sample.image in self._views and cluster == self.file_of(sample.image):
                sample = replace(sample, cluster=self._alike.get(cluster, (cluster,))[0])
            yield sample

    def _refuse_contradictions(self, samples: Sequence[Sample]) -> None:
        if self._card.kind != "classification":
            return
        found = duplicates.contradictions(samples, self._alike, lambda sample: sample.image)
        if found:
            first = self.file_of(next(iter(self._alike)))
            kind = format_of(slide_bytes(self._folder / first, self._options)).name
            raise DataError(
                f"{self._layout.table}: the same {kind} file, byte for byte, has several labels: "
                f"{listing(found)}; keep the right one"
            )

    def file_of(self, locator: str) -> str:
        """Name of the file that a sample's image is in: its own, or the slide's of a region."""
        return self._views.get(locator, (locator, None))[0]

    def _sized(self, samples: Iterable[Sample]) -> dict[str, str]:
        """Content of each image that is not alone in its size: only those can be copies."""
        sizes: dict[int, set[str]] = {}
        for locator in sorted({image for sample in samples for image in sample.images}):
            path = self._folder / self.file_of(locator)
            if path.is_file() and path.stat().st_size:
                sizes.setdefault(path.stat().st_size, set()).update(
                    (locator, self.file_of(locator))
                )
        alike = [file for files in sizes.values() if len(files) > 1 for file in files]
        return {file: self._content(file) for file in sorted(alike)}

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
        locators = {image for sample in self._samples for image in sample.images}
        if self._slides:
            files = {self.file_of(locator) for locator in locators}
            there = [file for file in files if (self._folder / file).is_file()]
            self._stamps = {file: _stamp(self._folder / file) for file in there}
        self._found = {locator: self._content(locator) for locator in locators}
        return fingerprint(self._samples, self._found)

    def _content(self, locator: str) -> str:
        file, region = self._views.get(locator, (locator, None))
        if file not in self._digests:
            path = self._folder / file
            self._digests[file] = file_digest(path) if path.is_file() else "missing"
        return self._digests[file] + ("" if region is None else f" {region}")

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of one split, ordered by the SHA-256 of their id.

        Raises:
            DataError: the split is unknown or has no line.
        """
        return of_split(self._samples, split, str(self._layout.table))

    def read(self, locator: str) -> bytes:
        """The image file named `locator` in labels.csv, as the fingerprint knows it; of a slide,
        or a region of one, its beginning, with what is to be read of it.

        Raises:
            ImageError: it is missing, cannot be read, or changed since the fingerprint was taken.
        """
        locator, microns = without_microns(locator, self._views)
        file, region = self._views.get(locator, (locator, None))
        path = self._folder / file
        if not path.is_file():
            raise ImageError(f"image file {not_found(file, self._folder)} (No such file)")
        options = replace(self._options, microns=microns or self._options.microns, region=region)
        try:
            if options.microns or region:
                self._refuse_changed(file, _stamp(path), self._stamps)
                return slide_bytes(path, options)
            data = path.read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ImageError(
                f"image file {file!r} of {self._folder} cannot be read: {reason}"
            ) from error
        if locator in self._found:
            self._refuse_changed(file, sha256(data).hexdigest(), self._found)
        return EncodedImage.of(data, options)

    def _refuse_changed(self, file: str, found: str, known: dict[str, str]) -> None:
        if known.setdefault(file, found) != found:
            raise ImageError(
                f"image file {file!r} of {self._folder} changed while the run was under way; "
                "run again on data that stays as it is"
            )


def _options(card: TaskCard) -> Options:
    return Options(
        window=card.window,
        frame=card.frame,
        slice=Cut.parse(card.slice),
        max_pixels=card.max_pixels,
        microns=card.microns,
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


def _locators(row: TableRow) -> tuple[str, ...]:
    """Locators of the images of a tidy line: of one file its region, where the line has one."""
    first, *more = _files(row)
    return (region_locator(first, region_of(row[REGION])), *more)


def _views(row: TableRow) -> Iterator[tuple[str, tuple[str, Region | None]]]:
    """Locators of a line's images, each with the file and the region that it stands for."""
    region = region_of(row[REGION])
    for locator, file in zip(_locators(row), _files(row), strict=True):
        yield locator, (file, region)


def _stamp(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _refuse_faulty(rows: list[TableRow], card: TaskCard, folder: Path, table: Path) -> None:
    """Raise one DataError that names the lines at fault, the first rule that is broken."""
    for fault in (
        _bad_region,
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


def _bad_region(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    try:
        region = region_of(row[REGION])
    except UsageError as error:
        return str(error)
    if region is not None and len(_files(row)) > 1:
        return "a region is of one slide, and the line names several images; give each its line"
    return None


def _bad_marks(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    if card.kind != "questions":
        return None
    count = len(_files(row))
    return mark_fault("\n".join((marked(row["question"], count), *_choices(row))), count)


def _id(row: TableRow, card: TaskCard) -> str:
    if row["qid"]:
        return row["qid"]
    files = SEPARATOR.join(_locators(row))
    if card.kind == "classification":
        return files
    return f"{files}#{sha256(row['question'].encode()).hexdigest()[:12]}"


def _sample(row: TableRow, card: TaskCard) -> Sample:
    asks = card.kind == "questions"
    choices = _choices(row) if asks else card.classes
    unlisted: Form = "closed" if row["answer_type"].lower() == "closed" else "open"
    image, *more = _locators(row)
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
