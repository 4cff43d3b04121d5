"""The fields of a record that say when, how fast and in how much memory it was made."""

from __future__ import annotations

import json
from typing import Any

from resolution_eval.records.schema import Record

TIMES = {
    "environment.date": "when the run was made",
    "environment.results_file": "is named after the date",
    "environment.results_sha256": "of a file that holds the date and the wall time",
    "environment.wall_time": "of the whole run",
    "environment.peak_memory": "differs by some pages from run to run",
    "environment.peak_memory_of": "null with the memory, where a cache answered all on a GPU",
    "environment.samples_per_second": "null where a cache answered all",
    "cells.cost": "of the samples that this run answered itself",
    "controls.blind.results_sha256": "of the blind run's results file",
    "answers_file.name": "is named after the date",
    "answers_file.sha256": "of a file that holds the times of every answer",
}
"""Fields of the document, by dotted name, and why they are a time or follow from one."""
ANSWER_TIMES = {
    "seconds": "null where a cache answered",
    "peak_memory": "null where a cache answered",
}
"""Columns of the answers that are times."""


def timeless(record: Record) -> bytes:
    """The record and its answers without their times, as JSON: the same bytes of two runs of one
    command, also where one was killed and resumed, or answered from a cache.
    """
    document = record.model_dump(mode="json")
    for field in TIMES:
        _strike(document, field.split("."))
    document["unknown"] = [name for name in document["unknown"] if name not in TIMES]
    answers = record.answers.table.drop_columns(list(ANSWER_TIMES))
    return json.dumps({**document, "answers": answers.to_pylist()}, indent=1).encode()


def _strike(value: Any, names: list[str]) -> None:
    """Remove the field at the path `names`, in every element of lists; a KeyError if not there."""
    if value is None:
        return
    if isinstance(value, list):
        for each in value:
            _strike(each, names)
    elif len(names) == 1:
        del value[names[0]]
    else:
        _strike(value[names[0]], names[1:])
