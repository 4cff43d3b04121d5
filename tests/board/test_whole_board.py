"""A board with a submission that cannot be checked: the others are, and keep their rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_board import facts, new_board, submit, vouch

from resolution_eval import cli
from resolution_eval.board import checks
from resolution_eval.board.checks import check_board
from resolution_eval.board.rows import load_board


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("deep"), OverflowError("large")])
def test_one_bad_submission_never_stops_the_check_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    board = new_board(tmp_path)
    folders = {name: submit(board, facts(f"synthetic/{name}")) for name in ("a", "bomb", "c")}
    vouch(board)
    original = checks.load_record

    def load(path: Path, most: int | None = None) -> object:
        if folders["bomb"] in path.parents:
            raise error
        return original(path, most)

    monkeypatch.setattr(checks, "load_record", load)
    faults = [str(fault) for fault in check_board(board).all_faults]
    assert len(faults) == 1 and "cannot be checked" in faults[0] and "bomb" in faults[0]
    assert {row.facts.model for row in load_board(board).rows} == {"synthetic/a", "synthetic/c"}
    assert cli.main(["leaderboard", "validate", "--board", str(board)]) == 1
