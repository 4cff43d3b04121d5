"""Labels row: what a row of labels.csv tells: its images, its id, its options and its answer."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from resolution_eval.answers.prompts import marked
from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources.delimited import TableRow
from resolution_eval.data.sources.folder_files import on_disk, plain_path
from resolution_eval.data.sources.layout import SPLIT_NAMES
from resolution_eval.data.sources.normal_form import matching, normal
from resolution_eval.data.sources.pictures import SEPARATOR, pictures
from resolution_eval.data.sources.slide_views import COLUMN as REGION
from resolution_eval.data.sources.slide_views import region_locator, region_of
from resolution_eval.data.sources.source import Sample, class_of
from resolution_eval.evidence.attestation import Form
from resolution_eval.pixels.display_choices import Region

YES_NO = ("yes", "no")
MORE = "files after the first"
"""Key of a tidy row's cell with the names of its further images, one a line."""


def tidy(row: TableRow, folder: Path) -> TableRow:
    """The line with its paths as they are stored, and its split as ours is called."""
    split = SPLIT_NAMES.get(normal(row["split"]), row["split"])
    first, *more = (on_disk(plain_path(file), folder) for file in pictures(row.cells, folder))
    return TableRow(row.line, row.cells | {"file": first, MORE: "\n".join(more), "split": split})


def files_of(row: TableRow) -> tuple[str, ...]:
    """The images of a tidy line, in order."""
    return (row["file"], *row.cells.get(MORE, "").split("\n")) if row[MORE] else (row["file"],)


def locators_of(row: TableRow) -> tuple[str, ...]:
    """Locators of the images of a tidy line: of one file its region, where the line has one."""
    first, *more = files_of(row)
    return (region_locator(first, region_of(row[REGION])), *more)


def views_of(row: TableRow) -> Iterator[tuple[str, tuple[str, Region | None]]]:
    """Locators of a line's images, each with the file and the region that it stands for."""
    region = region_of(row[REGION])
    for locator, file in zip(locators_of(row), files_of(row), strict=True):
        yield locator, (file, region)


def id_of(row: TableRow, card: TaskCard) -> str:
    if row["qid"]:
        return row["qid"]
    files = SEPARATOR.join(locators_of(row))
    if card.kind == "classification":
        return files
    return f"{files}#{sha256(row['question'].encode()).hexdigest()[:12]}"


def sample_of(row: TableRow, card: TaskCard) -> Sample:
    asks = card.kind == "questions"
    choices = choices_of(row) if asks else card.classes
    unlisted: Form = "closed" if row["answer_type"].lower() == "closed" else "open"
    image, *more = locators_of(row)
    return Sample(
        id=id_of(row, card),
        image=image,
        more=tuple(more),
        question=marked(row["question"], 1 + len(more)) if asks else card.question or "",
        answer=answer_of(row, choices) if asks else class_of(row["label"], card) or "",
        choices=choices,
        cluster=row["file"] if card.cluster == "image" else row[card.cluster],
        split=row["split"],
        form="closed" if choices else unlisted,
    )


def choices_of(row: TableRow) -> tuple[str, ...]:
    """Options of a question: its column `choices`, else yes and no if that is the answer; none of
    an open one.
    """
    if row["answer_type"].lower() == "open":
        return ()
    if row["choices"]:
        return tuple(choice.strip() for choice in row["choices"].split("|"))
    return YES_NO if normal(row["label"]) in YES_NO else ()


def answer_of(row: TableRow, choices: tuple[str, ...]) -> str:
    """The label, spelt as the choice that it matches in normal form, if one does."""
    return matching(row["label"], choices) or row["label"]
