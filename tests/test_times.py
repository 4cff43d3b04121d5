"""What is struck from a record as its times is that, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthetic_runs import sweep, write_run

from resolution_eval.records import Record, make_records, read_record, write_record
from resolution_eval.records.answer_table import SCHEMA
from resolution_eval.records.times import ANSWER_TIMES, TIMES, timeless

CURVE = {"28": 0.4, "64": 0.8}


def written(folder: Path, date: str, seconds: float | None = 0.25, seed: int = 7) -> Record:
    """A record read back, with a blind run for its control."""
    write_run(folder / "run", sweep(CURVE, samples=5, seed=seed, seconds=seconds), date=date)
    blind = sweep(CURVE, samples=5, blind="mean image", seconds=seconds)
    write_run(folder / "blind", blind, date=date)
    (record,) = make_records(folder / "run", blind=folder / "blind")
    return read_record(write_record(record, folder / "records"))


def paths(value: Any, before: str = "") -> Iterator[str]:
    """Dotted names of all that a document holds."""
    if isinstance(value, list):
        for each in value:
            yield from paths(each, before)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield f"{before}{name}"
            yield from paths(each, f"{before}{name}.")


def test_only_the_fields_of_the_table_are_struck(tmp_path: Path) -> None:
    record = written(tmp_path, "20260101_000000")
    kept = json.loads(timeless(record))
    answers = kept.pop("answers")
    gone = set(paths(record.model_dump(mode="json"))) - set(paths(kept))
    assert {name for name in gone if not name.startswith("cells.cost.")} == set(TIMES)
    assert set(SCHEMA.names) - set(answers[0]) == set(ANSWER_TIMES)


def test_a_later_run_that_a_cache_answered_is_the_same(tmp_path: Path) -> None:
    first = written(tmp_path / "first", "20260101_000000")
    later = written(tmp_path / "later", "20270707_070707", seconds=None)
    assert later.environment.samples_per_second is None
    assert "environment.samples_per_second" in later.unknown
    assert timeless(later) == timeless(first)


def test_another_answer_is_another_record(tmp_path: Path) -> None:
    first = written(tmp_path / "first", "20260101_000000")
    other = written(tmp_path / "other", "20260101_000000", seed=8)
    assert timeless(other) != timeless(first)
