"""Records of version 0.1.0: read by this version, the same when written anew, and still ranked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resolution_eval.board.rerun import read_rerun
from resolution_eval.ground import paths
from resolution_eval.records import read_record, write_record
from resolution_eval.records.schema import SCHEMA_VERSION

RECORDS = paths.leaderboard() / "records"
OLD = sorted(
    path
    for path in RECORDS.glob("*/*/*.record.json")
    if json.loads(path.read_text(encoding="utf-8"))["schema_version"] < SCHEMA_VERSION
)
"""The records that version 0.1.0 wrote, which stand on the board to this day."""


def test_there_are_records_of_the_first_version() -> None:
    assert len(OLD) >= 30


@pytest.mark.parametrize("path", OLD[::6], ids=lambda path: path.name[:30])
def test_a_record_of_the_first_version_says_the_same_when_written_anew(
    path: Path, tmp_path: Path
) -> None:
    old = read_record(path)
    new = read_record(write_record(old, tmp_path))
    stated = json.loads(path.read_text(encoding="utf-8"))
    assert new.schema_version == SCHEMA_VERSION and new.environment.offset is None
    assert [cell.correct for cell in new.cells] == [cell["correct"] for cell in stated["cells"]]
    assert [cell.n for cell in new.cells] == [cell["n"] for cell in stated["cells"]]
    assert new.answers.table.equals(old.answers.table)
    beyond = {"answers", "answers_file"}
    assert new.model_dump(exclude=beyond) == old.model_dump(exclude=beyond)


def test_re_runs_of_the_first_version_are_read_without_what_they_did_not_hold() -> None:
    found = [read_rerun(path.parent) for path in RECORDS.glob("*/*/rerun.json")]
    assert found and all(one is not None and one.agrees for one in found)
    assert {one.revision for one in found if one} == {None}
