"""Rows: ranked by interval, refused ones named, published ones apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_board import CURVE, facts, submit

from resolution_eval.board import Board, load_board, read_published
from resolution_eval.errors import RecordError


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("board") / "leaderboard"
    good = dict.fromkeys(CURVE, 0.95)
    submit(folder, facts("synthetic/good"), {"phantom_res": good}, samples=80)
    submit(folder, facts("synthetic/close"), {"phantom_res": {**good, "64": 0.85}}, samples=80)
    submit(folder, facts("synthetic/bad", trained_on=["phantom"]), samples=80)
    submit(folder, facts("synthetic/short"), {"phantom_res": {"16": 0.5, "64": 0.5}})
    broken = submit(folder, facts("synthetic/broken"))
    (broken / "submission.json").write_text("{", encoding="utf-8")
    return load_board(folder)


def test_a_rank_counts_only_the_intervals_that_lie_wholly_above(board: Board) -> None:
    ranks = {row.facts.title: row.rank for row in board.rows}
    assert ranks == {"good": 1, "close": 1, "bad": 3, "short": None}
    assert [row.facts.title for row in board.rows][-2:] == ["bad", "short"]


def test_declaring_training_data_marks_the_cells_and_costs_no_rank(board: Board) -> None:
    marked = {row.facts.title: row.curves[0].contaminated for row in board.rows}
    assert marked["bad"] == "trained on this data set" and marked["good"] is None


def test_a_curve_that_lacks_resolutions_of_its_card_is_shown_without_a_score(board: Board) -> None:
    (short,) = (row for row in board.rows if row.facts.title == "short")
    assert short.score is None and short.curves[0].area is None
    assert short.curves[0].withheld == "the sweep lacks 24, 32, 48"
    assert [point.resolution for point in short.curves[0].points] == ["16", "64"]


def test_an_unreadable_submission_is_named_and_changes_no_other(board: Board) -> None:
    (refused,) = board.refused
    assert refused.folder.startswith("synthetic__broken/") and "not JSON" in refused.reason
    assert len(board.rows) == 4


def test_points_carry_interval_grid_and_tokens(board: Board) -> None:
    (curve,) = board.rows[0].curves
    point = curve.points[-1]
    assert point.accuracy is not None and point.accuracy.low < point.accuracy.value
    assert (point.grid, point.tokens, point.n) == ((64, 64), 256.0, 80)
    assert (curve.reference, curve.chance, curve.clusters) == ("64", 0.125, 40)


def test_published_rows_keep_the_printed_figures_and_their_source() -> None:
    rows = read_published()
    assert len(rows) == 8 + 17 and len({row.key for row in rows}) == len(rows)
    by_name = {row.model: row for row in rows}
    assert by_name["LP DINO"].cells[-1].accuracy_percent == 96.14
    assert by_name["LP DINO"].source.url == "https://arxiv.org/abs/2404.15786"


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not a folder"):
        load_board(tmp_path)
