"""The train x inference table: checkpoints of one recipe, trained apart, on one task.

Source: Chen et al. 2025, arXiv:2510.18304; the definitions of the gaps are in DESIGN.md, "Figures".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resolution_eval.errors import RecordError
from resolution_eval.records import Record, resolution_order
from resolution_eval.report.estimates import Figure
from resolution_eval.report.estimates import estimate as estimate_sweep
from resolution_eval.report.sampling import Columns, column_scores, resampled
from resolution_eval.report.sweeps import Sweep, by_task
from resolution_eval.report.tables import Column, Entry, Table, entry
from resolution_eval.report.task_tables import figure_entry, interval_text
from resolution_eval.resolution import TrainingResolution
from resolution_eval.statistics import floors, intervals
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.gaps import DIFFERENCES, RATIO
from resolution_eval.statistics.intervals import Interval

STRATEGIES = ("low", "native", "mixed", "none")

GAPS = {
    "alignment_gain": "alignment gain",
    "native_trained_mismatch": "native-trained mismatch",
    "low_trained_mismatch": "low-trained mismatch",
    "mixed_retention": "mixed retention",
    "mixed_native_loss": "mixed native loss",
    "mixed_low_gap": "mixed low gap",
}
"""The gaps shown, in order, by the names of `resolution_eval.statistics.gaps`."""


@dataclass(frozen=True)
class Score:
    """One entry of the table."""

    accuracy: float | None
    interval: Interval | None
    status: str
    """As of its cell: complete, incomplete, mismatched or unattested."""
    trained: bool
    """Whether the checkpoint was trained at this resolution."""


@dataclass(frozen=True, eq=False)
class StrategyRow:
    """One strategy's accuracy at every resolution."""

    strategy: str
    sweep: Sweep
    scores: Mapping[str, Score]


def strategy(sweep: Sweep) -> str:
    """How the sweep's checkpoint was trained: none (not declared), low, native or mixed.

    A fixed training resolution is native where nothing in the sweep is larger, else low.
    """
    training = TrainingResolution.parse(sweep.record.checkpoint.training)
    if training.kind == "mixed":
        return "mixed"
    if training.kind == "unknown" or sweep.reference is None:
        return "native" if training.kind == "native" else "none"
    return "native" if sweep.reference == len(sweep.cells) - 1 else "low"


def matrix(records: Sequence[Record]) -> tuple[StrategyRow, ...]:
    """One row per record, strategies in the order low, native, mixed, none.

    Raises:
        RecordError: records of several tasks, or none.
    """
    tasks = by_task(records)
    if len(tasks) != 1:
        raise RecordError(
            f"a train x inference table is of one task, found {[task.task for task in tasks]}"
        )
    rows = [_row(sweep) for sweep in tasks[0].sweeps]
    return tuple(sorted(rows, key=lambda row: STRATEGIES.index(row.strategy)))


def _row(sweep: Sweep) -> StrategyRow:
    accuracy = estimate_sweep(sweep).accuracy
    scores = {
        cell.resolution: Score(cell.accuracy, interval, cell.status, index == sweep.reference)
        for index, (cell, interval) in enumerate(zip(sweep.cells, accuracy, strict=True))
    }
    return StrategyRow(strategy(sweep), sweep, scores)


def gaps(rows: Sequence[StrategyRow]) -> dict[str, Figure]:
    """The gaps between strategies by name, with intervals from the samples that all scored.

    low is the resolution at which the low checkpoint was trained, native the native one's. A gap is
    withheld where a strategy is absent or double, or where one of its cells is not sound.
    """
    found: dict[str, Figure] = {name: _gap(rows, *pair) for name, pair in DIFFERENCES.items()}
    found["mixed_retention"] = _mixed_retention(rows)
    return {name: found[name] for name in GAPS}


def _gap(rows: Sequence[StrategyRow], first: tuple[str, str], second: tuple[str, str]) -> Figure:
    columns = _pair(rows, first, second)
    if isinstance(columns, Withheld):
        return columns
    return intervals.contrast(resampled(columns), (1, -1))


def _mixed_retention(rows: Sequence[StrategyRow]) -> Figure:
    columns = _pair(rows, *RATIO)
    if isinstance(columns, Withheld):
        return columns
    return floors.retention(resampled(columns), 0, 1)


def _pair(
    rows: Sequence[StrategyRow], first: tuple[str, str], second: tuple[str, str]
) -> Columns | Withheld:
    """The scores of two cells, each named by how it was trained and at what it is scored."""
    columns: list[Columns] = []
    for trained, scored in (first, second):
        column = _column(rows, trained, scored)
        if isinstance(column, Withheld):
            return column
        columns.append(column)
    one, other = columns
    return Columns([one.values[0], other.values[0]], {**other.clusters, **one.clusters})


def _column(rows: Sequence[StrategyRow], trained: str, scored: str) -> Columns | Withheld:
    sweeps = {name: [row.sweep for row in rows if row.strategy == name] for name in STRATEGIES}
    for name in (trained, scored):
        if len(sweeps[name]) != 1:
            return Withheld(f"{len(sweeps[name])} checkpoints are {name}-trained, one is needed")
    (sweep,), (at,) = sweeps[trained], sweeps[scored]
    resolution = at.resolutions[-1 if at.reference is None else at.reference]
    cell = next((cell for cell in sweep.cells if cell.resolution == resolution), None)
    if cell is None:
        return Withheld(f"the {trained}-trained checkpoint was not scored at {resolution}")
    if cell.status in ("mismatched", "incomplete"):
        return Withheld(f"{trained}→{scored} (at {resolution}) is {cell.status}")
    return column_scores(sweep.record.answers.scores([cell.key]))


def matrix_table(rows: Sequence[StrategyRow]) -> Table:
    """The train x inference table."""
    names = {name for row in rows for name in row.sweep.resolutions}
    resolutions = sorted(names, key=resolution_order)
    return Table(
        name="train-inference",
        caption="Train × inference: accuracy of each training strategy at each resolution",
        columns=(
            Column("trained"),
            Column("checkpoint"),
            Column("declared"),
            *(Column(f"at {name}", numeric=True) for name in resolutions),
        ),
        rows=tuple(
            (
                Entry(row.strategy),
                entry(row.sweep.name),
                entry(row.sweep.record.checkpoint.training),
                *(_score(row.scores.get(name)) for name in resolutions),
            )
            for row in rows
        ),
        remark="95 % intervals in brackets; r* marks the resolution trained at.",
    )


def _score(score: Score | None) -> Entry:
    if score is None:
        return entry(None)
    note = interval_text(score.interval) + (" r*" if score.trained else "")
    shown = "" if score.status == "complete" else score.status
    tinted = score.status != "mismatched"
    return entry(score.accuracy, digits=3, mark=shown, note=note, shade=tinted)


def _definition(name: str) -> str:
    """The two cells of a gap, trained→scored each."""
    first, second = DIFFERENCES.get(name, RATIO)
    sign = "−" if name in DIFFERENCES else "/"
    return f"{'→'.join(first)} {sign} {'→'.join(second)}"


def gap_table(found: Mapping[str, Figure]) -> Table:
    """The gaps between strategies, each with its definition."""
    return Table(
        name="gaps",
        caption="Gaps between training strategies",
        columns=(Column("gap"), Column("definition"), Column("value", numeric=True)),
        rows=tuple(
            (
                Entry(GAPS[name]),
                Entry(_definition(name)),
                figure_entry(figure, sign=name != "mixed_retention"),
            )
            for name, figure in found.items()
        ),
        remark="; ".join(
            f"{GAPS[name]} withheld: {figure.reason}"
            for name, figure in found.items()
            if isinstance(figure, Withheld)
        ),
    )
