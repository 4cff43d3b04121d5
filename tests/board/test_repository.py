"""The board that this repository publishes: valid to the last answer, earned rows, labelled."""

from __future__ import annotations

import pytest

from resolution_eval import paths
from resolution_eval.board.checks import CheckedBoard, check_board
from resolution_eval.board.rows import board_of
from resolution_eval.cards import task_cards


@pytest.fixture(scope="module")
def checked() -> CheckedBoard:
    return check_board(paths.leaderboard())


def test_every_record_of_the_repository_is_valid(checked: CheckedBoard) -> None:
    assert [str(fault) for fault in checked.all_faults] == []
    assert checked.submissions


def test_the_embedded_checkpoints_have_rows_that_were_repeated(checked: CheckedBoard) -> None:
    board = board_of(checked, paths.leaderboard())
    rows = {row.facts.pretrained: row for row in board.rows}
    assert {f"embedded/{strategy}" for strategy in ("low", "native", "mixed")} <= set(rows)
    for name in ("embedded/low", "embedded/native", "embedded/mixed"):
        row = rows[name]
        assert row.status in ("re-run", "verified") and row.rank is not None
        assert {"from scratch", "generated images"} <= set(row.facts.labels)
        (curve,) = row.curves
        assert curve.contaminated == "trained on the train split of this data set"
        assert [p.resolution for p in curve.points] == [
            str(r) for r in task_cards()["phantom"].resolutions
        ]
        for point in curve.points:
            assert point.accuracy is not None and point.claimed is not None
            assert point.claimed == pytest.approx(point.accuracy.value, abs=1e-3)
            assert point.blind is not None and point.blind.n == point.n == 240
            assert point.repeat is not None and point.repeat.agreeing == point.repeat.n == 20
    assert board.published and board.refused == ()
