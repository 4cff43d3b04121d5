"""Samples whose verdict changes with the resolution, and what was answered at each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from resolution_eval.analysis import Sweep, TaskSweeps
from resolution_eval.analysis.changing_samples import changed
from resolution_eval.ground.tables import Column, Entry, Table, entry, shorten
from resolution_eval.report.content import Curves
from resolution_eval.report.entries import task_table

MAX_CHANGES = 60
"""Samples listed whose verdict changes with the resolution."""


def answers_of(sweep: Sweep, samples: Sequence[str]) -> dict[str, dict[str, Entry]]:
    """What was answered to each of `samples`, by resolution."""
    import pyarrow as pa
    import pyarrow.compute as compute

    table = sweep.record.answers.table
    names = ["sample", "resolution", "scheme", "filter", "answer_mode", "prediction", "correct"]
    wanted = compute.is_in(table["sample"], value_set=pa.array(samples, type=pa.string()))
    mine = {cell.key.setting for cell in sweep.cells}
    answers: dict[str, dict[str, Entry]] = {sample: {} for sample in samples}
    for row in table.select(names).filter(wanted).to_pylist():
        if (row["scheme"], row["filter"], row["answer_mode"]) in mine:
            answers[row["sample"]][row["resolution"]] = _answer(row["prediction"], row["correct"])
    return answers


def _answer(prediction: str | None, correct: int | None) -> Entry:
    if correct is None:
        return Entry("–", mark="failed")
    text = "unparseable" if prediction is None else shorten(prediction)
    return Entry(text, sort=float(correct), mark="right" if correct else "wrong")


def change_table(task: TaskSweeps, curves: Curves) -> Table:
    """Samples whose verdict changes with the resolution, and what was answered at each."""
    rows: list[tuple[Entry, ...]] = []
    count = 0
    for curve in curves:
        samples = changed(curve.sweep)
        count += len(samples)
        rows += _changes(task, curve.sweep, samples[: MAX_CHANGES - len(rows)])
    return task_table(
        task,
        "changes",
        "Samples whose verdict changes with the resolution",
        map(Column, ("sample", "right answer", *task.resolutions)),
        rows,
        folded=True,
        remark=f"{count - len(rows)} more are in the records." if count > len(rows) else "",
    )


def _changes(task: TaskSweeps, sweep: Sweep, samples: Sequence[str]) -> Iterator[tuple[Entry, ...]]:
    if not samples:
        return
    targets, answers = sweep.targets, answers_of(sweep, samples)
    for sample in samples:
        said = said_at(task.resolutions, answers[sample])
        yield entry(sweep.name), entry(sample), entry(targets[sample]), *said


def said_at(resolutions: Sequence[str], answers: Mapping[str, Entry]) -> tuple[Entry, ...]:
    """The answers in order of `resolutions`, a dash where there is none."""
    return tuple(answers.get(name, entry(None)) for name in resolutions)
