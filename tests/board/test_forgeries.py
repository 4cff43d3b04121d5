"""Forged submissions: each is refused by the base's check alone, by a message of its own.

A request brings the whole leaderboard's folder; what it may change is one new submission. The
table has forgeries of rows, re-runs, pins and identities, each tried on a copy of one board.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_board import REVISION, facts, new_board, score_of, submit, vouch
from test_validate import answers, document, each_row

from resolution_eval import cli
from resolution_eval.board.checks import check_board
from resolution_eval.board.ledger import LEDGER, accept
from resolution_eval.board.row_identity import identity_faults
from resolution_eval.board.rows import load_board
from resolution_eval.board.submission import FACTS, RERUN, Facts
from resolution_eval.ground.files import file_digest
from resolution_eval.records.store import answers_of

pytestmark = pytest.mark.whole

Forge = Callable[[Path], object]
"""Forges the request's board, whose new submission is `synthetic/three`."""


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The base's board with two submissions that were repeated, and a request with one more."""
    home = tmp_path_factory.mktemp("honest")
    base = new_board(home)
    for model in ("synthetic/one", "synthetic/two"):
        submit(base, facts(model))
    vouch(base, 24)
    (base / "published").mkdir()
    figure = {"dataset": "X", "card": None, "resolution": "28", "accuracy_percent": 70.0}
    source = {"title": "A", "authors": "B", "venue": "C", "url": "https://x.org", "note": "D"}
    paper = {"model": "m", "kind": "k", "strategy": "none", "cells": [figure]}
    text = json.dumps({"source": source, "rows": [paper]})
    (base / "published" / "paper.json").write_text(text, encoding="utf-8")
    (base / "site" / "scripts").mkdir(parents=True)
    (base / "site" / "scripts" / "board.js").write_text("show()", encoding="utf-8")
    request = Path(shutil.copytree(base, home / "request"))
    submit(request, facts("synthetic/three"))
    return base, request


def of(board: Path, name: str) -> Path:
    (folder,) = (board / "records" / f"synthetic__{name}").iterdir()
    return folder


def new(plant: Callable[[Path], object]) -> Forge:
    """Forge the new submission."""
    return lambda board: plant(of(board, "three"))


def piped(board: Path) -> None:
    (of(board, "three") / FACTS).unlink()
    os.mkfifo(of(board, "three") / FACTS)


def piped_pin(board: Path) -> None:
    (board / "samples" / "phantom.json").unlink()
    os.mkfifo(board / "samples" / "phantom.json")


def rerun_of(board: Path, name: str, **changes: object) -> None:
    """Write a re-run in which all agrees into a submission, as only the maintainers may."""
    found = json.loads((of(board, "one") / RERUN).read_text(encoding="utf-8"))
    folder = of(board, name)
    found["records"] = {p.name: file_digest(p) for p in folder.glob("*.record.json")}
    (folder / RERUN).write_text(json.dumps(found | changes), encoding="utf-8")


def in_ledger(board: Path, name: str) -> None:
    """Enter a re-run of one's own into the request's ledger."""
    rerun_of(board, name)
    path = board / LEDGER
    ledger = json.loads(path.read_text(encoding="utf-8"))
    mine = ledger["submissions"][f"synthetic__one/{REVISION}"] | {
        "facts_sha256": file_digest(of(board, name) / FACTS),
        "rerun_sha256": file_digest(of(board, name) / RERUN),
    }
    ledger["submissions"][f"synthetic__{name}/{REVISION}"] = mine
    path.write_text(json.dumps(ledger), encoding="utf-8")


def replaced(name: str, old: str, text: str) -> Forge:
    """Replace text in a file of the board."""

    def forge(board: Path) -> None:
        path = board / name
        found = path.read_text(encoding="utf-8")
        assert old in found
        path.write_text(found.replace(old, text, 1), encoding="utf-8")

    return forge


def written(name: str, text: str = "{}") -> Forge:
    def forge(board: Path) -> None:
        path = board / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return forge


def renamed(**changes: object) -> Forge:
    """Declare the new submission otherwise, its folder following."""

    def forge(board: Path) -> None:
        folder = of(board, "three")
        path = folder / FACTS
        found = json.loads(path.read_text(encoding="utf-8")) | changes
        path.write_text(json.dumps(found), encoding="utf-8")
        place = board / "records" / found["model"].replace("/", "__") / found["revision"]
        if place != folder:
            place.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(place)

    return forge


def twice_trained(board: Path) -> None:
    """Declare contamination, and take it back in the same file."""
    path = of(board, "three") / FACTS
    text = path.read_text(encoding="utf-8")
    first = '"trained_on": ["phantom"],\n "trained_on": []'
    path.write_text(text.replace('"trained_on": []', first), encoding="utf-8")


def linked(board: Path) -> None:
    (board / "samples" / "phantom.json").rename(board.parent / "aside.json")
    (board / "samples" / "phantom.json").symlink_to(board.parent / "aside.json")


def asking(prompt: str) -> Callable[[Path], object]:
    return lambda folder: document(folder, lambda d: d.update(prompt=prompt))


def writing(**changes: object) -> Callable[[Path], object]:
    """Other generation settings than the task's."""

    def change(found: dict[str, dict[str, object]]) -> None:
        text = str(found["environment"]["generation"])
        found["environment"]["generation"] = json.dumps(json.loads(text) | changes, sort_keys=True)

    return lambda folder: document(folder, change)


def twin_in_capitals(board: Path) -> None:
    """Another's folder, its name in other letters: one folder on a disk that is blind to case."""
    submit(board, facts("Synthetic/one"))


def pinned_as_answered(board: Path) -> None:
    """Every answer of the new submission is the right one, by the pin that it brings."""
    said: dict[str, str] = {}

    def turn(rows: list[dict[str, object]]) -> None:
        for row in rows:
            said[str(row["sample"])] = str(row["prediction"])
        for row in rows:
            target = said[str(row["sample"])]
            row.update(target=target, correct=int(row["prediction"] == target))

    answers(turn)(of(board, "three"))
    path = board / "samples" / "phantom.json"
    pin = json.loads(path.read_text(encoding="utf-8"))
    for sample in pin["samples"]:
        sample["target"] = said[sample["id"]]
    path.write_text(json.dumps(pin), encoding="utf-8")


def borrowed(folder: Path) -> None:
    """Another's record by a link, under the name of one's own."""
    path = score_of(folder)
    path.unlink()
    path.symlink_to(score_of(of(folder.parents[2], "one")))


def in_record(old: str, text: str) -> Callable[[Path], object]:
    """Other text in the document of the new submission's score."""

    def change(folder: Path) -> None:
        path = score_of(folder)
        found = path.read_text(encoding="utf-8")
        assert old in found
        path.write_text(found.replace(old, text, 1), encoding="utf-8")

    return change


def nested(folder: Path) -> None:
    text = (folder / FACTS).read_text(encoding="utf-8")
    deep = text.replace('"trained_on": []', f'"trained_on": {"[" * 5_000}{"]" * 5_000}')
    (folder / FACTS).write_text(deep, encoding="utf-8")


def vast(folder: Path) -> None:
    """A file of a terabyte that takes no room, and would take an hour to read."""
    with answers_of(score_of(folder)).open("wb") as file:
        file.truncate(2**40)


def ledger_of_two_minds(board: Path) -> None:
    """The base's ledger, and before it another one under the same key."""
    path = board / LEDGER
    text = path.read_text(encoding="utf-8").lstrip("{")
    path.write_text('{"submissions": {}, ' + text, encoding="utf-8")


def look_alike_folder(board: Path) -> None:
    place = board / "records" / "s\u0443nthetic__three"
    of(board, "three").parent.rename(place)


ADDS = "a submission adds a folder of its own"
NAMED = "is not a re-run that the ledger names"
FORGERIES: dict[str, tuple[Forge, str, str]] = {
    # rows
    "a verdict turned right": (
        new(answers(lambda rows: next(o for o in rows if not o["correct"]).update(correct=1))),
        "counted as 1, but the answer",
        "three",
    ),
    "another's record changed": (
        lambda board: document(of(board, "one"), lambda d: d["environment"].update(wall_time=1.0)),
        "was changed after it was accepted",
        "one",
    ),
    "another's answers changed": (
        lambda board: answers_of(score_of(of(board, "two"))).write_bytes(b"PAR1"),
        "not the answers that",
        "two",
    ),
    "another's submission taken away": (
        lambda board: shutil.rmtree(of(board, "two")),
        "its folder is gone",
        "two",
    ),
    "another's title changed": (
        lambda board: replaced(
            str((of(board, "one") / FACTS).relative_to(board)), '"title": "one"', '"title": "bad"'
        )(board),
        "submission.json: was changed",
        "one",
    ),
    "the twin of another's answers": (
        lambda board: [
            shutil.copy(path, of(board, "three"))
            for path in of(board, "one").glob("*.answers.parquet")
        ],
        "answers without their record",
        "three",
    ),
    "an encoder that saw another grid": (
        new(each_row({"status": "mismatched", "grid_height": 448})),
        "not accepted",
        "three",
    ),
    # re-runs
    "a re-run of one's own beside the submission": (
        lambda board: rerun_of(board, "three"),
        NAMED,
        "three",
    ),
    "a re-run of one's own, entered into one's own ledger": (
        lambda board: in_ledger(board, "three"),
        "only the maintainers enter",
        "accepted.json",
    ),
    "another's re-run altered": (
        lambda board: rerun_of(board, "two", hardware="a wish"),
        NAMED,
        "two",
    ),
    "another's re-run taken away": (
        lambda board: (of(board, "one") / RERUN).unlink(),
        "is named by the ledger and is no longer there",
        "one",
    ),
    "a re-run beside another's that was never repeated": (
        lambda board: [
            rerun_of(board, "three"),
            (of(board, "three") / RERUN).rename(of(board, "two") / RERUN),
        ],
        NAMED,
        "two",
    ),
    "a re-run under a name of capitals": (
        new(lambda f: (f / "Rerun.json").write_text("{}")),
        "not a file of a submission",
        "Rerun.json",
    ),
    "a re-run that is no document": (new(lambda f: (f / RERUN).write_text("{")), "not JSON", RERUN),
    # pins, figures, the site
    "a pin altered": (
        replaced("samples/phantom.json", '"target": "', '"target": "un'),
        ADDS,
        "phantom.json",
    ),
    "a pin of a data set that nobody asked for": (
        lambda board: written(
            "samples/pathmnist.json",
            (board / "samples" / "phantom.json").read_text().replace('"phantom"', '"pathmnist"'),
        )(board),
        ADDS,
        "pathmnist.json",
    ),
    "a pin altered with the record": (pinned_as_answered, ADDS, "phantom.json"),
    "a pin under a name of capitals": (
        lambda board: shutil.copy(
            board / "samples" / "phantom.json", board / "samples" / "Phantom.json"
        ),
        ADDS,
        "Phantom.json",
    ),
    "a published curve of one's own": (written("curves/published.json"), ADDS, "published.json"),
    "a card of the published data set": (written("cards/dataset.md", "# bad"), ADDS, "dataset.md"),
    "a ledger that says two things": (
        ledger_of_two_minds,
        "the key 'submissions' stands twice",
        "accepted.json",
    ),
    "a pipe that never ends": (
        new(lambda f: os.mkfifo(f / "x.record.json")),
        "not a regular file",
        "x.record.json",
    ),
    "a file of a terabyte": (new(vast), "at most 67108864", "three"),
    "a record that is a link to another's": (new(borrowed), "a link; put the file", "three"),
    "a key twice in a record": (
        new(in_record('"correct": ', '"correct": 24, "correct": ')),
        "the key 'correct' stands twice",
        "three",
    ),
    "a number that no machine holds": (
        new(in_record('"wall_time": ', '"wall_time": 1e999, "x": ')),
        "too large for a number",
        "three",
    ),
    "a number of four hundred digits": (
        new(in_record('"wall_time": ', f'"wall_time": {"9" * 400}, "x": ')),
        "a number above 1e+30",
        "three",
    ),
    "no number": (new(in_record('"wall_time": ', '"wall_time": NaN, "x": ')), "holds NaN", "three"),
    "lists of lists of lists": (new(nested), "nested deeper", FACTS),
    "a pin that is a link": (linked, "not a JSON file of its own", "phantom.json"),
    "a pin that is no pin": (written("samples/octmnist.json"), "Field required", "octmnist.json"),
    "a published figure altered": (replaced("published/paper.json", "70.0", "7.0"), ADDS, "paper"),
    "a published source of one's own": (written("published/mine.json"), ADDS, "mine.json"),
    "a published file that breaks the board": (
        written("published/broken.json", "[1"),
        "not JSON",
        "broken.json",
    ),
    "a script of the site": (
        replaced("site/scripts/board.js", "show()", "steal()"),
        ADDS,
        "board.js",
    ),
    "a hidden folder": (written("records/.git/config", "[core]"), ADDS, ".git"),
    "a hidden file at the top": (written(".gitattributes", "* filter=x"), ADDS, ".gitattributes"),
    "a folder beside the records": (written("tools/run.py", "1"), "not of a leaderboard", "tools"),
    "a file among the records": (written("records/read.me", "1"), "not a folder", "read.me"),
    "a second folder below a submission": (
        new(lambda f: [(f / "x").mkdir(), (f / "x" / "y.json").write_text("{}")]),
        "holds only files",
        "three",
    ),
    # identities
    "a famous name over other weights": (
        renamed(model="google/gemini-9"),
        "but what ran is pretrained='synthetic/three'",
        "gemini",
    ),
    "a revision that the records do not have": (
        renamed(revision="c0ffee" * 6 + "c0ff"),
        "but the submission is of c0ffee",
        "c0ffee",
    ),
    "another's name in capitals": (
        twin_in_capitals,
        "in the case of letters only",
        "Synthetic__one",
    ),
    "another's name in letters that look alike": (
        look_alike_folder,
        "a submission lies in MODEL/REVISION",
        "s\u0443nthetic",
    ),
    "this project's name with a word behind it": (
        renamed(submitter="The Resolution-Eval Team"),
        "reads as this project's own name",
        "three",
    ),
    "this project's name and a word behind it in one": (
        renamed(submitter="ResolutionEvalTeam"),
        "reads as this project's own name",
        "three",
    ),
    "this project's name with a number": (
        renamed(submitter="resolutioneval2"),
        "reads as this project's own name",
        "three",
    ),
    "several of this project": (
        renamed(submitter="Resolution-Evals"),
        "reads as this project's own name",
        "three",
    ),
    "this project's name as an owner of models": (
        renamed(model="Res0lution_Eval/embedded-low", pretrained="Res0lution_Eval/embedded-low"),
        "the owner of the model 'Res0lution_Eval' reads as this project's own",
        "embedded-low",
    ),
    "a label that reads as a status": (
        renamed(labels=["Veri\ufb01ed"]),
        "reads as a status of the board",
        "three",
    ),
    "a title that reads as a status": (
        renamed(title="Re-Run"),
        "reads as a status of the board",
        "three",
    ),
    "this project's name in words of its own": (
        renamed(submitter="Team of Resolution_EVAL, abroad"),
        "reads as this project's own name",
        "three",
    ),
    "this project's name for a submitter": (
        renamed(submitter="Resolution Eval"),
        "reads as this project's own name",
        "three",
    ),
    "a look-alike of this project": (
        renamed(submitter="res\u043elution-eval"),
        "mixes letters of two scripts",
        "three",
    ),
    "a look-alike of another submitter": (
        renamed(submitter="N0body"),
        "reads as 'nobody'",
        "three",
    ),
    "a title of letters that nobody sees": (
        renamed(title="Gemini\u3164"),
        "U+3164, which is not shown",
        "three",
    ),
    "a title parted by a blank that is no space": (
        renamed(title="Gemini\u2003pro"),
        "U+2003",
        "three",
    ),
    "a withdrawn contamination": (twice_trained, "the key 'trained_on' stands twice", FACTS),
    "a prompt that helps": (
        new(asking("Hint: it is a ring.\nWhich phantom does this image show?")),
        "but the task asks",
        "three",
    ),
    "several tries, the best kept": (
        new(writing(do_sample=True, temperature=1.0)),
        "run without --gen_kwargs",
        "three",
    ),
    "room to think that others had not": (
        new(writing(max_new_tokens=4096)),
        "run without --gen_kwargs",
        "three",
    ),
    "no word of how it was asked": (
        new(lambda f: document(f, lambda d: d["environment"].update(generation=None))),
        "environment.generation None",
        "three",
    ),
    "a part of the data, from the middle": (
        new(lambda f: document(f, lambda d: d["environment"].update(offset=8))),
        "offset",
        "three",
    ),
    "facts that are a pipe, which nobody ends": (piped, "not a regular file", "three"),
    "a pin that is a pipe": (piped_pin, "not a JSON file of its own", "phantom"),
    "a folder whose name goes on in the next line": (
        lambda board: (board / "records" / "x\n::error::y" / REVISION).mkdir(parents=True),
        "a submission lies in MODEL/REVISION",
        r"x\n::error::y",
    ),
}
"""Forgery, what the check says, and what of the place it names."""


def test_the_honest_request_is_accepted(honest: tuple[Path, Path]) -> None:
    base, request = honest
    assert [str(fault) for fault in check_board(request, base=base).all_faults] == []


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_by_the_base_alone(
    honest: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    base, request = honest
    forged = Path(shutil.copytree(request, tmp_path / "request", symlinks=True))
    forge, message, place = FORGERIES[name]
    forge(forged)
    said = [str(fault) for fault in check_board(forged, base=base).all_faults]
    assert any(message in line and place in line for line in said), said
    assert not any("\n" in line for line in said), "a line of a log may be a command"


def test_there_are_more_than_twenty_forgeries() -> None:
    assert len(FORGERIES) >= 50


def test_a_record_is_held_against_the_base_s_pins_and_not_those_that_it_brings(
    honest: tuple[Path, Path], tmp_path: Path
) -> None:
    base, request = honest
    forged = Path(shutil.copytree(request, tmp_path / "request"))
    pinned_as_answered(forged)
    faults = check_board(forged, base=base).all_faults
    score = answers_of(score_of(of(forged, "three")))
    own = [fault.message for fault in faults if fault.path == score]
    assert any("target" in said and "but the pin has" in said for said in own), own


def test_one_that_is_refused_keeps_no_other_from_being_checked(
    honest: tuple[Path, Path], tmp_path: Path
) -> None:
    base, request = honest
    forged = Path(shutil.copytree(request, tmp_path / "request"))
    new(nested)(forged)
    rerun_of(forged, "two", hardware="a wish")
    faulty = {
        each.folder.parent.name
        for each in check_board(forged, base=base).submissions
        if each.faults
    }
    assert faulty == {"synthetic__three", "synthetic__two"}


def test_what_the_base_refuses_ends_the_command_with_a_fault(
    honest: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, request = honest
    arguments = ["leaderboard", "validate", "--base", str(base), "--board"]
    assert cli.main([*arguments, str(request)]) == 0
    forged = Path(shutil.copytree(request, tmp_path / "request"))
    rerun_of(forged, "three")
    assert cli.main([*arguments, str(forged)]) == 1
    assert NAMED in capsys.readouterr().out


def test_a_re_run_that_was_smuggled_in_is_never_entered_by_accepting(
    honest: tuple[Path, Path], tmp_path: Path
) -> None:
    board = Path(shutil.copytree(honest[1], tmp_path / "board"))
    rerun_of(board, "three")
    assert cli.main(["leaderboard", "validate", "--board", str(board), "--accept", "me"]) == 1
    ledger = json.loads((board / LEDGER).read_text(encoding="utf-8"))
    assert f"synthetic__three/{REVISION}" not in ledger["submissions"]
    (of(board, "three") / RERUN).unlink()
    assert cli.main(["leaderboard", "validate", "--board", str(board), "--accept", "me"]) == 0
    rerun_of(board, "three")
    shown = {row.facts.model for row in load_board(board).rows}
    assert shown == {"synthetic/one", "synthetic/two"}


def test_accepting_alone_enters_no_re_run(honest: tuple[Path, Path], tmp_path: Path) -> None:
    """Whatever lies beside a submission: only who has just repeated it may name its re-run."""
    board = Path(shutil.copytree(honest[1], tmp_path / "board"))
    rerun_of(board, "three")
    (found,) = (
        each
        for each in check_board(board).submissions
        if each.folder.parent.name == "synthetic__three"
    )
    assert found.submission is not None
    entry = accept(found.submission, found.records, by="me", date="2026-01-03")
    assert entry.rerun_sha256 is None
    repeated = accept(found.submission, found.records, by="me", date="2026-01-03", repeated=True)
    assert repeated.rerun_sha256 == file_digest(of(board, "three") / RERUN)


def test_accepting_anew_keeps_the_re_runs_that_the_ledger_names(
    honest: tuple[Path, Path], tmp_path: Path
) -> None:
    board = Path(shutil.copytree(honest[1], tmp_path / "board"))
    assert cli.main(["leaderboard", "validate", "--board", str(board), "--accept", "me"]) == 0
    status = {row.facts.model: row.status for row in load_board(board).rows}
    assert status == {
        "synthetic/one": "verified",
        "synthetic/two": "verified",
        "synthetic/three": "re-scored",
    }


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "verified"),
        ({"revision": "f" * 40}, "re-scored"),
        ({"revision": None}, "re-scored"),
        ({"pretrained": "embedded/low"}, "re-scored"),
    ],
)
def test_what_was_found_when_it_was_repeated_decides_who_it_is(
    honest: tuple[Path, Path], tmp_path: Path, changes: dict[str, object], status: str
) -> None:
    board = Path(shutil.copytree(honest[0], tmp_path / "board"))
    rerun_of(board, "one", **changes)
    path = board / LEDGER
    ledger = json.loads(path.read_text(encoding="utf-8"))
    entry = ledger["submissions"][f"synthetic__one/{REVISION}"]
    entry["rerun_sha256"] = file_digest(of(board, "one") / RERUN)
    path.write_text(json.dumps(ledger), encoding="utf-8")
    assert {r.facts.model: r.status for r in load_board(board).rows}["synthetic/one"] == status
    entry["vouched"] = "the maintainers have seen its weights"
    path.write_text(json.dumps(ledger), encoding="utf-8")
    assert {r.facts.model: r.status for r in load_board(board).rows}["synthetic/one"] == "verified"


def test_a_vouched_name_is_accepted_and_no_other(tmp_path: Path) -> None:
    board = new_board(tmp_path)
    folder = submit(board, facts("famous/name", pretrained="local"))
    home = ["--board", str(board)]
    assert cli.main(["leaderboard", "validate", *home, "--accept", "me"]) == 1
    vouched = [str(folder), *home, "--accept", "me", "--vouch", "its authors sent the weights"]
    assert cli.main(["leaderboard", "validate", *vouched]) == 0
    assert check_board(board).all_faults == ()
    assert score_of(folder).is_file()


@pytest.mark.parametrize(
    "name",
    ["Super Resolution Evaluation Lab", "High-Resolution Evaluation Group", "solution evals"],
)
def test_a_name_of_the_same_field_is_nobody_else_s(name: str) -> None:
    honest = Facts.model_validate(facts("synthetic/one") | {"submitter": name}, strict=False)
    assert not list(identity_faults(honest, None, accepted=False))
