"""What a resolution costs: visual tokens, samples per second and memory, beside the accuracy."""

from __future__ import annotations

from resolution_eval.analysis import TaskSweeps
from resolution_eval.ground.tables import Column, Entry, Table, entry
from resolution_eval.records import Cell, Record
from resolution_eval.records.answer_table import resolution_order
from resolution_eval.report.content import Curves, mark
from resolution_eval.report.entries import task_table
from resolution_eval.statistics.curves import Withheld

GIBIBYTE = 2**30
SLOW = 3
"""Decimals of less than one sample a second: one decimal would show a slow model as none."""
TOKENS = "Per sample: the mean, or least to most; of a served model by its server's count"
"""What a column of tokens holds, in words."""
COLUMNS = (
    Column("r", True, "Inference resolution asked for"),
    Column("accuracy", True),
    Column("visual tokens", True, TOKENS),
    Column("samples/s", True, "Answered per second by one process, images read before"),
    Column("peak memory (GiB)", True, "Of the GPU in the cell, or of the whole process"),
    Column("chosen", title="Smallest resolution shown to lose no more than the margin"),
)


def tokens_text(cell: Cell) -> str | None:
    """Visual tokens per sample: one number, or the mean with least and most."""
    tokens = cell.image_tokens
    if tokens is None:
        return None
    if tokens.least == tokens.most:
        return str(tokens.least)
    return f"{tokens.mean:.1f} ({tokens.least} to {tokens.most})"


def cost_table(task: TaskSweeps, curves: Curves) -> Table:
    """Accuracy of every cell beside what it took; no rows where nothing was measured."""
    rows = [
        (
            entry(curve.name),
            resolution_entry(cell),
            entry(
                None if isinstance(each.accuracy, Withheld) else each.accuracy.estimate,
                digits=3,
                mark=mark(cell),
                shade=cell.status != "mismatched",
            ),
            _tokens(cell),
            _speed(cell),
            _memory(curve.sweep.record, cell),
            Entry("yes" if cell.resolution == curve.chosen else ""),
        )
        for curve in curves
        for each in curve.cells
        for cell in [each.cell]
    ]
    cells = [cell for curve in curves for cell in curve.sweep.cells]
    measured = any(cell.image_tokens is not None or cell.cost is not None for cell in cells)
    return task_table(
        task,
        "cost",
        "Cost beside accuracy",
        COLUMNS,
        rows if measured else (),
        folded=True,
        remark="Where no resolution is chosen, the table “Robustness figures” says why.",
    )


def _tokens(cell: Cell) -> Entry:
    if cell.image_tokens is None:
        return entry(None)
    return Entry(tokens_text(cell) or "", sort=cell.image_tokens.mean)


def _speed(cell: Cell) -> Entry:
    cost = cell.cost
    if cost is None or cost.samples_per_second is None:
        return entry(None)
    part = "" if cost.timed == cell.n else f"{cost.timed} of {cell.n} timed"
    speed = cost.samples_per_second
    return entry(speed, digits=1 if speed >= 1 else SLOW, note=part)


def _memory(record: Record, cell: Cell) -> Entry:
    """Of the GPU in this cell; where there was none, of the process in the whole run."""
    if cell.cost is not None and cell.cost.peak_memory is not None:
        return entry(cell.cost.peak_memory / GIBIBYTE, digits=2, note="GPU")
    run = record.environment
    if run.peak_memory is None:
        return entry(None)
    return entry(run.peak_memory / GIBIBYTE, digits=2, note=f"{run.peak_memory_of}, whole run")


def resolution_entry(cell: Cell) -> Entry:
    """The resolution, sorted as a number with native last, or from coarse to fine µm."""
    native, number = resolution_order(cell.resolution)
    return Entry(cell.resolution, sort=1e9 if native else number)
