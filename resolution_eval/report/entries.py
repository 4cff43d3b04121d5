"""Entries of a task's tables: figures with their intervals, and one entry for each resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from resolution_eval.analysis import Figure, Sweep, TaskSweeps
from resolution_eval.analysis.curve import CellFigures
from resolution_eval.ground.tables import Column, Entry, Table, entry
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval


def interval_text(interval: Interval, digits: int = 3) -> str:
    """Both ends in brackets."""
    return f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}]".replace("-", "−")


def figure_entry(
    figure: Figure | float | None,
    *,
    sign: bool = False,
    note: str = "",
    mark: str = "",
    shade: bool = False,
) -> Entry:
    """A figure with its interval, a bare number without, or a mark that it is withheld."""
    if isinstance(figure, Withheld):
        return Entry("–", mark=mark or "withheld", note=note)
    value = figure.estimate if isinstance(figure, Interval) else figure
    if value != value:
        return Entry("–", note="undefined for a constant curve")
    if not isinstance(figure, Interval):
        return entry(value, digits=3, sign=sign, note=note, mark=mark, shade=shade)
    text = f"{interval_text(figure)} {note}".rstrip()
    shown = entry(value, digits=3, sign=sign, note=text, mark=mark, shade=shade)
    return replace(shown, ends=(figure.low, figure.high))


def notes_of(each: CellFigures) -> tuple[str, str]:
    """What is said beside an accuracy: that it is of training, and how much is left out of it."""
    left_out = f"{each.left_out} without a verdict" if each.left_out else ""
    return "r*" if each.trained else "", left_out


def at_each(
    task: TaskSweeps,
    sweep: Sweep,
    values: Iterable[Any],
    shown: Callable[[Any], Entry],
) -> list[Entry]:
    """The values of `sweep`, one for each of its resolutions, as those of `task` in order; a dash
    where it has none.
    """
    at = dict(zip(sweep.resolutions, values, strict=True))
    inside = [at.get(name) for name in task.resolutions]
    return [entry(None) if value is None else shown(value) for value in inside]


def resolution_columns(task: TaskSweeps, title: str = "") -> list[Column]:
    """A column for each resolution of the task."""
    return [Column(name, True, title) for name in task.resolutions]


def task_table(
    task: TaskSweeps,
    ending: str,
    caption: str,
    columns: Iterable[Column],
    rows: Iterable[Iterable[Entry]],
    *,
    remark: str = "",
    folded: bool = False,
) -> Table:
    """The table of `task` whose name ends in `ending`; a row for each checkpoint, named first."""
    return Table(
        name=f"{task.task}-{ending}",
        caption=caption,
        columns=(Column("checkpoint"), *columns),
        rows=tuple(map(tuple, rows)),
        remark=remark,
        subject=task.title,
        folded=folded,
    )
