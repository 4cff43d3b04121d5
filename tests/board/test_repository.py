"""The board that this repository publishes: valid to the last answer, earned rows, labelled."""

from __future__ import annotations

import pytest

from resolution_eval.board.board_schema import BoardRow
from resolution_eval.board.checks import CheckedBoard, check_board
from resolution_eval.board.pins import Pin, read_pin
from resolution_eval.board.rows import Board, board_of
from resolution_eval.board.scopes import RankLine
from resolution_eval.data.cards import task_cards
from resolution_eval.ground import paths

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def checked() -> CheckedBoard:
    return check_board(paths.leaderboard())


@pytest.fixture(scope="module")
def board(checked: CheckedBoard) -> Board:
    return board_of(checked, paths.leaderboard())


def line_of(board: Board, row: BoardRow, dataset: str) -> RankLine:
    (line,) = (
        line
        for scope in board.scopes
        if scope.key == f"dataset-{dataset}"
        for line in scope.lines
        if row.key in {each.key for each in line.rows}
    )
    return line


def row_of(board: Board, pretrained: str) -> BoardRow:
    (row,) = (row for row in board.rows if row.facts.pretrained == pretrained)
    return row


def pin(name: str) -> Pin:
    found = read_pin(name, paths.leaderboard())
    assert found is not None
    return found


def pinned(name: str) -> int:
    """Closed questions with options that are pinned."""
    return sum(one.form == "closed" and bool(one.choices) for one in pin(name).by_id.values())


def test_every_record_of_the_repository_is_valid(checked: CheckedBoard) -> None:
    assert [str(fault) for fault in checked.all_faults] == []
    assert checked.submissions


def test_the_embedded_checkpoints_have_rows_that_were_repeated(board: Board) -> None:
    for name in ("embedded/low", "embedded/native", "embedded/mixed"):
        row = row_of(board, name)
        assert row.status in ("re-run", "verified")
        assert line_of(board, row, "phantom").rank is not None
        assert {"from scratch", "generated images"} <= set(row.facts.labels)
        (curve,) = row.curves
        assert curve.contaminated == "trained on the train split of this data set"
        assert [p.resolution for p in curve.points] == [
            str(r) for r in task_cards()["phantom"].resolutions
        ]
        for point in curve.points:
            assert point.accuracy is not None and point.claimed is not None
            assert point.claimed == pytest.approx(point.accuracy.value, abs=1e-3)
            assert point.blind is not None and point.blind.n == point.cell.n == pinned("phantom")
            assert point.repeat is not None and point.repeat.agreeing == point.repeat.n == 20


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("strategy", ["low", "native", "mixed", "weighted"])
def test_the_study_has_ranked_rows_on_blood_cells(board: Board, strategy: str, seed: int) -> None:
    row = row_of(board, f"pbc56-{strategy}-{seed}")
    assert row.status in ("re-run", "verified")
    line = line_of(board, row, "pbc")
    assert line.rank is not None
    assert [each.facts.pretrained for each in line.rows] == [
        f"pbc56-{strategy}-{number}" for number in (0, 1, 2)
    ]
    assert {"small model", "from scratch", "weights not published"} <= set(row.facts.labels)
    (curve,) = row.curves
    assert curve.contaminated == "trained on the train split of this data set"
    assert [p.resolution for p in curve.points] == [str(r) for r in task_cards()["pbc"].resolutions]
    assert any(point.claimed is not None for point in curve.points)
    for point in curve.points:
        assert point.accuracy is not None
        if point.claimed is not None:
            assert point.claimed == pytest.approx(point.accuracy.value, abs=1e-3)
        assert point.blind is not None and point.blind.n == point.cell.n == pinned("pbc")
        assert point.repeat is not None and point.repeat.agreeing == point.repeat.n == 20


def test_published_figures_stand_beside_and_no_submission_is_refused(board: Board) -> None:
    assert board.published and board.refused == ()


@pytest.mark.parametrize("strategy", ["low", "native", "mixed"])
def test_the_study_has_rows_on_vqa_rad(board: Board, strategy: str) -> None:
    row = row_of(board, f"vqa56-{strategy}-0")
    assert row.status in ("re-run", "verified")
    assert {"small model", "from scratch", "weights not published"} <= set(row.facts.labels)
    modes = {curve.answer_mode: curve.n for curve in row.curves}
    # closed questions without options are in the record, and in no curve
    samples = pin("vqa_rad").by_id.values()
    open_ones = sum(one.form == "open" for one in samples)
    assert modes == {
        "rank": sum(bool(one.choices) and one.form == "closed" for one in samples),
        "open": open_ones,
    }
    assert 0 < open_ones < len(samples) - modes["rank"]


def test_no_row_that_does_not_look_has_a_rank_and_the_first_one_looks(board: Board) -> None:
    lines = [line for scope in board.scopes for line in scope.lines]
    blind = [
        line for line in lines if any(c.looks is not True for runs in line.curves for c in runs)
    ]
    assert blind and all(line.rank is None for line in blind)
    assert {row.facts.pretrained for line in blind for row in line.rows} >= {
        f"vqa56-{strategy}-0" for strategy in ("low", "native", "mixed")
    }
    assert board.scopes[0].lines[0].place == 1
    for scope in board.scopes:
        ranked = [line for line in scope.lines if line.rank is not None]
        assert list(scope.lines[: len(ranked)]) == ranked
        scores = [line.score.value for line in ranked if line.score]
        assert scores == sorted(scores, reverse=True)
