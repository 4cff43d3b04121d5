"""Tables of what else the answers say: classes, ranked choices, runs taken together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resolution_eval.analysis import CurveFigures, Figure, TaskSweeps
from resolution_eval.analysis.series import runs_of_one
from resolution_eval.ground.tables import Column, Entry, Table, entry, shorten
from resolution_eval.report.content import Curves
from resolution_eval.report.figure_entry import figure_entry
from resolution_eval.statistics.intervals import Interval

MAX_UNFOLDED = 40
"""Rows above which a table of details is shown only on demand."""
FAR_END = "Sensitivity at training (else the last), less that at the sweep's end away from it"


def _shown(figure: Figure | None, *, shade: bool = False) -> Entry:
    return entry(None) if figure is None else figure_entry(figure, shade=shade)


def run_table(task: TaskSweeps, curves: Curves) -> Table:
    """Runs that differ in seed or prompt alone, as one row each; none where there are none."""
    rows = [
        (
            entry(runs.curves[0].sweep.record.label),
            entry(len(runs.curves)),
            *(_shown(dict(zip(at, runs.accuracy, strict=True)).get(n)) for n in task.resolutions),
            _shown(runs.gain),
        )
        for runs in runs_of_one(curves)
        for at in [runs.curves[0].sweep.resolutions]
    ]
    return Table(
        name=f"{task.task}-runs",
        caption="Runs that differ in seed or prompt alone, as one",
        subject=task.title,
        columns=(
            Column("checkpoint"),
            Column("runs", numeric=True),
            *(Column(name, numeric=True) for name in task.resolutions),
            Column("gain over the floor", numeric=True),
        ),
        rows=tuple(rows),
        remark="Means over the runs; the 95 % intervals hold the error of the samples and that of "
        "other runs.",
    )


def measure_table(task: TaskSweeps, curves: Curves) -> Table:
    """By resolution what else the answers say: balanced accuracy, and what ranked scores are."""
    rows = [
        (entry(curve.name), entry(name), *(_shown(at.get(r)) for r in task.resolutions))
        for curve in curves
        for name, figures in _measures(curve)
        if any(isinstance(figure, Interval) for figure in figures)
        for at in [dict(zip(curve.sweep.resolutions, figures, strict=True))]
    ]
    return Table(
        name=f"{task.task}-measures",
        caption="Beyond accuracy, by inference resolution",
        subject=task.title,
        folded=len(rows) > MAX_UNFOLDED // 4,
        columns=(
            Column("checkpoint"),
            Column("figure"),
            *(Column(name, numeric=True) for name in task.resolutions),
        ),
        rows=tuple(rows),
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
    heads = [Column(name, True, f"Share {meaning}") for name in task.resolutions]
    lost = which == "sensitivity"
    rows = [
        (
            entry(curve.name),
            entry(figures.target),
            entry(figures.n),
            *(_shown(at.get(name), shade=True) for name in task.resolutions),
            *([figure_entry(figures.loss, sign=True)] if lost else []),
        )
        for curve in curves
        for figures in curve.classes
        for at in [dict(zip(curve.sweep.resolutions, getattr(figures, which), strict=True))]
    ]
    return Table(
        name=f"{task.task}-{ending}",
        caption=caption,
        subject=task.title,
        folded=True,
        columns=(
            Column("checkpoint"),
            Column("class"),
            Column("n", numeric=True),
            *heads,
            *([Column("lost at far end", True, FAR_END)] if lost else []),
        ),
        rows=tuple(rows),
        remark="95 % intervals in brackets, of each class by itself.",
    )
