"""The tables of one task: accuracy, grids, cost, figures, cells, classes, changes, sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from resolution_eval.analysis import CurveFigures, TaskSweeps
from resolution_eval.analysis.blind_control import Look
from resolution_eval.analysis.curve import FIGURES, CellFigures
from resolution_eval.analysis.probes import probed
from resolution_eval.ground.tables import Column, Entry, Table, entry, shorten
from resolution_eval.records import Cell
from resolution_eval.report.changes import change_table
from resolution_eval.report.content import (
    Curves,
    asked_grid,
    known,
    known_of_grid,
    mark,
    points_of,
    probes_in_words,
    received_grid,
    steps_in_words,
)
from resolution_eval.report.cost_tables import TOKENS, cost_table, resolution_entry, tokens_text
from resolution_eval.report.entries import (
    at_each,
    figure_entry,
    interval_text,
    notes_of,
    resolution_columns,
    task_table,
)
from resolution_eval.report.measures import class_table, measure_table, run_table
from resolution_eval.report.size_tables import size_tables
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.margin import Unshown

DOES_NOT_LOOK = "no better than without the image"
"""Mark of an accuracy that is not shown to differ from that without the image."""

FIGURE_NAMES = {
    "gain": (
        "gain over the floor",
        "Mean over the resolutions of (accuracy - floor) / (1 - floor): 1 at best, 0 at the floor",
    ),
    "best_drop": ("drop from best", "Best accuracy of the curve less its worst"),
    "worst_drop": (
        "worst drop",
        "Largest fall of the accuracy below that at the training resolution",
    ),
    "retention": (
        "retention at far end",
        "Score above the floor at the end of the sweep far from training, over that at training",
    ),
    "area": ("area", "Mean accuracy over the resolutions, trapezoid in log2 of the edge"),
    "rho": ("rho", "Spearman's rank correlation of accuracy with resolution"),
    "ace": ("ACE", "Sum of the curve's absolute steps"),
    "rce": ("RCE", "ACE over the mean accuracy"),
    "excess_ace": (
        "excess ACE",
        "The part of ACE that goes back and forth; 0 for a monotone curve",
    ),
}


def tables(task: TaskSweeps, curves: Curves) -> tuple[Table, ...]:
    """All tables of one task; empty ones are left out."""
    made = (
        accuracy_table(task, curves),
        blind_table(task, curves),
        grid_table(task, curves),
        cost_table(task, curves),
        figure_table(task, curves),
        run_table(task, curves),
        measure_table(task, curves),
        class_table(task, curves, "sensitivity"),
        class_table(task, curves, "specificity"),
        cell_table(task, curves),
        change_table(task, curves),
        *size_tables(task),
    )
    return tuple(table for table in made if table.rows)


FLOOR = "The largest of chance, the best constant answer and the score without the image"
LEFT_OUT = (
    " Samples without a verdict are in no accuracy; the intervals reach from all of them wrong to "
    "all of them right."
)
LOOKS = " Without the image: the same checkpoint asked about the same samples without seeing them."


def accuracy_table(task: TaskSweeps, curves: Curves) -> Table:
    """Accuracy of every checkpoint at every resolution, and below it that without the image."""
    blind = any(each.look for curve in curves for each in curve.cells)
    left_out = any(curve.left_out for curve in curves)
    return task_table(
        task,
        "accuracy",
        "Accuracy by inference resolution",
        (Column("trained at"), Column("floor", True, FLOOR), *resolution_columns(task)),
        (row for curve in curves for row in _accuracies(task, curve)),
        remark="95 % intervals in brackets, over patients, slides or images; r* marks each "
        f"resolution trained at.{LEFT_OUT if left_out else ''}{LOOKS if blind else ''}",
    )


def _accuracies(task: TaskSweeps, curve: CurveFigures) -> Iterator[tuple[Entry, ...]]:
    training = entry(curve.sweep.record.checkpoint.training)
    floor = entry(curve.floor.value, digits=3, note=shorten(curve.floor.name, 60))
    shown = at_each(task, curve.sweep, curve.cells, _accuracy)
    yield (entry(curve.name), training, floor, *shown)
    looks = [each.look for each in curve.cells]
    if any(looks):
        unseen = at_each(task, curve.sweep, looks, _unseen)
        yield (entry(curve.name, note="without the image"), entry(None), entry(None), *unseen)


def _accuracy(each: CellFigures) -> Entry:
    on_blind = DOES_NOT_LOOK if each.look is not None and each.look.place == "on" else ""
    return figure_entry(
        each.accuracy,
        note=", ".join(filter(None, notes_of(each))),
        mark=", ".join(filter(None, (mark(each.cell), on_blind))),
        shade=each.cell.status != "mismatched",
    )


def _unseen(look: Look) -> Entry:
    return entry(look.accuracy, digits=3, note=f"[{look.low:.3f}, {look.high:.3f}]")


def blind_table(task: TaskSweeps, curves: Curves) -> Table:
    """What the image adds to each checkpoint's accuracy; no rows without a blind run."""
    rows = [
        (entry(curve.name), entry(_kinds(looks)), *at_each(task, curve.sweep, looks, _added))
        for curve in curves
        for looks in [[each.look for each in curve.cells]]
        if any(looks)
    ]
    return task_table(
        task,
        "blind",
        "What the image adds: accuracy with it, less that without",
        (Column("shown instead"), *resolution_columns(task)),
        rows,
        folded=True,
        remark="Intervals of the paired difference in brackets, 95 % for all resolutions of a row "
        "together. “No better than without the image”: it holds 0, so that "
        "these samples do not show that the answer depends on the image.",
    )


def _kinds(looks: Sequence[Look | None]) -> str:
    return ", ".join(sorted({look.kind for look in looks if look is not None}))


def _added(look: Look) -> Entry:
    verdict = DOES_NOT_LOOK if look.place == "on" else ""
    if look.difference is None:
        return Entry("–", mark=verdict, note="blind answers not at hand")
    return figure_entry(look.difference, sign=True, mark=verdict)


def grid_table(task: TaskSweeps, curves: Curves) -> Table:
    """What every encoder received at every resolution, and whether that was what was asked for."""
    every = [each.cell for curve in curves for each in curve.cells]
    rows = [
        (entry(curve.name), *at_each(task, curve.sweep, curve.cells, partial(_grid, curve)))
        for curve in curves
    ]
    return task_table(
        task,
        "grids",
        "Asked for and received, by resolution",
        resolution_columns(task),
        rows,
        remark="Height x width in pixels of the tensor that entered the encoder, the most frequent "
        "first, and in how many samples it was the one asked for. A grid is of whole patches: 360 "
        f"may arrive as 364, and still be as asked.{steps_in_words(every)}"
        f"{probes_in_words(curves)}",
    )


def _grid(curve: CurveFigures, each: CellFigures) -> Entry:
    cell = each.cell
    asked = f", asked for {asked_grid(cell)}" if cell.mismatched and asked_grid(cell) else ""
    outcome = probed(curve.sweep.record, cell)
    note = f"{known(cell)}{asked}{f'; {outcome}' if outcome else ''}"
    return Entry(received_grid(cell), mark=mark(cell), note=note)


def figure_table(task: TaskSweeps, curves: Curves) -> Table:
    """Figures of whole curves: one row per checkpoint."""
    heads = [Column(short, True, title) for short, title in (FIGURE_NAMES[n] for n in FIGURES)]
    rows = [
        (
            entry(curve.name),
            *(figure_entry(curve.figures[name]) for name in FIGURES[:5]),
            _chosen(curve),
            Entry("yes" if curve.robust else "not shown"),
            entry(curve.n),
            entry(curve.left_out),
            _knee(curve),
            *(figure_entry(curve.figures[name]) for name in FIGURES[5:]),
            *_noise(curve),
        )
        for curve in curves
    ]
    margin = points_of(curves[0]) if curves else "2"
    chosen = f"Smallest resolution shown to lose no more than {margin} points against the best"
    columns = (
        *heads[:5],
        Column("chosen", True, chosen),
        Column("robust", title=f"Whether the whole curve is shown within {margin} points"),
        Column("n", True, "Samples scored at every resolution"),
        Column("left out", True, "Samples that some resolution has no verdict on"),
        Column("knee", True, "Edge in pixels above which more resolution stops paying"),
        *heads[5:],
        Column("ACE by noise alone", True, "Mean ACE if accuracy did not depend on resolution"),
        Column("ACE without noise", True, "ACE less the part that sampling noise adds"),
    )
    reasons = "; ".join(reason for curve in curves for reason in _reasons(curve))
    remark = f"Withheld: {reasons}." if reasons else ""
    return task_table(task, "figures", "Robustness figures", columns, rows, remark=remark)


def _noise(curve: CurveFigures) -> tuple[Entry, Entry]:
    floor = curve.noise.get("ace")
    if floor is None:
        return Entry("–", mark="withheld"), Entry("–", mark="withheld")
    note = f"in 95 % up to {floor.ceiling:.3f}"
    return entry(floor.floor, digits=3, note=note), entry(floor.debiased, digits=3)


def _knee(curve: CurveFigures) -> Entry:
    knee = curve.knee
    if isinstance(knee, Withheld):
        return figure_entry(knee)
    unseen = "" if knee.reached else ", plateau not seen"
    note = interval_text(knee.resolution, 0) + unseen
    return entry(knee.resolution.estimate, digits=0, note=note)


def _chosen(curve: CurveFigures) -> Entry:
    """The resolution; else what the samples can tell, and how many the margin needs."""
    if isinstance(curve.choice, Unshown):
        return Entry("–", note=curve.choice.reason)
    if isinstance(curve.choice, Withheld):
        return figure_entry(curve.choice)
    other = curve.chosen_by_tokens not in (None, curve.chosen)
    return entry(curve.chosen, note=f"{curve.chosen_by_tokens} by visual tokens" if other else "")


def _reasons(curve: CurveFigures) -> Iterator[str]:
    if curve.withheld is not None:
        yield f"all of {shorten(curve.name)} ({shorten(curve.withheld)})"
        return
    named = {FIGURE_NAMES[name][0]: figure for name, figure in curve.figures.items()}
    alike: dict[str, list[str]] = {}
    for name, value in (*named.items(), ("knee", curve.knee), ("chosen", curve.choice)):
        if isinstance(value, Withheld):
            alike.setdefault(value.reason, []).append(name)
    for reason, names in alike.items():
        yield f"{', '.join(names)} of {shorten(curve.name)} ({shorten(reason)})"


OPEN = "Answers by open are free text: their accuracy is exact match after normalising."
FREE = {
    "F1": "Mean token F1 of answers in free text",
    "judged": "Share of answers in free text that the run's judge called right; failed judgements "
    "are in neither part of it",
}
"""Scores that only answers in free text have, beside exact match and never mixed with it."""
CUT = (
    "Answers that are cut are those of the unparseable whose thinking the limit of tokens cut: "
    "raise --gen_kwargs max_new_tokens."
)
UNSEEN = ("counted", "predicted", "unattested")
COUNTS = ("n", "failed", "mismatched", "unparseable", "cut", "missing", *UNSEEN, "capped")
ALWAYS = ("n", "failed", "mismatched", "unparseable")
"""Counts that have a column even where they are all 0."""
CELL_COLUMNS = (
    Column("r", True, "Inference resolution asked for"),
    Column("status", title="Whether samples are missing, and how its size is known"),
    Column("accuracy", True),
    Column("low", True, "Lower end of the 95 % interval"),
    Column("high", True, "Upper end of the 95 % interval"),
    Column("gain", True, "(accuracy - floor) / (1 - floor), simultaneous over the curve"),
    Column("grid asked", title="Height x width in pixels that the encoder should receive"),
    Column("grid received", title="Height x width of the tensor that entered the encoder"),
    Column("visual tokens", title=TOKENS),
)


def cell_table(task: TaskSweeps, curves: Curves) -> Table:
    """Every cell: what was asked, what the encoder received, and what was counted."""
    cells = [each.cell for curve in curves for each in curve.cells]
    names = [name for name in COUNTS if name in ALWAYS or any(getattr(c, name) for c in cells)]
    free = {name: title for name, title in FREE.items() if any(_free(c, name) for c in cells)}
    settings = {_setting(cell) for cell in cells}
    rows = [
        (
            entry(curve.name),
            *_cell(curve, each),
            *(_count(each.cell, name) for name in names),
            *(_free(each.cell, name) or entry(None) for name in free),
            *([entry(_setting(each.cell))] if len(settings) > 1 else []),
        )
        for curve in curves
        for each in curve.cells
    ]
    columns = (
        *CELL_COLUMNS,
        *(Column(name, True) for name in names),
        *(Column(name, True, title) for name, title in free.items()),
        *([Column("setting")] if len(settings) > 1 else []),
    )
    cut = f" {CUT}" if any(cell.cut for cell in cells) else ""
    phrases = f" {OPEN}" if any(cell.answer_mode == "open" for cell in cells) else ""
    shared = f" All cells: {', '.join(settings)}." if len(settings) == 1 else ""
    return task_table(
        task,
        "cells",
        "Every cell: status, grid, tokens and counts",
        columns,
        rows,
        folded=True,
        remark="Grids are height x width in pixels, the most frequent first. Failed samples are "
        "neither right nor wrong; unparseable answers are wrong."
        f"{steps_in_words(cells)}{cut}{shared}{phrases}",
    )


def _cell(curve: CurveFigures, each: CellFigures) -> tuple[Entry, ...]:
    """The entries under `CELL_COLUMNS`."""
    cell = each.cell
    return (
        resolution_entry(cell),
        Entry(known_of_grid(curve, cell), mark="!" if mark(cell) else ""),
        *_scored(each),
        figure_entry(each.gain),
        entry(asked_grid(cell)),
        Entry(received_grid(cell), mark="mismatched" if cell.mismatched else ""),
        entry(tokens_text(cell)),
    )


def _scored(each: CellFigures) -> tuple[Entry, Entry, Entry]:
    accuracy = each.accuracy
    if isinstance(accuracy, Withheld):
        return figure_entry(accuracy), entry(None), entry(None)
    return entry(accuracy.estimate), entry(accuracy.low), entry(accuracy.high)


def _setting(cell: Cell) -> str:
    return f"scheme {cell.scheme}, filter {cell.filter}, answers by {cell.answer_mode}"


def _free(cell: Cell, name: str) -> Entry | None:
    """A score that only free text has; None where the cell has none."""
    if name == "F1":
        return None if cell.f1 is None else entry(cell.f1)
    said = cell.judged
    if said is None:
        return None
    failed = f", {said.failed} failed" if said.failed else ""
    return entry(said.accuracy, note=f"{said.asked} asked{failed}", mark="!" if failed else "")


def _count(cell: Cell, name: str) -> Entry:
    value = int(getattr(cell, name))
    wrong = name in ("failed", "missing", "mismatched", "unattested") and value > 0
    return entry(value, mark="!" if wrong else "")
