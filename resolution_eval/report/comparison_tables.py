"""Two records side by side: what differs at each resolution, as tables."""

from __future__ import annotations

from resolution_eval.analysis.record_comparison import CellComparison, RecordComparison
from resolution_eval.evidence.ladder import WEAKER, listed
from resolution_eval.ground.tables import Column, Entry, Table, entry
from resolution_eval.report.entries import figure_entry
from resolution_eval.statistics.curves import Withheld


def comparison_table(comparison: RecordComparison) -> Table:
    """The comparison as a table; resolutions without a verdict say why."""
    return Table(
        name="comparison",
        caption=f"{comparison.second} against {comparison.first}, on {comparison.task}",
        columns=(
            Column("r", True, "Inference resolution"),
            Column("difference", True, "Accuracy of the second minus that of the first"),
            Column("adjusted p", True, "Two-sided, Holm over the resolutions"),
            Column("test"),
            Column("gained", True, "Samples that only the second got right"),
            Column("lost", True, "Samples that only the first got right"),
            Column("n", True, "Samples that both scored"),
            Column("left out", True, "Samples asked of both that one has no verdict on"),
            Column("step", title="What is known of the resolution of the first, and of the second"),
            Column("no verdict because"),
        ),
        rows=tuple(_row(name, verdict) for name, verdict in comparison.verdicts.items()),
        remark="95 % intervals in brackets, paired over the samples that both scored; "
        "samples without a verdict are in their ends and in p, at their worst."
        f"{_mixed(comparison)}",
    )


def _mixed(comparison: RecordComparison) -> str:
    """That cells of different steps were compared, as asked; nothing where none was."""
    steps = [
        each.steps for each in comparison.verdicts.values() if isinstance(each, CellComparison)
    ]
    mixed = [one for pair in steps if pair[0] != pair[1] for one in pair]
    if not mixed:
        return ""
    return f" Steps of the ladder are mixed, as asked: {listed(mixed)}; {WEAKER}."


def changed_table(comparison: RecordComparison) -> Table:
    """Every sample whose verdict differs, by resolution."""
    rows = [
        (Entry(name), Entry(sample), Entry(change))
        for name, verdict in comparison.verdicts.items()
        if isinstance(verdict, CellComparison)
        for change, samples in (("gained", verdict.gained), ("lost", verdict.lost))
        for sample in samples
    ]
    return Table(
        name="changed",
        caption=f"Samples that only {comparison.second} (gained) or only {comparison.first} (lost) "
        "got right",
        columns=(Column("r", True, "Inference resolution"), Column("sample"), Column("change")),
        rows=tuple(rows),
    )


LEAST_P = 0.0001
"""Smallest p that is printed as a number: no test of ours shows that p is 0."""


def _p(value: float) -> Entry:
    return Entry(f"< {LEAST_P}", sort=value) if value < LEAST_P else entry(value)


def _row(resolution: str, verdict: CellComparison | Withheld) -> tuple[Entry, ...]:
    if isinstance(verdict, Withheld):
        return (Entry(resolution), *([entry(None)] * 8), entry(verdict.reason))
    return (
        Entry(resolution),
        figure_entry(verdict.difference, sign=True),
        _p(verdict.p),
        Entry(verdict.test),
        entry(len(verdict.gained)),
        entry(len(verdict.lost)),
        entry(verdict.difference.n),
        entry(verdict.left_out),
        Entry(" / ".join(dict.fromkeys(verdict.steps))),
        entry(""),
    )
