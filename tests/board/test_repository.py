"""The board that this repository publishes: valid to the last answer, earned rows, labelled."""

from __future__ import annotations

import pytest

from resolution_eval import paths
from resolution_eval.board.checks import CheckedBoard, check_board
from resolution_eval.board.rows import Board, board_of
from resolution_eval.board.schema import BoardRow
from resolution_eval.cards import task_cards


@pytest.fixture(scope="module")
def checked() -> CheckedBoard:
    return check_board(paths.leaderboard())


@pytest.fixture(scope="module")
def board(checked: CheckedBoard) -> Board:
    return board_of(checked, paths.leaderboard())


def row_of(board: Board, pretrained: str) -> BoardRow:
    (row,) = (row for row in board.rows if row.facts.pretrained == pretrained)
    return row


def test_every_record_of_the_repository_is_valid(checked: CheckedBoard) -> None:
    assert [str(fault) for fault in checked.all_faults] == []
    assert checked.submissions


def test_the_embedded_checkpoints_have_rows_that_were_repeated(board: Board) -> None:
    for name in ("embedded/low", "embedded/native", "embedded/mixed"):
        row = row_of(board, name)
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


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("strategy", ["low", "native", "mixed", "weighted"])
def test_the_study_has_ranked_rows_on_blood_cells(board: Board, strategy: str, seed: int) -> None:
    row = row_of(board, f"pbc56-{strategy}-{seed}")
    assert row.status in ("re-run", "verified") and row.rank is not None
    assert {"small model", "from scratch", "weights not published"} <= set(row.facts.labels)
    (curve,) = row.curves
    assert curve.contaminated == "trained on the train split of this data set"
    assert [p.resolution for p in curve.points] == [str(r) for r in task_cards()["pbc"].resolutions]
    assert any(point.claimed is not None for point in curve.points)
    for point in curve.points:
        assert point.accuracy is not None
        if point.claimed is not None:
            assert point.claimed == pytest.approx(point.accuracy.value, abs=1e-3)
        assert point.blind is not None and point.blind.n == point.n == 320
        assert point.repeat is not None and point.repeat.agreeing == point.repeat.n == 20


def test_published_figures_stand_beside_and_no_submission_is_refused(board: Board) -> None:
    assert board.published and board.refused == ()


@pytest.mark.parametrize("strategy", ["low", "native", "mixed"])
def test_the_study_has_rows_on_vqa_rad(board: Board, strategy: str) -> None:
    row = row_of(board, f"vqa56-{strategy}-0")
    assert row.status in ("re-run", "verified")
    assert {"small model", "from scratch", "weights not published"} <= set(row.facts.labels)
    modes = {curve.answer_mode: curve.n for curve in row.curves}
    # 272 closed questions, of which 21 have no options and stand in no curve; 179 open ones
    assert modes == {"rank": 251, "open": 179}
