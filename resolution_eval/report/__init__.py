"""The report: curves, tables and a page, made from lmms-eval's output or from records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resolution_eval.analysis import by_task, figures
from resolution_eval.analysis.headline import headline
from resolution_eval.analysis.strategies import matrix_of_records
from resolution_eval.ground.errors import RecordError, UsageError, suggest
from resolution_eval.ground.files import refuse_stranger, replace
from resolution_eval.ground.tables import FORMATS, Table
from resolution_eval.records import Record
from resolution_eval.records.store import load
from resolution_eval.report.content import Study
from resolution_eval.report.curve_summary import compact_table, said, said_table
from resolution_eval.report.matrix_tables import matrix_tables
from resolution_eval.report.task_tables import tables
from resolution_eval.report.tidy import TIDY
from resolution_eval.statistics.margin import MARGIN

__all__ = ["demo_page", "load", "report", "write_page"]

PAGE = "index.html"
LEAD = "What was asked for and what the encoder received, for every score."
STRATEGIES = "One architecture trained at different resolutions, each scored at every resolution."


def studies(records: Sequence[Record], *, margin: float = MARGIN) -> tuple[Study, ...]:
    """The records' curves by task."""
    return tuple(
        (task, tuple(figures(sweep, margin=margin) for sweep in task.sweeps))
        for task in by_task(records)
    )


TABLES = {**FORMATS, "tables": FORMATS["csv"]}
"""Forms of all tables; `csv` itself is the tidy one of the cells."""


def report(
    paths: Sequence[Path],
    output: Path | None = None,
    *,
    format: str = "text",
    images: bool = True,
    data: Path | None = None,
    margin: float = MARGIN,
) -> str:
    """The tables of the results in `paths` as text, and the page at `page_file(output)` if given.

    With `images`, the page shows samples whose answer changes, from data on this machine; `data` is
    the folder of `folder_res`; `margin` the loss of accuracy (a fraction) that counts as none.

    Raises:
        UsageError: no such format, or the page's file is somebody else's.
        RecordError: as `load`.
    """
    known = {**TABLES, **TIDY}
    if format not in known:
        raise UsageError(f"no format named {format!r}; {suggest(format, known)}")
    if output is not None:
        refuse_stranger(page_file(output))
    tasks = studies(load(paths), margin=margin)
    if output is not None:
        _write(tasks, output, LEAD, images=images, data=data)
    curves = [curve for _, mine in tasks for curve in mine]
    if format in TIDY:
        return TIDY[format](curves)
    made = [table for task, mine in tasks for table in tables(task, mine)]
    if format == "text":
        first = "\n".join(said(curve, headline(curve)) for curve in curves)
        ends = [(table, table.name.rpartition("-")[2]) for table in made]
        narrow = [table.select(NARROW[end]) for table, end in ends if end in NARROW]
        return f"{first}\n\n{FORMATS[format]([*map(compact_table, curves), *narrow])}"
    return TABLES[format]([said_table(curves), *made])


NARROW = {
    "figures": (
        *("checkpoint", "gain over the floor", "area", "worst drop", "drop from best"),
        *("retention at far end", "chosen", "robust", "n", "left out"),
    ),
    "coincidence": ("checkpoint", "thing", "curves of r", "widest ratio", "between", "enough r"),
    "sizes": ("checkpoint", "thing", "r", "n", "50 % size", "50 % at encoder", "of the limit"),
    "cells": (
        *("checkpoint", "r", "status", "grid asked", "grid received", "visual tokens"),
        *("n", "failed", "mismatched", "unparseable", "missing", "unattested"),
    ),
}
"""Tables, by the end of their name, and columns that a terminal shows."""


def write_page(
    records: Sequence[Record], output: Path, *, images: bool = True, data: Path | None = None
) -> Path:
    """Write the page of `records` to `page_file(output)`; its path. Options as in `report`.

    Raises:
        RecordError: there is no record.
    """
    if not records:
        raise RecordError("there is no record to report; run lmms-eval on one of our tasks first")
    return _write(studies(records), output, LEAD, images=images, data=data)


def demo_page(records: Sequence[Record], output: Path) -> Path:
    """Write the page of one task's records by training strategy to `output`/index.html; its path.

    Raises:
        RecordError: the records are not all of one task.
    """
    matrix = matrix_of_records(records)
    rows = [record for records in matrix.records.values() for record in records]
    blind = [record for record in records if record.blind is not None]
    return _write(studies([*rows, *blind]), output, STRATEGIES, tables_first=matrix_tables(matrix))


def _write(
    studies: Sequence[Study],
    output: Path,
    lead: str,
    *,
    images: bool = True,
    data: Path | None = None,
    tables_first: Sequence[Table] = (),
) -> Path:
    from resolution_eval.report.gallery import BUDGET, gallery, source_of
    from resolution_eval.report.html_page import render

    budget = BUDGET // len(studies)
    galleries = [
        gallery(task, source_of(task, data), budget=budget) if images else None
        for task, _ in studies
    ]
    page = render(studies, galleries, lead=lead, tables_first=tables_first)
    file = page_file(output)
    file.parent.mkdir(parents=True, exist_ok=True)
    refuse_stranger(file)
    replace(file, page.encode())
    return file


def page_file(output: Path) -> Path:
    """Where the page is written: `output` where it is called as a page, index.html in it elsewhere.

    Example:
        >>> page_file(Path("site")).as_posix(), page_file(Path("site/page.html")).as_posix()
        ('site/index.html', 'site/page.html')
    """
    named = output.suffix.lower() in (".html", ".htm") and not output.is_dir()
    return output if named else output / PAGE
