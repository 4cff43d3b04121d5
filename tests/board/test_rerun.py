"""Repeating: the samples drawn, their verdicts compared, and the real run through lmms-eval."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from synthetic_board import CURVE, facts, new_board, score_of, submit
from test_validate import answers, document

from resolution_eval import cli
from resolution_eval.board.checks import check_submission
from resolution_eval.board.ledger import LEDGER, BoardLedger
from resolution_eval.board.rerun import Rerun, RerunPlan, compared, drawn, rerun
from resolution_eval.ground import paths
from resolution_eval.ground.errors import UsageError
from resolution_eval.records import Answers, Record, read_record

PLAN = RerunPlan(samples=5, seed=1, by="me", pretrained="synthetic/one")


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return score_of(submit(new_board(tmp_path_factory.mktemp("rerun")), facts()))


def test_the_samples_follow_from_the_record_and_a_seed(score: Path) -> None:
    record = read_record(score)
    first = drawn(record, score, PLAN)
    assert first == drawn(record, score, PLAN) and len(set(first)) == 5
    other = RerunPlan(samples=5, seed=2, by="me", pretrained="synthetic/one")
    assert drawn(record, score, other) != first
    every = RerunPlan(samples=10**9, seed=1, by="me", pretrained="synthetic/one")
    assert len(drawn(record, score, every)) == 24


def again(record: Record, samples: int, **changes: object) -> Record:
    """The record of a repetition of the first samples, with columns of the first row changed."""
    names = sorted(set(record.answers.column("sample")))[:samples]
    rows = [row for row in record.answers.rows() if row["sample"] in names]
    rows[0] |= changes
    return record.model_copy(update={"answers": Answers.from_rows(rows)})


def test_each_cell_is_compared_on_the_repeated_samples_alone(score: Path) -> None:
    record = read_record(score)
    first = record.answers.rows()[0]
    cells = compared(record, [again(record, 5)])
    assert [(cell.resolution, cell.of, cell.n, cell.agreeing) for cell in cells] == [
        (resolution, 24, 5, 5) for resolution in CURVE
    ]
    assert all(cell.agrees and cell.correct == cell.recorded_correct for cell in cells)
    changed, *others = compared(record, [again(record, 5, correct=1 - first["correct"])])
    assert (changed.agreeing, changed.agrees) == (4, False)
    assert abs(changed.correct - changed.recorded_correct) == 1
    assert all(cell.agrees for cell in others)


def test_another_grid_is_no_repetition(score: Path) -> None:
    record = read_record(score)
    changed, *_ = compared(record, [again(record, 5, grid_height=8)])
    assert (changed.agreeing, changed.same_grid, changed.agrees) == (5, 4, False)


def test_a_sample_that_failed_when_repeated_is_not_a_wrong_one(score: Path) -> None:
    record = read_record(score)
    changed, *_ = compared(record, [again(record, 5, correct=None)])
    assert (changed.failed, changed.agrees) == (1, False)
    made = Rerun(
        records={}, seed=1, by="me", date="d", hardware="h", versions={}, cells=(changed,)
    ).repeats()
    assert made[changed.key].accuracy == changed.correct / 4


def test_no_sample_repeated_is_no_agreement(score: Path) -> None:
    cell, *_ = compared(read_record(score), [])
    assert cell.n == 0 and not cell.agrees


@pytest.mark.parametrize("pretrained", ["x,trust_remote_code=True", "a b", "x=y", ""])
def test_a_name_that_would_add_arguments_is_not_run(score: Path, pretrained: str) -> None:
    board = score.parents[3]
    checked = check_submission(score.parent, board, BoardLedger(submissions={}))
    assert checked.submission is not None and checked.faults == ()
    plan = RerunPlan(samples=1, seed=1, by="me", pretrained=pretrained)
    with pytest.raises(UsageError, match="no plain name or path"):
        rerun(checked.submission, checked.records, plan)


def test_a_refused_submission_is_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = new_board(tmp_path)
    folder = submit(board, facts())
    document(folder, lambda d: d["environment"].update(limit=8))
    arguments = ["--board", str(board), "--seed", "1", "--by", "me"]
    assert cli.main(["leaderboard", "rerun", str(folder), *arguments]) == 1
    assert "environment.limit" in capsys.readouterr().err


def test_a_repeated_control_counts_and_is_no_score(score: Path) -> None:
    blind = next(
        read_record(path)
        for path in score.parent.glob("*.record.json")
        if read_record(path).blind is not None
    )
    first = blind.answers.rows()[0]
    doctored = compared(blind, [again(blind, 5, correct=1 - first["correct"])])
    assert {cell.shown for cell in doctored} == {"mean image"}
    found = Rerun(records={}, seed=1, by="m", date="d", hardware="h", versions={}, cells=doctored)
    assert not found.agrees and found.repeats() == {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_embedded_checkpoint_repeats_and_a_forged_record_of_it_does_not(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    board = tmp_path / "leaderboard"
    (board / "records").mkdir(parents=True)
    shutil.copytree(paths.leaderboard() / "samples", board / "samples")
    model = "resolution-eval__embedded-low"
    shutil.copytree(paths.leaderboard() / "records" / model, board / "records" / model)
    (folder,) = (board / "records" / model).iterdir()
    (folder / "rerun.json").unlink(missing_ok=True)
    said = "the weights that this package embeds"
    arguments = ["--board", str(board), "--seed", "4711", "--by", "me", "--samples", "12"]
    arguments += ["--vouch", said]
    assert cli.main(["leaderboard", "rerun", str(folder), *arguments]) == 0
    assert capfd.readouterr().out.count("agrees, 12 of 12 verdicts") == 10
    found = json.loads((folder / "rerun.json").read_text(encoding="utf-8"))
    assert [cell["n"] for cell in found["cells"]] == [12] * 10
    assert sorted({cell["shown"] for cell in found["cells"]}) == ["image", "mean image"]

    def forge(rows: list[dict[str, object]]) -> None:
        """All right at 64 pixels, with choices' scores that say so."""
        pin = json.loads((board / "samples" / "phantom.json").read_text(encoding="utf-8"))
        for row in rows:
            if row["resolution"] == "64":
                scores = [float(choice == row["target"]) for choice in pin["choices"]]
                row |= {"correct": 1, "prediction": row["target"], "choice_scores": scores}

    for path in (folder / "rerun.json", board / LEDGER):
        path.unlink()  # a forger's submission is new
    answers(forge)(folder)
    found = check_submission(folder, board, BoardLedger(submissions={}), vouched=said)
    assert found.faults == ()
    assert cli.main(["leaderboard", "rerun", str(folder), *arguments]) == 1
    told = [line for line in capfd.readouterr().out.splitlines() if line.startswith("phantom_res")]
    differs = [line for line in told if " DIFFERS" in line]
    assert len(told) == 10 and len(differs) == 1 and " 64, shown image" in differs[0]
