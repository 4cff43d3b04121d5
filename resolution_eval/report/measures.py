"""Tables of what else the answers say: classes, ranked choices, runs taken together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from resolution_eval.analysis import CurveFigures, Figure, TaskSweeps
from resolution_eval.analysis.series import runs_of_one
from resolution_eval.ground.tables import Column, Table, entry, shorten
from resolution_eval.report.content import Curves
from resolution_eval.report.entries import at_each, figure_entry, resolution_columns, task_table
from resolution_eval.statistics.intervals import Interval

MAX_UNFOLDED = 10
"""Rows above which a table of details is shown only on demand."""
FAR_END = "Sensitivity at training (else the last), less that at the sweep's end away from it"


def run_table(task: TaskSweeps, curves: Curves) -> Table:
    """Runs that differ in seed or prompt alone, as one row each; none where there are none."""
    rows = [
        (
            entry(first.record.label),
            entry(len(runs.curves)),
            *at_each(task, first, runs.accuracy, figure_entry),
            figure_entry(runs.gain),
        )
        for runs in runs_of_one(curves)
        for first in [runs.curves[0].sweep]
    ]
    columns = (Column("runs", True), *resolution_columns(task), Column("gain over the floor", True))
    return task_table(
        task,
        "runs",
        "Runs that differ in seed or prompt alone, as one",
        columns,
        rows,
        remark="Means over the runs; the 95 % intervals hold the error of the samples and that of "
        "other runs.",
    )


def measure_table(task: TaskSweeps, curves: Curves) -> Table:
    """By resolution what else the answers say: balanced accuracy, and what ranked scores are."""
    rows = [
        (entry(curve.name), entry(name), *at_each(task, curve.sweep, figures, figure_entry))
        for curve in curves
        for name, figures in _measures(curve)
        if any(isinstance(figure, Interval) for figure in figures)
    ]
    return task_table(
        task,
        "measures",
        "Beyond accuracy, by inference resolution",
        (Column("figure"), *resolution_columns(task)),
        rows,
        folded=len(rows) > MAX_UNFOLDED,
        remark="95 % intervals in brackets. AUROC: how often a sample of the class has a higher "
        "probability of it than one of another. Brier score: 0 at best, 2 at worst. Calibration "
        "error: of the choice ranked first, less what noise adds. Probabilities are the softmax of "
        "the choices' scores.",
    )


def _measures(curve: CurveFigures) -> Iterator[tuple[str, Sequence[Figure | None]]]:
    cells = curve.cells
    yield "balanced accuracy", [each.balanced_accuracy for each in cells]
    yield "Brier score", [each.brier for each in cells]
    yield "calibration error", [each.calibration for each in cells]
    for figures in curve.classes:
        yield f"AUROC of {shorten(figures.target)}", figures.auroc
        yield f"average precision of {shorten(figures.target)}", figures.average_precision


CLASS_TABLES = {
    "sensitivity": (
        "classes",
        "Which classes lose most: sensitivity",
        "of this class's samples that were answered with it",
    ),
    "specificity": (
        "specificity",
        "Specificity of each class",
        "of the other samples that were not answered with it",
    ),
}


def class_table(task: TaskSweeps, curves: Curves, which: str) -> Table:
    """Sensitivity or specificity of each class by resolution; the largest loss comes first."""
    ending, caption, meaning = CLASS_TABLES[which]
    lost = which == "sensitivity"
    rows = [
        (
            entry(curve.name),
            entry(figures.target),
            entry(figures.n),
            *at_each(task, curve.sweep, getattr(figures, which), partial(figure_entry, shade=True)),
            *([figure_entry(figures.loss, sign=True)] if lost else []),
        )
        for curve in curves
        for figures in curve.classes
    ]
    columns = (
        Column("class"),
        Column("n", True),
        *resolution_columns(task, f"Share {meaning}"),
        *([Column("lost at far end", True, FAR_END)] if lost else []),
    )
    remark = "95 % intervals in brackets, of each class by itself."
    return task_table(task, ending, caption, columns, rows, remark=remark, folded=True)
