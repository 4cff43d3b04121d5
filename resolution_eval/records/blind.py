"""Blind controls: the same checkpoint, task and setting, the image withheld."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter

from resolution_eval.records.answer_table import KEY, CellKey
from resolution_eval.records.schema import BlindControl, Record

_identity = attrgetter(
    *("task", "task_version", "dataset.fingerprint"),
    *("checkpoint.name", "checkpoint.revision", "checkpoint.adapter", "checkpoint.dtype"),
    *("environment.generation", "environment.fewshot", "environment.option_order"),
)
"""What is the same in a control and in what it controls."""
_SAME = {*KEY, "n", "failed", "correct", "accuracy"}
"""Fields that a control has of the blind run's cell."""


def controlled(record: Record, others: Sequence[Record]) -> Record:
    """The record with the blind runs among `others` as its controls, the latest of each cell.

    A control is of the same task, checkpoint, adapter and data, asked in the same way, and its cell
    of the same setting and samples. A blind run has no control itself.
    """
    if record.blind is not None:
        return record
    by_cell: dict[CellKey, BlindControl] = {}
    for other in sorted(others, key=lambda each: each.environment.date):
        if other.blind is not None and _identity(other) == _identity(record):
            by_cell.update(_controls(record, other))
    if not by_cell:
        return record
    controls = record.controls.model_copy(
        update={"blind": tuple(by_cell[key] for key in sorted(by_cell))}
    )
    unknown = tuple(name for name in record.unknown if name != "controls.blind")
    return record.model_copy(update={"controls": controls, "unknown": unknown})


def _controls(record: Record, blind: Record) -> Iterator[tuple[CellKey, BlindControl]]:
    """The cells of `blind` that hold the same samples as the cell of the same key in `record`."""
    assert blind.blind is not None
    seen, unseen = record.answers.samples(), blind.answers.samples()
    for cell in blind.cells:
        if unseen[cell.key] == seen.get(cell.key):
            own = {"kind": blind.blind, "results_sha256": blind.environment.results_sha256}
            yield cell.key, BlindControl(**cell.model_dump(include=_SAME), **own)
