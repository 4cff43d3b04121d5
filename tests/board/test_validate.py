"""Validation: a sound submission is accepted, and every planted fault has its own message."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from synthetic_board import CURVE, REVISION, facts, new_board, score_of, submit

from resolution_eval import cli
from resolution_eval.board.checks import check_board
from resolution_eval.board.ledger import LEDGER
from resolution_eval.board.publish import record_files
from resolution_eval.board.rows import board_of
from resolution_eval.data.cards import task_cards
from resolution_eval.records import Answers
from resolution_eval.records.cells import cells, failures
from resolution_eval.records.store import answers_of

Plant = Callable[[Path], object]
"""Damages the submission in a folder."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board with one sound submission; tests copy it."""
    board = new_board(tmp_path_factory.mktemp("sound"))
    submit(board, facts())
    return board


@pytest.fixture
def board(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "leaderboard"))


def only(board: Path) -> Path:
    (folder,) = (board / "records").glob("*/sha256-*")
    return folder


def document(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the JSON of the score's record."""
    path = score_of(folder)
    found = json.loads(path.read_text(encoding="utf-8"))
    change(found)
    path.write_text(json.dumps(found, indent=2), encoding="utf-8")


def text(old: str, new: str) -> Plant:
    """Replace text in the score's record, once."""

    def plant(folder: Path) -> None:
        path = score_of(folder)
        found = path.read_text(encoding="utf-8")
        assert old in found
        path.write_text(found.replace(old, new, 1), encoding="utf-8")

    return plant


def declared(**changes: Any) -> Plant:
    """Change the declared facts, the folder following them."""

    def plant(folder: Path) -> None:
        path = folder / "submission.json"
        found = {**json.loads(path.read_text(encoding="utf-8")), **changes}
        path.write_text(json.dumps(found, indent=1), encoding="utf-8")

    return plant


def answers(change: Callable[[list[dict[str, Any]]], object]) -> Plant:
    """Change rows of the answers, and state digest, cells and failures anew, as a forger would."""

    def plant(folder: Path) -> None:
        path = score_of(folder)
        beside = answers_of(path)
        rows = pq.read_table(beside).to_pylist()
        change(rows)
        made = Answers.from_rows(rows)
        pq.write_table(made.table, beside)
        digest = hashlib.sha256(beside.read_bytes()).hexdigest()

        def restate(found: dict[str, Any]) -> None:
            found["answers_file"] |= {"sha256": digest, "rows": len(made)}
            if len({(one["sample"], one["resolution"]) for one in rows}) < len(rows):
                return  # no cells follow from those
            found["cells"] = [json.loads(cell.model_dump_json()) for cell in cells(made)]
            found["failures"] = [json.loads(each.model_dump_json()) for each in failures(made)]

        document(folder, restate)

    return plant


def row(change: dict[str, Any], number: int = 0) -> Plant:
    """Change one row of the answers."""
    return answers(lambda rows: rows[number].update(change))


def each_row(change: dict[str, Any]) -> Plant:
    return answers(lambda rows: [one.update(change) for one in rows])


def keeping(wanted: Callable[[dict[str, Any]], bool]) -> Callable[[list[dict[str, Any]]], object]:
    """Drop the rows that are not `wanted`."""
    return lambda rows: rows.__setitem__(slice(None), [one for one in rows if wanted(one)])


def rename(name: str) -> Plant:
    return lambda folder: folder.rename(folder.with_name(name))


def control(folder: Path) -> Path:
    (found,) = (p for p in folder.glob("*.record.json") if p != score_of(folder))
    return found


def lose_control(folder: Path) -> None:
    path = control(folder)
    answers_of(path).unlink()
    path.unlink()


def wrong(rows: list[dict[str, Any]]) -> None:
    """Count the first wrong answer as right, and leave the answer as it is."""
    first = next(one for one in rows if one["correct"] == 0)
    first["correct"] = 1


def copied(folder: Path) -> None:
    path = score_of(folder)
    name = path.name.replace(".record.json", "_again")
    found = json.loads(path.read_text(encoding="utf-8"))
    found["answers_file"]["name"] = f"{name}.answers.parquet"
    (folder / f"{name}.record.json").write_text(json.dumps(found), encoding="utf-8")
    shutil.copy(answers_of(path), folder / f"{name}.answers.parquet")


def deep(folder: Path) -> None:
    path = score_of(folder)
    path.write_text('{"cells": ' + "[" * 100 + "]" * 100 + "}", encoding="utf-8")


def outside(folder: Path) -> None:
    """Have the record name answers outside its folder."""
    document(folder, lambda d: d["answers_file"].update(name="../../../../etc/passwd"))


FAULTS: dict[str, tuple[Plant, str]] = {
    "a key is missing": (
        lambda f: document(f, lambda d: d.pop("prompt")),
        "prompt: Field required",
    ),
    "a key is unknown": (
        lambda f: document(f, lambda d: d.update(rank=1)),
        "rank: Extra inputs are not permitted",
    ),
    "a value is out of range, its line named": (
        text('"missing": 0', '"missing": -1'),
        "cells.0.missing: Input should be greater than or equal to 0",
    ),
    "a key stands twice": (text('"task":', '"task": "other_res",\n  "task":'), "stands twice"),
    "the schema is newer": (
        lambda f: document(f, lambda d: d.update(schema_version=99)),
        "schema version 99",
    ),
    "not JSON": (text("{", "{,"), "not JSON"),
    "not a number": (text('"limit": null', '"limit": NaN'), "holds NaN"),
    "too large for a number": (text('"limit": null', '"limit": 1e999'), "too large for a number"),
    "a huge number": (text('"wall_time": 12.5', '"wall_time": 1e300'), "a number above 1e+15"),
    "a very long text": (
        lambda f: document(f, lambda d: d.update(prompt="x" * 5000)),
        "5000 characters; at most 4000",
    ),
    "a text that reorders what is shown": (
        lambda f: document(f, lambda d: d.update(prompt="ab\u202ecd")),
        "prompt: holds U+202E",
    ),
    "half a character": (text('"prompt": "', '"prompt": "\\ud800'), "half a character"),
    "nested deeply": (deep, "nested deeper"),
    "the answers are not those of the record": (
        lambda f: answers_of(score_of(f)).write_bytes(b"PAR1"),
        "not the answers that",
    ),
    "the answers are missing": (lambda f: answers_of(score_of(f)).unlink(), "are missing"),
    "answers without a record": (
        lambda f: score_of(f).unlink(),
        "answers without their record",
    ),
    "answers elsewhere": (outside, "lie beside it under its name"),
    "a score that the answers do not give": (
        lambda f: document(f, lambda d: d["cells"][0].update(accuracy=0.999)),
        "do not follow from its answers",
    ),
    "a verdict that the answer does not give": (answers(wrong), "counted as 1, but the answer"),
    "a prediction that was not ranked first": (
        row({"choice_scores": [0.0] * 7 + [9.0], "prediction": "striped disc"}),
        "prediction 'striped disc', but the answer",
    ),
    "a choice's score that is no number": (
        row({"choice_scores": [float("nan")] * 8}),
        "are not all finite numbers",
    ),
    "too few choices": (row({"choice_scores": [0.5]}), "ranks 1 choices; the sample has 8"),
    "options in another order than the pinned one": (
        each_row({"options": task_cards()["phantom"].classes[::-1]}),
        "but the pin has ['",
    ),
    "a verdict without an answer": (
        row({"answer": None, "choice_scores": None}),
        "a verdict without an answer",
    ),
    "a figure of open answers on a closed one": (row({"f1": 0.5}), "f1 0.5, but"),
    "a failed sample counted as wrong": (
        row({"correct": 0, "failure_kind": "memory", "failure_message": "out of memory"}),
        "a failed sample has no verdict",
    ),
    "an encoder that received another grid": (
        each_row({"status": "mismatched", "grid_height": 448}),
        "not accepted",
    ),
    "attested without a grid": (
        row({"grid_height": None, "grid_width": None}),
        "attested, but the encoder received no grid",
    ),
    "unattested with a grid": (row({"status": "unattested"}), "unattested, yet with a grid"),
    "a status of no kind": (row({"status": "splendid"}), "status 'splendid'"),
    "more pixels than the resolution allows": (
        row({"information_width": 64, "information_height": 64}),
        "information of 64x64 px; a source of 64x64 at 16 gives 16x16",
    ),
    "a cap that the source contradicts": (row({"capped": True}), "capped is True"),
    "a grid as large as a city": (
        row({"grid_height": 2**30, "expected_height": 2**30}),
        "outside 0 to",
    ),
    "a sample that is not pinned": (row({"sample": "test/99999"}), "not among the 24 pinned"),
    "samples that differ between resolutions": (
        answers(lambda rows: rows.pop(0)),
        "every resolution needs the same samples",
    ),
    "a sample less everywhere": (
        answers(keeping(lambda one: one["sample"] != "test/00003")),
        "run without a limit",
    ),
    "another right answer than the pinned one": (
        answers(
            lambda rows: [
                o.update(target="striped pair") for o in rows if o["sample"] == "test/00003"
            ]
        ),
        "target 'striped pair', but the pin has",
    ),
    "another cluster than the pinned one": (
        each_row({"cluster": "all"}),
        "cluster 'all', but the pin has",
    ),
    "a sample answered twice": (
        answers(lambda rows: rows.append(dict(rows[0]))),
        "answered 2 times",
    ),
    "a name that is not shown": (row({"cluster": "a\u200bb"}), "cluster: holds U+200B"),
    "an endless answer": (row({"answer": "x" * 30_000}), "answer: longer than 20000"),
    "no blind control": (
        lambda f: document(f, lambda d: d["controls"].update(blind=[])),
        "no blind control",
    ),
    "a blind control without its run": (lose_control, "blind run is not in the submission"),
    "a blind control that its run contradicts": (
        lambda f: document(f, lambda d: d["controls"]["blind"][0].update(correct=0)),
        "the blind run's answers give",
    ),
    "no chance control": (
        lambda f: document(f, lambda d: d["controls"].update(chance=None)),
        "controls.chance is None",
    ),
    "another chance level": (
        lambda f: document(f, lambda d: d["controls"].update(chance=0.5)),
        "the chance level of phantom is 0.125",
    ),
    "a limited run": (
        lambda f: document(f, lambda d: d["environment"].update(limit=8)),
        "environment.limit 8",
    ),
    "an earlier version of the task": (
        lambda f: document(f, lambda d: d.update(task_version="0")),
        "task_version is '0', and the board's tasks are of version '1'",
    ),
    "demonstrations": (
        lambda f: document(f, lambda d: d["environment"].update(fewshot=4)),
        "environment.fewshot is 4",
    ),
    "shuffled options": (
        lambda f: document(f, lambda d: d["environment"].update(option_order="seeded:3")),
        "environment.option_order is 'seeded:3'",
    ),
    "unpinned data": (
        lambda f: document(f, lambda d: d["dataset"].update(revision="main")),
        "dataset.revision 'main', but the card pins 'phantoms-1'",
    ),
    "other data": (
        lambda f: document(f, lambda d: d["dataset"].update(fingerprint="f" * 64)),
        "other data",
    ),
    "a task of others": (
        lambda f: document(f, lambda d: d.update(task="mmlu")),
        "is none of ours",
    ),
    "a data set without pinned samples": (
        lambda f: (f.parents[2] / "samples" / "phantom.json").unlink(),
        "has no pinned samples",
    ),
    "unpinned checkpoint": (
        lambda f: document(f, lambda d: d["checkpoint"].update(revision=None)),
        "checkpoint.revision is unknown",
    ),
    "another revision of the checkpoint": (
        lambda f: document(f, lambda d: d["checkpoint"].update(revision="0" * 40)),
        f"but the submission is of {REVISION}",
    ),
    "another checkpoint": (
        lambda f: document(f, lambda d: d["checkpoint"].update(name="other/model")),
        "checkpoint.name 'other/model'",
    ),
    "no training resolution": (
        lambda f: document(f, lambda d: d["checkpoint"].update(training="unknown")),
        "checkpoint.training is unknown",
    ),
    "another training resolution than declared": (
        declared(training="fixed:16"),
        "declares fixed:16",
    ),
    "an undeclared training resolution": (declared(training="unknown"), "must be declared"),
    "no evidence of the training resolution": (
        declared(training_evidence=""),
        "training_evidence: String should have at least 1 character",
    ),
    "a branch for a revision": (rename("main"), "a branch or tag would move"),
    "a folder that is not that of the facts": (
        declared(model="synthetic/two"),
        "belong into synthetic__two/",
    ),
    "facts in another language": (
        lambda f: (f / "submission.json").write_text("model = 'x'"),
        "not JSON",
    ),
    "facts missing": (lambda f: (f / "submission.json").unlink(), "submission.json is missing"),
    "a title with a bidirectional override": (declared(title="a\u202eb"), "U+202E"),
    "an address that is a script": (
        declared(training_evidence_url="javascript:alert(1)"),
        "training_evidence_url",
    ),
    "a checkpoint's name that adds arguments": (
        declared(pretrained="x,trust_remote_code=True"),
        "pretrained",
    ),
    "an impossible number of parameters": (declared(parameters=0), "parameters"),
    "a claim above everything": (
        declared(claims=[{"task": "phantom_res", "resolution": "64", "accuracy": 1.5}]),
        "claims.0.accuracy",
    ),
    "a claim made twice": (
        declared(
            claims=[{"task": "phantom_res", "resolution": "64", "accuracy": a} for a in (0.5, 0.6)]
        ),
        "is claimed twice",
    ),
    "the same curve twice": (copied, "one run per curve"),
    "a link": (lambda f: (f / "x.record.json").symlink_to("/etc/passwd"), "a link"),
    "a folder": (lambda f: (f / "more").mkdir(), "holds only files"),
    "a pipe": (lambda f: os.mkfifo(f / "x.record.json"), "not a regular file"),
    "a program": (lambda f: (f / "run.sh").write_text("true"), "not a file of a submission"),
    "a name that hides": (
        lambda f: (f / "a\u202eb.record.json").write_text("{}"),
        "not a file of a submission",
    ),
    "a file too large": (
        lambda f: (f / "x.record.json").write_text(" " * (8 * 2**20 + 1)),
        "at most 8388608",
    ),
    "names that differ in case": (
        lambda f: [(f / f"{n}.record.json").write_text("{}") for n in ("X", "x")],
        "in the case of its letters only",
    ),
}


def test_a_sound_submission_is_accepted(board: Path) -> None:
    checked = check_board(board)
    assert checked.all_faults == ()
    assert [len(each.records) for each in checked.submissions] == [2]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_refused_by_its_own_message(board: Path, name: str) -> None:
    plant, message = FAULTS[name]
    plant(only(board))
    said = [str(fault) for fault in check_board(board).all_faults]
    assert any(message in line for line in said), said


def test_no_two_faults_share_the_message_that_names_them() -> None:
    assert len(FAULTS) >= 25
    messages = [message for _, message in FAULTS.values()]
    shared = {message for message in messages if messages.count(message) > 1}
    assert shared == {"not JSON", "not a file of a submission"}


def accepted(board: Path) -> None:
    assert cli.main(["leaderboard", "validate", "--board", str(board), "--accept", "me"]) == 0


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (text('"wall_time": 12.5', '"wall_time": 13.5'), "was changed after it was accepted"),
        (declared(title="better"), "submission.json: was changed after it was accepted"),
        (
            lambda f: (
                [p.unlink() for p in f.glob("*.record.json")]
                and [p.unlink() for p in f.glob("*.parquet")]
            ),
            "task phantom_res was accepted and is withdrawn",
        ),
        (lambda f: shutil.rmtree(f), "its folder is gone"),
        (
            answers(keeping(lambda one: one["resolution"] != "24")),
            "the cell `match bicubic rank 24` was accepted and is withdrawn",
        ),
        (lose_control, "task phantom_res was accepted and is withdrawn"),
    ],
)
def test_what_was_accepted_is_neither_changed_nor_withdrawn(
    board: Path, plant: Plant, message: str
) -> None:
    accepted(board)
    assert check_board(board).all_faults == ()
    plant(only(board))
    said = [str(fault) for fault in check_board(board).all_faults]
    assert any(message in line for line in said), said


def test_a_pull_request_is_held_against_the_ledger_that_it_cannot_change(
    board: Path, tmp_path: Path
) -> None:
    accepted(board)
    main = tmp_path / "accepted-on-main.json"
    shutil.copy(board / LEDGER, main)
    assert check_board(board, main).all_faults == ()
    shutil.rmtree(only(board))
    (board / LEDGER).unlink()
    assert check_board(board).all_faults == ()
    gone, forged = map(str, check_board(board, main).all_faults)
    assert "its folder is gone" in gone and "only the maintainers enter into it" in forged


def test_a_withdrawal_with_its_reason_is_accepted(board: Path) -> None:
    accepted(board)
    path = board / LEDGER
    ledger = json.loads(path.read_text(encoding="utf-8"))
    (entry,) = ledger["submissions"].values()
    entry["withdrawn"] = "the submitter found its training data to hold the test split"
    path.write_text(json.dumps(ledger), encoding="utf-8")
    shutil.rmtree(only(board))
    assert check_board(board).all_faults == ()


def test_what_is_withdrawn_is_not_shown_published_or_accepted_anew(
    board: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted(board)
    reason = "the submitter found its training data to hold the test split"
    path = board / LEDGER
    ledger = json.loads(path.read_text(encoding="utf-8"))
    (entry,) = ledger["submissions"].values()
    entry["withdrawn"] = reason
    path.write_text(json.dumps(ledger), encoding="utf-8")
    home = ["--board", str(board)]
    assert cli.main(["leaderboard", "status", *home]) == 0
    assert "withdrawn" in capsys.readouterr().out
    checked = check_board(board)
    shown = board_of(checked, board)
    assert shown.rows == () and shown.refused == ()
    assert set(record_files(shown, checked)) == {"README.md", "cells.parquet"}
    assert cli.main(["leaderboard", "validate", *home, "--accept", "maintainer"]) == 0
    (kept,) = json.loads(path.read_text(encoding="utf-8"))["submissions"].values()
    assert kept["withdrawn"] == reason


def test_the_answers_of_another_submission_are_a_copy(board: Path) -> None:
    first = only(board)
    second = first.parent.parent / "synthetic__two" / first.name
    shutil.copytree(first, second)
    declared(model="synthetic/two")(second)
    said = [str(fault) for fault in check_board(board).all_faults]
    assert any("has the very answers of" in line and "two" in line for line in said), said


def test_validate_prints_every_fault_and_fails(
    board: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["leaderboard", "validate", "--board", str(board)]
    assert cli.main(arguments) == 0
    assert "1 of 1 submissions valid, 2 records read" in capsys.readouterr().out
    text('"missing": 0', '"missing": -1')(only(board))
    assert cli.main(arguments) == 1
    printed = capsys.readouterr()
    lines = score_of(only(board)).read_text(encoding="utf-8").splitlines()
    line = 1 + next(number for number, each in enumerate(lines) if '"missing": -1' in each)
    assert (
        f"record.json, line {line}: cells.0.missing" in printed.out
        and "faults, listed above" in printed.err
    )
    assert "Traceback" not in printed.err


def test_what_is_no_folder_is_refused_and_the_rest_stands(board: Path) -> None:
    records = board / "records"
    (records / "evil").symlink_to("/etc")
    (records / "file").write_text("")
    (records / "synthetic__one" / "latest").symlink_to(only(board))
    checked = check_board(board)
    said = sorted(str(fault) for fault in checked.all_faults)
    assert len(said) == 3 and all("not a folder of its own" in line for line in said)
    assert [len(each.records) for each in checked.submissions if not each.faults] == [2]


def test_a_message_cannot_act_on_the_terminal(board: Path) -> None:
    document(only(board), lambda d: d.update({"a\u202eb\x1b[31m": 1}))
    (line,) = (str(fault) for fault in check_board(board).all_faults)
    assert r"a\u202eb\x1b[31m" in line and "\u202e" not in line and "\x1b" not in line


def test_a_sweep_of_one_resolution_is_a_submission_too(tmp_path: Path) -> None:
    board = new_board(tmp_path)
    submit(board, facts(), {"phantom_res": {"64": CURVE["64"]}})
    assert check_board(board).all_faults == ()
