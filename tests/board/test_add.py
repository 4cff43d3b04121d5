"""Adding a submission: facts from records and options, nothing written unless all is valid."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from synthetic_board import CURVE, REVISION, facts, new_board, submit

from resolution_eval import cli
from resolution_eval.board.rows import load_board


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lmms-eval would have written for one checkpoint: a score and its blind control."""
    home = tmp_path_factory.mktemp("results")
    submit(new_board(home), facts())
    (run,) = (home / "runs").iterdir()
    return run


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return new_board(tmp_path)


GIVEN = ("--submitter", "me", "--licence", "MIT", "--trained-on", "")


def add(board: Path, results: Path, *arguments: str) -> int:
    return cli.main(["leaderboard", "add", str(results), "--board", str(board), *arguments])


def test_facts_come_from_the_records_and_the_options(
    board: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = board.parent / "claims.json"
    claims.write_text('[{"task": "phantom_res", "resolution": "64", "accuracy": 0.99}]')
    labels = ("--labels", "synthetic, small", "--parameters", "7", "--claims", str(claims))
    assert add(board, results, *GIVEN, *labels) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder == board / "records" / "synthetic__one" / REVISION
    found = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
    assert (found["model"], found["pretrained"], found["revision"]) == (
        "synthetic/one",
        "synthetic/one",
        REVISION,
    )
    assert (found["training"], found["strategy"]) == ("fixed:64", "native")
    assert (found["labels"], found["parameters"]) == (["synthetic", "small"], 7)
    (row,) = load_board(board).rows
    last = row.curves[0].points[-1]
    assert (row.status, last.claimed) == ("re-scored", 0.99)
    assert last.accuracy is not None and last.accuracy.value == pytest.approx(CURVE["64"], abs=0.3)
    assert last.blind is not None


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ("--submitter", "give --submitter"),
        ("--licence", "give --licence"),
        ("--trained-on", "give --trained-on"),
    ],
)
def test_what_is_not_said_is_asked_for(
    board: Path, results: Path, left_out: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = GIVEN.index(left_out)
    assert add(board, results, *GIVEN[:place], *GIVEN[place + 2 :]) == 1
    assert said in capsys.readouterr().err
    assert list((board / "records").iterdir()) == []


def test_a_run_without_its_blind_control_is_not_added(
    board: Path, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for path in results.glob("20260102_0304*"):
        shutil.copy(path, alone)
    assert add(board, alone, *GIVEN) == 1
    said = capsys.readouterr().err
    assert "no blind control; run with blind=true" in said and "not added, 1 faults" in said
    assert list((board / "records").iterdir()) == []


def test_a_blind_run_in_a_folder_of_its_own_is_found(
    board: Path, results: Path, tmp_path: Path
) -> None:
    for name, date in (("seen", "0304"), ("blind", "0405")):
        (tmp_path / name).mkdir()
        for path in results.glob(f"20260102_{date}*"):
            shutil.copy(path, tmp_path / name)
    both = [str(tmp_path / "seen"), str(tmp_path / "blind")]
    assert cli.main(["leaderboard", "add", *both, "--board", str(board), *GIVEN]) == 0


def test_a_submission_is_added_once(
    board: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(board, results, *GIVEN) == 0
    assert add(board, results, *GIVEN) == 1
    assert "is there already" in capsys.readouterr().err


def test_a_name_cannot_leave_the_folder(
    board: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(board, results, *GIVEN, "--model", "../../evil") == 1
    assert add(board, results, *GIVEN, "--revision", "../../../evil") == 1
    assert "Traceback" not in capsys.readouterr().err
    assert not list(board.parent.rglob("*evil*"))


def test_status_lists_what_was_added(
    board: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(board, results, *GIVEN)
    capsys.readouterr()
    assert cli.main(["leaderboard", "status", "--board", str(board)]) == 0
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last[1:] == ["re-scored", "2", "0"]


def test_a_strategy_that_is_none_says_which_was_meant(board: Path, results: Path, capsys) -> None:
    assert add(board, results, *GIVEN, "--strategy", "nativ") == 1
    assert "there is no 'nativ'; did you mean 'native'?; give --strategy" in capsys.readouterr().err
