"""The train x inference matrix as tables: its cells, and the gaps between them."""

from __future__ import annotations

from resolution_eval.analysis.strategies import Gap, Matrix, StrategyCell
from resolution_eval.ground.tables import Column, Entry, Table, entry
from resolution_eval.report.entries import figure_entry, interval_text
from resolution_eval.statistics.curves import Withheld

POINTS = 100
"""Percentage points in a whole."""

GAPS = {
    "alignment_gain": "alignment gain",
    "native_trained_mismatch": "native-trained mismatch",
    "low_trained_mismatch": "low-trained mismatch",
    "mixed_retention": "mixed retention",
    "mixed_native_loss": "mixed native loss",
    "mixed_low_gap": "mixed low gap",
}
"""The gaps shown, by the names of `resolution_eval.statistics.strategy_gaps`."""


def matrix_tables(matrix: Matrix) -> tuple[Table, Table]:
    """The table of cells, as the paper prints it, and that of the gaps."""
    return _cell_table(matrix), _gap_table(matrix)


def _cell_table(matrix: Matrix) -> Table:
    heads = [matrix.heading(str(at)) for at in matrix.infer]
    rows = tuple(
        (
            Entry(strategy),
            entry(len(records)),
            entry(", ".join(sorted({record.checkpoint.training for record in records}))),
            *(_cell(matrix.cells[strategy, str(at)]) for at in matrix.infer),
        )
        for strategy, records in matrix.records.items()
    )
    return Table(
        name="train-inference",
        caption="Train × inference: accuracy in percent",
        subject=next(iter(matrix.records.values()))[0].task,
        columns=(
            Column("trained"),
            Column("seeds", numeric=True),
            Column("declared"),
            *(Column(head, numeric=True) for head in heads),
        ),
        rows=rows,
        remark=_remark(matrix),
    )


def _remark(matrix: Matrix) -> str:
    reasons = {cell.reason for cell in matrix.cells.values() if isinstance(cell, Withheld)}
    several = any(len(records) > 1 for records in matrix.records.values())
    seeds = " Means over seeds; after ±: the interval with other seeds in it." if several else ""
    mixed = " mixed: half of the samples at low, the others at native."
    return (
        f"low is {matrix.low}, native {matrix.native}; r* marks a resolution trained at. 95 % "
        f"intervals over the samples' clusters in brackets.{seeds}"
        f"{mixed if 'mixed' in matrix.infer else ''}"
        + "".join(f" Withheld: {reason}." for reason in sorted(reasons))
    )


def _cell(cell: StrategyCell | Withheld) -> Entry:
    if isinstance(cell, Withheld):
        return entry(None, mark="withheld")
    low, high = POINTS * cell.interval.low, POINTS * cell.interval.high
    note = f"[{low:.1f}, {high:.1f}]"
    if (wide := cell.over_seeds) is not None:
        note += f" ± [{POINTS * wide.low:.1f}, {POINTS * wide.high:.1f}]"
    note += " r*" if cell.trained else ""
    return entry(POINTS * cell.interval.estimate, digits=1, note=note)


def _gap_table(matrix: Matrix) -> Table:
    return Table(
        name="gaps",
        caption="Gaps between training strategies, fractions",
        columns=(
            Column("gap"),
            Column("definition"),
            Column("value", numeric=True),
            Column("with other seeds", numeric=True),
            Column("by seed"),
            Column("the paper's sign"),
        ),
        rows=tuple(_gap(gap) for gap in matrix.gaps),
        remark="; ".join(
            f"{GAPS[gap.name]} ({gap.strategy}) withheld: {gap.value.reason}"
            for gap in matrix.gaps
            if isinstance(gap.value, Withheld)
        ),
    )


def _gap(gap: Gap) -> tuple[Entry, ...]:
    ratio = gap.name == "mixed_retention"
    first, second = ("→".join(cell) for cell in gap.cells)
    shown = [f"{value:.3f}" if ratio else f"{value:+.3f}" for value in gap.per_seed]
    return (
        Entry(GAPS[gap.name]),
        Entry(f"{first} {'/' if ratio else '−'} {second}"),
        figure_entry(gap.value, sign=not ratio),
        Entry("–") if gap.over_seeds is None else Entry(interval_text(gap.over_seeds)),
        Entry(", ".join(shown).replace("-", "−") or "–"),
        Entry("–" if gap.sign == "none" else gap.sign),
    )
