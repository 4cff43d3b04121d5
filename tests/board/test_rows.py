"""Rows: ranked by interval, refused ones named, published ones apart, the ladder earned."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from synthetic_board import CURVE, REVISION, facts, new_board, score_of, submit, vouch

from resolution_eval.analysis import curve
from resolution_eval.board.board_schema import Estimate
from resolution_eval.board.checks import check_board
from resolution_eval.board.ledger import LEDGER, BoardLedger, accept, write_ledger
from resolution_eval.board.published_figures import read_published
from resolution_eval.board.rerun import CellRepeat, Rerun
from resolution_eval.board.rows import Board, inherited, load_board
from resolution_eval.board.submission import RERUN, Facts
from resolution_eval.data.cards import task_cards
from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.files import file_digest
from resolution_eval.records import read_record


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = new_board(tmp_path_factory.mktemp("rows"), samples=80)
    good = dict.fromkeys(CURVE, 0.95)
    submit(folder, facts("synthetic/good"), {"phantom_res": good})
    submit(folder, facts("synthetic/close"), {"phantom_res": {**good, "64": 0.85}})
    submit(folder, facts("synthetic/bad", trained_on=["phantom:train"]))
    submit(folder, facts("synthetic/child", base="synthetic/bad"))
    submit(folder, facts("synthetic/short"), {"phantom_res": {"16": 0.5, "64": 0.5}})
    claims = [{"task": "phantom_res", "resolution": "64", "accuracy": 0.99}]
    only = folder / "records" / "synthetic__told" / ("0" * 40)
    only.mkdir(parents=True)
    declared = facts("synthetic/told", "0" * 40, claims=claims)
    (only / "submission.json").write_text(json.dumps(declared), encoding="utf-8")
    broken = submit(folder, facts("synthetic/broken"))
    vouch(folder)
    (broken / "submission.json").write_text("{", encoding="utf-8")
    return load_board(folder)


def test_a_rank_names_every_place_that_the_samples_leave_open(board: Board) -> None:
    (scope,) = (each for each in board.scopes if each.kind == "dataset")
    found = {line.rows[0].facts.title: (line.place, line.rank) for line in scope.lines}
    assert found["good"] == (1, (1, 2)) and found["close"] == (2, (1, 2))
    assert {found["bad"][1], found["child"][1]} == {(3, 4)}
    assert found["short"] == (None, None)
    assert [row.facts.title for row in board.rows[:2]] == ["good", "close"]
    assert board.rows[-1].facts.title == "told"


def test_the_score_is_the_gain_over_the_floor_paired_with_the_blind_answers(board: Board) -> None:
    """Worked out again by hand: the area, and the best blind column, on the same samples."""
    (curve,) = board.rows[0].curves
    r = np.log2([16, 24, 32, 48, 64])
    weights = np.array([np.interp(r, r, line) for line in np.eye(5)])
    weights = np.trapezoid(weights, r, axis=1) / (r[-1] - r[0])
    area = float(weights @ [point.accuracy.value for point in curve.points])
    blind = [point.blind.accuracy for point in curve.points]
    targets = Counter(curve.record.answers.column("target"))
    constant = max(targets.values()) / targets.total()
    floor = max(0.125, constant, *blind)
    assert curve.area is not None and curve.area.value == pytest.approx(area)
    assert curve.score is not None
    assert curve.score.value == pytest.approx((area - floor) / (1 - floor))


def test_curve_and_report_have_the_same_figures(board: Board) -> None:
    row = board.rows[0]
    (shown,) = row.curves
    folder = shown.record_path.parent
    records = [read_record(path) for path in sorted(folder.glob("*.record.json"))]
    (score,) = (record for record in records if record.blind is None)
    found = curve(score, blind=[record for record in records if record.blind])
    for name, figure in (
        ("area", shown.area),
        ("gain", shown.score),
        ("best_drop", shown.best_drop),
    ):
        value = found.figures[name]
        assert figure == Estimate(value.estimate, value.low, value.high)


def test_accuracy_at_a_budget_of_tokens_is_that_of_the_next_fewer(board: Board) -> None:
    (found,) = board.rows[0].curves
    tokens = {point.resolution: point.tokens for point in found.points}
    assert tokens == {"16": 16.0, "24": 36.0, "32": 64.0, "48": 144.0, "64": 256.0}
    taken = [(each.most, each.resolution, each.tokens) for each in found.budgets]
    assert taken == [(64, "32", 64.0), (256, "64", 256.0), (1024, "64", 256.0)]
    assert found.budgets[0].accuracy == found.points[2].accuracy


def test_declaring_training_data_marks_the_cells_and_costs_no_rank(board: Board) -> None:
    marked = {row.facts.title: row.curves[0].contaminated for row in board.rows if row.curves}
    assert marked["bad"] == "trained on the train split of this data set"
    assert marked["good"] is None


def test_training_data_is_inherited_from_the_base(board: Board) -> None:
    (child,) = (row for row in board.rows if row.facts.title == "child")
    said = "its base synthetic/bad was trained on the train split of this data set"
    assert child.curves[0].contaminated == said


def test_what_any_revision_of_a_base_saw_is_inherited() -> None:
    def of(model: str, revision: str, **changes: object) -> Facts:
        return Facts.model_validate(facts(model, revision, **changes))

    old = of("lab/base", "1" * 40, trained_on=["phantom"], base="lab/root")
    new = of("lab/base", "2" * 40, trained_on=["pbc"])
    root = of("lab/root", "3" * 40, trained_on=["slake"])
    child = of("lab/child", "4" * 40, base="lab/base")
    for revisions in ((old, new), (new, old)):
        found = inherited(child, {"lab/base": revisions, "lab/root": [root]})
        assert found == {"phantom": "lab/base", "pbc": "lab/base", "slake": "lab/root"}


def test_a_curve_that_lacks_resolutions_of_its_card_is_shown_without_a_score(board: Board) -> None:
    (short,) = (row for row in board.rows if row.facts.title == "short")
    assert short.scored_on == () and short.curves[0].score is None
    assert short.curves[0].area is None and short.curves[0].best_drop is None
    assert short.curves[0].withheld == "the sweep lacks 24, 32, 48"
    assert [point.resolution for point in short.curves[0].points] == ["16", "64"]


def test_a_claim_without_answers_is_shown_as_claimed_and_not_ranked(board: Board) -> None:
    (row,) = (row for row in board.rows if row.facts.title == "told")
    assert (row.status, row.curves) == ("claimed", ())
    assert row.facts.claims[0].accuracy == 0.99


def test_a_refused_submission_is_named_and_changes_no_other(board: Board) -> None:
    (refused,) = board.refused
    assert refused.folder.startswith("synthetic__broken/") and "not JSON" in refused.reason
    assert len(board.rows) == 6


def test_points_carry_interval_grid_tokens_cost_and_blind_control(board: Board) -> None:
    (curve,) = board.rows[0].curves
    point = curve.points[-1]
    assert point.accuracy is not None and point.accuracy.low < point.accuracy.value
    assert (point.grid, point.tokens, point.cell.n) == ((64, 64), 256.0, 80)
    assert point.blind is not None and point.blind.kind == "mean image" and point.blind.n == 80
    assert point.throughput == 4.0
    assert (curve.reference, curve.chance, curve.clusters) == ("64", 0.125, 40)


def test_a_score_without_a_wrong_answer_is_not_sure(tmp_path: Path) -> None:
    board = new_board(tmp_path)
    submit(board, facts(), {"phantom_res": dict.fromkeys(CURVE, 1.1)})
    (row,) = load_board(board).rows
    for found in (row.curves[0].score, row.curves[0].area):
        assert found is not None and found.value == found.high == 1 and found.low < 0.95


def test_what_weighs_and_what_is_shown_of_a_data_set_is_the_cards(tmp_path: Path) -> None:
    board = new_board(tmp_path)
    poor, good = dict.fromkeys(CURVE, 0.2), {"28": 0.9, "64": 0.9, "128": 0.9, "224": 0.9}
    folder = submit(board, facts(), {"phantom_res": poor, "pathmnist_res": good})
    (fair,) = load_board(board).rows
    for path in folder.glob("*.record.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        document["dataset"] |= {"modality": document["task"], "title": "Forged", "licence": "none"}
        path.write_text(json.dumps(document), encoding="utf-8")
    (forged,) = load_board(board).rows
    assert [each.score for each in forged.curves] == [each.score for each in fair.curves]
    for each in forged.curves:
        card = task_cards()[each.dataset]
        stated = (each.modality, each.title, each.licence)
        assert stated == (card.modality, card.title, card.licence)


def test_published_rows_keep_the_printed_figures_and_their_source() -> None:
    rows = read_published()
    assert len(rows) == 8 + 17 and len({row.key for row in rows}) == len(rows)
    by_name = {row.model: row for row in rows}
    assert by_name["LP DINO"].cells[-1].accuracy_percent == 96.14
    assert by_name["LP DINO"].source.url == "https://arxiv.org/abs/2404.15786"


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not a folder"):
        load_board(tmp_path)


def repeat(folder: Path, n: int, agreeing: int) -> None:
    """Write what maintainers would have found when they repeated `n` samples of each cell."""
    cells = tuple(
        CellRepeat(
            task="phantom_res",
            scheme="match",
            filter="bicubic",
            answer_mode="rank",
            resolution=resolution,
            of=24,
            n=n,
            agreeing=agreeing,
            same_grid=n,
            recorded_correct=n // 2,
            correct=n // 2,
        )
        for resolution in CURVE
    )
    record = score_of(folder)
    found = Rerun(
        records={record.name: file_digest(record)},
        seed=1,
        by="maintainer",
        date="2026-01-03",
        hardware="synthetic",
        versions={},
        revision=REVISION,
        pretrained="synthetic/one",
        cells=cells,
    )
    (folder / RERUN).write_text(found.model_dump_json(), encoding="utf-8")


@pytest.mark.parametrize(
    ("n", "agreeing", "status"),
    [
        (20, 20, "re-run"),
        (20, 19, "re-run"),
        (20, 18, "re-scored"),
        (24, 24, "verified"),
    ],
)
def test_a_repetition_counts_where_it_agrees(
    tmp_path: Path, n: int, agreeing: int, status: str
) -> None:
    board = new_board(tmp_path)
    folder = submit(board, facts())
    enter(board, lambda: repeat(folder, n, agreeing))
    (row,) = load_board(board).rows
    assert row.status == status
    assert row.curves[0].points[0].repeat is not None


def enter(board: Path, repeated: Callable[[], object]) -> None:
    """Enter the one submission of the board, and what `repeated` finds, as `rerun` does."""
    (each,) = check_board(board).submissions
    assert each.submission is not None and each.faults == ()
    repeated()
    entry = accept(each.submission, each.records, by="maintainer", date="2026-01-03", repeated=True)
    write_ledger(BoardLedger(submissions={each.submission.key: entry}), board / LEDGER)


def test_a_record_added_after_the_repetition_is_not_repeated(tmp_path: Path) -> None:
    board = new_board(tmp_path)
    both = {"phantom_res": CURVE, "pathmnist_res": {"28": 0.5, "64": 0.5, "128": 0.5, "224": 0.5}}
    folder = submit(board, facts(), both)
    enter(board, lambda: repeat(folder, 24, 24))
    (row,) = load_board(board).rows
    assert row.status == "re-scored"
    assert {point.repeat for curve in row.curves for point in curve.points} == {None}


def test_the_maker_of_a_synthetic_score_can_tell_it_from_its_control(tmp_path: Path) -> None:
    folder = submit(new_board(tmp_path), facts())
    assert read_record(score_of(folder)).blind is None
