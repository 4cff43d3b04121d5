"""What a resolution costs: visual tokens, samples per second and memory, beside the accuracy."""

from __future__ import annotations

from resolution_eval.records import Cell, Record
from resolution_eval.report.content import Estimated, mark
from resolution_eval.report.sweeps import Sweep, TaskSweeps
from resolution_eval.report.tables import Column, Entry, Table, entry
from resolution_eval.statistics.curves import Withheld

GIBIBYTE = 2**30


def tokens_text(cell: Cell) -> str | None:
    """Visual tokens per sample: one number, or the mean with least and most."""
    tokens = cell.visual_tokens
    if tokens is None:
        return None
    if tokens.least == tokens.most:
        return str(tokens.least)
    return f"{tokens.mean:.1f} ({tokens.least} to {tokens.most})"


def cost_table(task: TaskSweeps, estimated: Estimated) -> Table:
    """Accuracy of every cell beside what it took; no rows where nothing was measured."""
    rows = [
        (
            entry(sweep.name),
            resolution_entry(cell),
            entry(cell.accuracy, digits=3, mark=mark(cell), shade=cell.status != "mismatched"),
            _tokens(cell),
            *_measured(sweep.record, cell),
            Entry("yes" if cell.resolution == estimates.cheapest else ""),
        )
        for sweep, estimates in estimated
        for cell in sweep.cells
    ]
    withheld = any(isinstance(estimates.cheapest, Withheld) for _, estimates in estimated)
    return Table(
        name=f"{task.task}-cost",
        caption="Cost beside accuracy",
        subject=task.title,
        folded=True,
        columns=(
            Column("checkpoint"),
            Column("r", True, "Inference resolution asked for"),
            Column("accuracy", numeric=True),
            Column("visual tokens", True, "Per sample: the mean, or least to most"),
            Column("samples/s", True, "Samples scored per second"),
            Column("peak memory (GiB)", True, "Of the device, or of the process on a CPU"),
            Column("cheapest", title="Lowest resolution that the best one is not shown to beat"),
        ),
        rows=tuple(rows) if any(_known(sweep) for sweep, _ in estimated) else (),
        remark="Where a curve has a cell that is not sound, no cheapest one is named."
        if withheld
        else "",
    )


def _known(sweep: Sweep) -> bool:
    return any(cell.visual_tokens is not None for cell in sweep.cells)


def _tokens(cell: Cell) -> Entry:
    tokens = cell.visual_tokens
    if tokens is None:
        return entry(None)
    return Entry(tokens_text(cell) or "", sort=tokens.mean)


def _measured(record: Record, cell: Cell) -> tuple[Entry, Entry]:
    memory = record.environment.peak_memory
    return (
        entry(record.environment.samples_per_second, digits=1),
        entry(None if memory is None else memory / GIBIBYTE, digits=2),
    )


def resolution_entry(cell: Cell) -> Entry:
    """The resolution, sorted as a number with native last."""
    number = 1e9 if cell.resolution == "native" else float(cell.resolution)
    return Entry(cell.resolution, sort=number)
