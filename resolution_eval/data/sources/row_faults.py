"""Row faults: what is wrong with rows of labels.csv, each named with its line."""

from __future__ import annotations

from pathlib import Path

from resolution_eval.answers.prompts import mark_fault, marked
from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources.delimited import TableRow
from resolution_eval.data.sources.folder_files import escape
from resolution_eval.data.sources.labels_row import answer_of, choices_of, files_of, id_of
from resolution_eval.data.sources.layout import SPLIT_NAMES
from resolution_eval.data.sources.normal_form import normal, spellings
from resolution_eval.data.sources.pictures import SEPARATOR
from resolution_eval.data.sources.slide_views import COLUMN as REGION
from resolution_eval.data.sources.slide_views import region_of
from resolution_eval.data.sources.source import class_of, listing
from resolution_eval.ground.errors import DataError, UsageError, suggest

FORMULA = ("=", "@")
"""How a cell begins that a spreadsheet would run; "+" and "-" may begin an answer."""


def refuse_faulty(rows: list[TableRow], card: TaskCard, folder: Path, table: Path) -> None:
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
        faults = [f"line {row.line}: {text}" for row in rows if (text := fault(row, card, folder))]
        if faults:
            raise DataError(f"{table}: {listing(faults)}")
    lines: dict[str, list[int]] = {}
    for row in rows:
        lines.setdefault(id_of(row, card), []).append(row.line)
    duplicates = [f"{name!r} on lines {numbers}" for name, numbers in lines.items() if numbers[1:]]
    if duplicates:
        raise DataError(
            f"{table}: duplicate id {listing(duplicates)}; keep one line each, or tell the lines "
            "apart in a column qid"
        )


def _empty_cell(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    needed = ["file", "label"]
    needed += ["question"] if card.kind == "questions" else []
    needed += ["qid"] if "qid" in row.cells else []
    needed += [card.cluster] if card.cluster != "image" else []
    empty = [column for column in needed if not row[column]]
    if not empty and not all(files_of(row)):
        return f"a name is empty between {SEPARATOR!r} in file"
    return f"{empty[0]} is empty" if empty else None


def _formula(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    suspects = ("file", "label", "question", "choices", "qid")
    columns = [column for column in suspects if row[column].startswith(FORMULA)]
    if not columns or (columns == ["label"] and card.kind == "classification"):
        return None
    return f"{columns[0]} {row[columns[0]]!r} begins like a spreadsheet's formula; write it as text"


def _bad_split(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    if row["split"] in SPLIT_NAMES.values():
        return None
    return f"unknown split {row['split']!r}; {suggest(row['split'], SPLIT_NAMES)}"


def _bad_choices(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    choices = choices_of(row) if card.kind == "questions" else ()
    if not all(choices):
        return f"an option is empty in {row['choices']!r}"
    alike = [spelt for spelt in spellings(choices).values() if len(spelt) > 1]
    if alike or len({normal(choice) for choice in choices}) < len(choices):
        told = " and ".join(map(repr, alike[0])) if alike else repr(row["choices"])
        return f"an option stands twice: {told}"
    return None


def _bad_label(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    if card.kind == "questions":
        choices = choices_of(row)
        known = not choices or answer_of(row, choices) in choices
        return None if known else f"answer {row['label']!r} is not one of the choices {choices}"
    if class_of(row["label"], card):
        return None
    known_labels = [*card.classes, *card.label_names]
    return f"unknown label {row['label']!r}; {suggest(row['label'], known_labels)}"


def _bad_path(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    root = Path(card.root) if card.root else None
    told = (escape(file, folder, root) for file in files_of(row))
    return next(filter(None, told), None)


def _bad_region(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    try:
        region = region_of(row[REGION])
    except UsageError as error:
        return str(error)
    if region is not None and len(files_of(row)) > 1:
        return "a region is of one slide, and the line names several images; give each its line"
    return None


def _bad_marks(row: TableRow, card: TaskCard, folder: Path) -> str | None:
    if card.kind != "questions":
        return None
    count = len(files_of(row))
    return mark_fault("\n".join((marked(row["question"], count), *choices_of(row))), count)
