"""Labels row: what a row of labels.csv tells: its images, its id, its options and its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from resolution_eval.data.sources.slide_views import locator_at, region_locator, region_of
from resolution_eval.data.sources.source import Sample, class_of
from resolution_eval.evidence.verdict import Form
from resolution_eval.ground.errors import DataError
from resolution_eval.pixels.display_choices import Region

YES_NO = ("yes", "no")
View = tuple[str, Region | None]
"""A file, and the region of it that is shown; none: all of it."""


def tidy(row: TableRow, folder: Path) -> TableRow:
    """The line with its paths as they are stored, and its split as ours is called."""
    split = SPLIT_NAMES.get(normal(row["split"]), row["split"])
    first, *more = (on_disk(plain_path(file), folder) for file in pictures(row.cells, folder))
    cells = row.cells | {"file": first, "split": split}
    return TableRow(row.line, cells, tuple(more) if any(more) else ())


def files_of(row: TableRow) -> tuple[str, ...]:
    """The images of a tidy line, in order."""
    return (row["file"], *row.more)


def locators_of(row: TableRow) -> tuple[str, ...]:
    """Locators of the images of a tidy line: of one file its region, where the line has one."""
    first, *more = files_of(row)
    return (region_locator(first, region_of(row[REGION])), *more)


def views_of(rows: Iterable[TableRow], card: TaskCard, table: Path) -> dict[str, View]:
    """Locators of the images of all rows, each with the file and the region that it stands for.

    Raises:
        DataError: one stands for two: a file has the name of another's region, or of what another
            is read as at one of the card's µm per pixel.
    """
    views: dict[str, View] = {}
    for row in rows:
        region = region_of(row[REGION])
        for locator, file in zip(locators_of(row), files_of(row), strict=True):
            if views.setdefault(locator, (file, region)) != (file, region):
                raise DataError(
                    f"{table}, line {row.line}: {locator!r} is a file, and also what a region of "
                    "another file is called; rename the file"
                )
    _refuse_shadowed(views, card, table)
    return views


def _refuse_shadowed(views: Mapping[str, View], card: TaskCard, table: Path) -> None:
    for locator in views:
        for r in card.resolutions:
            other = locator_at(locator, r)
            if other != locator and other in views:
                raise DataError(
                    f"{table}: {other!r} is a file, and also what {locator!r} at {r} per pixel is "
                    "called; rename the file"
                )


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
    """Options of a question: its column `choices`, else yes and no, if that is its answer."""
    if row["answer_type"].lower() == "open":
        return ()
    if row["choices"]:
        return tuple(choice.strip() for choice in row["choices"].split("|"))
    return YES_NO if normal(row["label"]) in YES_NO else ()


def answer_of(row: TableRow, choices: tuple[str, ...]) -> str:
    """The label, spelt as the choice that it matches in normal form, if one does."""
    return matching(row["label"], choices) or row["label"]
