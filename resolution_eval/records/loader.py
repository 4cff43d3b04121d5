"""Records in folders: those that are written, or made of lmms-eval's output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resolution_eval.records.blind import controlled
from resolution_eval.records.make import make_records
from resolution_eval.records.schema import Record
from resolution_eval.records.store import SUFFIX, read_record


def load(paths: Sequence[Path]) -> list[Record]:
    """The records in `paths`: lmms-eval's output folders, records, or folders of records.

    A blind run in any of them is the control of the records that it fits.

    Raises:
        RecordError: a path holds neither, or a file in it cannot be read.
    """
    records = [record for path in paths for record in _load(path)]
    return [controlled(record, records) for record in records]


def _load(path: Path) -> list[Record]:
    if path.name.endswith(SUFFIX):
        return [read_record(path)]
    written = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else []
    return [read_record(file) for file in written] or make_records(path)
