"""Agreement: verdicts turned right are found with the stated power, and honest runs pass."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from synthetic_board import CURVE, REVISION, facts, new_board, score_of, submit
from test_rows import enter

from resolution_eval.board.rerun import CellRepeat, Rerun, as_repeated, compared
from resolution_eval.board.rows import load_board
from resolution_eval.board.submission import RERUN
from resolution_eval.ground.files import file_digest
from resolution_eval.records import Answers, Record, read_record
from resolution_eval.statistics.agreement import (
    FORGED,
    LEVEL,
    NOISE,
    POWER,
    Flips,
    lean,
    needed,
    power,
)

DOCS = Path(__file__).parents[2] / "docs"


def turned(rows: list[dict[str, object]], share: float, *, right: bool) -> list[dict[str, object]]:
    """The rows with a share of each resolution's verdicts turned, the first that can be."""
    for resolution in CURVE:
        at = [row for row in rows if row["resolution"] == resolution]
        wanted = [row for row in at if row["correct"] == int(not right)]
        for row in wanted[: round(share * len(at))]:
            row["correct"] = int(right)
    return rows


def rerun_of(record: Record, again: Record) -> Rerun:
    cells = tuple(compared(record, [again]))
    return Rerun(records={}, seed=1, by="me", date="d", hardware="h", versions={}, cells=cells)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = submit(new_board(tmp_path_factory.mktemp("many"), 200), facts())
    return read_record(score_of(folder))


def changed(record: Record, share: float, *, right: bool) -> Record:
    rows = turned(record.answers.rows(), share, right=right)
    return record.model_copy(update={"answers": Answers.from_rows(rows)})


def test_five_in_a_hundred_verdicts_turned_right_do_not_agree(record: Record) -> None:
    forged = changed(record, 0.05, right=True)
    found = rerun_of(forged, record)
    assert all(cell.agrees for cell in found.cells), "each cell alone is within its tolerance"
    assert found.leans and not found.agrees


def test_verdicts_made_worse_without_the_image_do_not_agree(record: Record) -> None:
    hidden = record.model_copy(update={"shown": "mean image"})
    forged = changed(hidden, 0.05, right=False)
    assert rerun_of(forged, hidden).leans


def test_a_better_image_and_a_worse_control_are_one_direction(record: Record) -> None:
    image = rerun_of(changed(record, 0.01, right=True), record).cells
    hidden = record.model_copy(update={"shown": "mean image"})
    control = rerun_of(changed(hidden, 0.01, right=False), hidden).cells
    both = Rerun(
        records={}, seed=1, by="m", date="d", hardware="h", versions={}, cells=image + control
    )
    assert both.leans


def test_as_many_verdicts_to_either_side_agree(record: Record) -> None:
    rows = turned(record.answers.rows(), 0.02, right=True)
    rows[:] = turned(rows[::-1], 0.02, right=False)
    other = record.model_copy(update={"answers": Answers.from_rows(rows)})
    assert rerun_of(other, record).agrees


def test_what_a_repetition_shows_follows_from_its_samples() -> None:
    assert Flips(20, 0, 0).within == pytest.approx(1 - 0.05 ** (1 / 20))
    assert Flips(300, 3, 3).within == pytest.approx(stats.beta.ppf(0.95, 4, 297))
    assert Flips(0, 0, 0).within == 1 and Flips(5, 5, 0).within == 1


def test_twenty_samples_never_sufficed_and_the_default_does() -> None:
    assert power(20, 5) < 0.01
    for cells in (1, 5, 10):
        assert power(needed(cells), cells) >= POWER > power(needed(cells) - 15, cells)


@pytest.mark.whole
def test_power_and_level_are_those_of_simulated_re_runs() -> None:
    """A plain loop over drawn verdicts, 600 re-runs of ten cells each, seed 5."""
    generator, cells = np.random.default_rng(5), 10
    n, found, alarms = needed(cells), 0, 0
    for _ in range(600):
        lost, gained = generator.binomial(n, NOISE, cells), generator.binomial(n, NOISE, cells)
        honest = [Flips(n, int(a), int(b)) for a, b in zip(lost, gained, strict=True)]
        alarms += lean(honest)
        more = int(generator.binomial(n, FORGED))
        found += lean([Flips(n, honest[0].lost + more, honest[0].gained), *honest[1:]])
    assert found / 600 >= POWER - 3 * np.sqrt(POWER * (1 - POWER) / 600)
    assert alarms / 600 <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 600)


def test_a_full_re_run_s_own_verdicts_make_the_score(tmp_path: Path) -> None:
    board = new_board(tmp_path, 200)
    folder = submit(board, facts())
    claimed = load_board(board).rows[0].curves[0]
    truth = changed(read_record(score_of(folder)), 0.005, right=False)

    def repeat() -> None:
        cells: list[CellRepeat] = []
        for path in sorted(folder.glob("*.record.json")):
            one = read_record(path)
            cells += compared(one, [truth if one.blind is None else one])
        found = Rerun(
            records={path.name: file_digest(path) for path in folder.glob("*.record.json")},
            seed=1,
            by="maintainer",
            date="2026-01-03",
            hardware="synthetic",
            versions={},
            revision=REVISION,
            pretrained="synthetic/one",
            cells=tuple(cells),
        )
        (folder / RERUN).write_text(found.model_dump_json(), encoding="utf-8")

    enter(board, repeat)
    (row,) = load_board(board).rows
    assert row.status == "verified"
    for point, before in zip(row.curves[0].points, claimed.points, strict=True):
        assert point.cell.correct == before.cell.correct - 1
        assert point.accuracy is not None and before.accuracy is not None
        assert point.accuracy.value == pytest.approx(before.accuracy.value - 0.005)
    assert row.curves[0].score is not None and claimed.score is not None
    assert row.curves[0].score.value < claimed.score.value


def test_a_re_run_without_all_verdicts_leaves_the_record_as_it_is(record: Record) -> None:
    found = rerun_of(record, record)
    assert as_repeated(record, found).cells == record.cells
    less = found.model_copy(update={"cells": found.cells[1:]})
    assert as_repeated(record, less) is record


@pytest.mark.parametrize(
    "changes",
    [{"n": 25}, {"agreeing": 25}, {"correct": 20, "failed": 5}, {"verdicts": "1" * 23}],
)
def test_a_re_run_whose_counts_contradict_each_other_is_refused(changes: dict[str, object]) -> None:
    sound: dict[str, object] = {
        "task": "t",
        "scheme": "match",
        "filter": "bicubic",
        "answer_mode": "rank",
    }
    sound |= {"resolution": "28", "of": 24, "n": 24, "agreeing": 24, "same_grid": 24}
    sound |= {"recorded_correct": 12, "correct": 12}
    assert CellRepeat(**sound).agrees
    with pytest.raises(ValueError, match=r"verdicts|counts"):
        CellRepeat(**{**sound, **changes})


def test_no_documented_re_run_has_a_seed_that_a_submitter_can_read() -> None:
    for page in sorted(DOCS.rglob("*.md")):
        for line in page.read_text(encoding="utf-8").splitlines():
            if re.match(r"\s*resolution-eval leaderboard rerun", line):
                assert "--seed" not in line, page
