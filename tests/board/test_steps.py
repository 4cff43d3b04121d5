"""Rows behind a server: lists of their own, never ranked against attested ones, and checked."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from synthetic_board import CURVE, facts, new_board, submit, vouch
from synthetic_runs import behind_server
from test_validate import answers, row

from resolution_eval.board.checks import check_board
from resolution_eval.board.export import export
from resolution_eval.board.rows import Board, load_board
from resolution_eval.board.site.build import write_site
from resolution_eval.evidence.ladder import STEPS
from resolution_eval.records import read_record, write_record

BETTER = dict.fromkeys(CURVE, 0.95)


def served(step: str):
    """A change of the lines of a run: a server answered them."""
    return lambda lines: lines.__setitem__(slice(None), behind_server(lines, step))


def submitted(folder: Path, name: str, step: str, curve=CURVE) -> Path:
    change = None if step == "attested" else served(step)
    return submit(
        folder, facts(f"synthetic/{name}"), {"phantom_res": curve}, change=change, unseen=change
    )


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = new_board(tmp_path_factory.mktemp("steps"), samples=40)
    submitted(folder, "seen", "attested")
    submitted(folder, "also", "attested", BETTER)
    for step in ("counted", "predicted", "unattested"):
        submitted(folder, step, step, BETTER)
    vouch(folder)
    return load_board(folder)


def test_each_step_has_lists_of_its_own_and_says_so(board: Board) -> None:
    assert board.refused == ()
    found = {
        scope.step: {row.facts.title for line in scope.lines for row in line.rows}
        for scope in board.scopes
        if scope.kind == "dataset"
    }
    assert found == {
        "attested": {"seen", "also"},
        "counted": {"counted"},
        "predicted": {"predicted"},
        "unattested": {"unattested"},
    }
    assert board.scopes[0].step == "attested"
    for scope in board.scopes:
        assert scope.label.endswith(f"({scope.step})") == (scope.step != "attested")
    assert len({scope.key for scope in board.scopes}) == len(board.scopes)


def test_a_better_row_behind_a_server_takes_no_rank_of_an_attested_one(board: Board) -> None:
    (scope,) = (s for s in board.scopes if (s.kind, s.step) == ("dataset", "attested"))
    assert [line.rank for line in scope.lines] == [(1, 1), (2, 2)]
    alone = [s for s in board.scopes if (s.kind, s.step) == ("dataset", "counted")]
    assert [line.rank for line in alone[0].lines] == [(1, 1)]


def test_one_cell_that_is_only_predicted_makes_the_row_so(tmp_path: Path) -> None:
    folder = new_board(tmp_path, samples=24)

    def mixed(lines: list) -> None:
        for number, line in enumerate(lines):
            step = "predicted" if line["verdict"]["resolution"] == "64" else "counted"
            (lines[number],) = behind_server([line], step)

    submit(folder, facts("synthetic/mixed"), change=mixed, unseen=mixed)
    (found,) = load_board(folder).rows
    assert found.step == "predicted"


def test_site_and_export_show_the_step_of_every_cell(board: Board, tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_site(board, site)
    shown = json.loads((site / "data" / "board.json").read_text(encoding="utf-8"))
    assert shown["steps"] == dict(STEPS)
    assert {each["title"]: each["step"] for each in shown["rows"]} | {"also": "attested"} == {
        "seen": "attested", "also": "attested",
        **{step: step for step in ("counted", "predicted", "unattested")},
    }  # fmt: skip
    (dataset,) = shown["datasets"]
    assert "(" not in dataset["title"]
    lists = [name for name, *_ in dataset["lists"]]
    assert sorted(lists) == [
        "match", "match, counted", "match, predicted", "match, unattested"
    ]  # fmt: skip
    assert {each["list"] for each in shown["rows"]} == set(lists)
    for each in shown["rows"]:
        model = json.loads((site / "data" / "models" / f"{each['key']}.json").read_text())
        cells = [cell for curve in model["curves"] for cell in curve["cells"]]
        assert len(cells) == 5 and {cell["step"] for cell in cells} == {each["step"]}
    export(board, tmp_path / "export")
    with (tmp_path / "export" / "board.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {(line["title"], line["cell_step"], line["step"]) for line in lines} == {
        ("seen", "attested", "attested"), ("also", "attested", "attested"),
        *((step, step, step) for step in ("counted", "predicted", "unattested")),
    }  # fmt: skip


def probed_at_32(place: Path) -> None:
    """Writes what a probe of 32 pixels found into the records of the submission in `place`."""
    said = "32 px: sees detail that 16 px cannot hold (fine 45/48, ...)"
    for path in place.glob("*.record.json"):
        record = read_record(path)
        checkpoint = record.checkpoint.model_copy(update={"probes": (said,)})
        write_record(record.model_copy(update={"checkpoint": checkpoint}), place)


def test_site_and_export_show_what_was_probed_and_no_rank_moves(tmp_path: Path) -> None:
    folder = new_board(tmp_path, samples=24)
    probed_at_32(submitted(folder, "probed", "counted"))
    submitted(folder, "plain", "counted", BETTER)
    vouch(folder)
    board = load_board(folder)
    assert board.refused == ()
    assert [scope.step for scope in board.scopes if scope.kind == "dataset"] == ["counted"]
    write_site(board, tmp_path / "site")
    export(board, tmp_path / "export")
    with (tmp_path / "export" / "board.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    found = {(line["title"], line["resolution"]): line["cell_probed"] for line in lines}
    for (title, edge), word in found.items():
        below = edge.isdecimal() and int(edge) <= 32
        assert word == ("probed" if title == "probed" and below else ""), (title, edge)
    for each in board.rows:
        model = json.loads((tmp_path / "site/data/models" / f"{each.key}.json").read_text())
        words = {cell["probed"] for curve in model["curves"] for cell in curve["cells"]}
        assert words == ({"probed", None} if each.facts.title == "probed" else {None})


FORGED = {
    "a tensor beside a server": (
        {"grid_height": 16, "grid_width": 16},
        "counted, yet with a grid of 16x16",
    ),
    "a count that the rule does not make": (
        {"counted_tokens": 99},
        "99 image tokens were counted, 16 were due",
    ),
    "more tokens than can be": ({"counted_tokens": 2**21}, "outside 0 to"),
    "a range that is upside down": (
        {"predicted_least": 20, "predicted_most": 16},
        "20 to 16 tokens",
    ),
    "a size that the rule does not keep": (
        {"predicted_width": 8, "predicted_height": 8},
        "makes 8x8 px of 16x16 px",
    ),
    "another size sent than asked": (
        {"sent_width": 64, "sent_height": 64, "predicted_width": 64, "predicted_height": 64},
        "sent at 64x64 px, and 16x16 px was asked",
    ),
    "a prediction without a rule": ({"rule": None}, "counted, and no rule is named"),
    "a count by nobody": ({"counted_by": None}, "counted, and not by whom"),
    "nothing sent": ({"sent_width": None, "sent_height": None}, "counted, and nothing was sent"),
    "a prediction that a count contradicts": (
        {"status": "predicted", "counted_tokens": 99},
        "99 image tokens were counted, 16 were due by synthetic/kept@2026-01-02: mismatched",
    ),
    "unattested with a rule": ({"status": "unattested"}, "unattested, yet 'synthetic/kept"),
    "a digest that is none": ({"sent_sha256": "a" * 63}, "is no SHA-256"),
    "more bytes than can be": ({"sent_bytes": 2**45}, "bytes sent, outside 0 to"),
    "mismatched": ({"status": "mismatched", "counted_tokens": 99}, "not accepted"),
    "no request": ({"attempts": 0}, "0 requests"),
    "a server's name that reorders": ({"server_model": "a\u202eb"}, "holds U+202E"),
    "a fingerprint that is long": ({"server_fingerprint": "x" * 501}, "server_fingerprint: 501"),
    "a rule that hides": ({"rule": "a\u200bb@2026"}, "holds U+200B"),
    "a field that hides": ({"counted_by": "a\u0007b"}, "holds U+0007"),
    "a format that reorders": ({"sent_format": "\u2066PNG"}, "sent_format: holds U+2066"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_served_row_that_contradicts_itself_is_refused(tmp_path: Path, name: str) -> None:
    change, message = FORGED[name]
    folder = new_board(tmp_path, samples=12)
    place = submitted(folder, "one", "counted")
    assert check_board(folder).all_faults == ()
    row(change)(place)
    said = [str(fault) for fault in check_board(folder).all_faults]
    assert any(message in line for line in said), said


@pytest.mark.parametrize("column", ["rule", "counted_by", "server_model", "server_fingerprint"])
def test_a_name_that_the_cell_does_not_list_is_checked_too(tmp_path: Path, column: str) -> None:
    """A cell lists eight names; the ninth stands in the answers alone."""
    folder = new_board(tmp_path, samples=12)
    place = submitted(folder, "one", "counted")

    def named(rows: list[dict]) -> None:
        for number, one in enumerate(rows[:9]):
            one[column] = "z\u202e" if number == 8 else f"n{number}"

    answers(named)(place)
    said = [str(fault) for fault in check_board(folder).all_faults]
    assert len(said) == 1 and f"{column}: holds U+202E" in said[0], said


def test_an_attested_row_has_no_servers_word(tmp_path: Path) -> None:
    folder = new_board(tmp_path, samples=12)
    place = submitted(folder, "one", "attested")
    row({"attempts": 1, "rule": "x", "counted_tokens": 16})(place)
    said = [str(fault) for fault in check_board(folder).all_faults]
    assert any("attested, yet answered by a server" in line for line in said), said


def test_tokens_around_an_image_are_within_a_count_by_difference(tmp_path: Path) -> None:
    folder = new_board(tmp_path, samples=12)
    place = submitted(folder, "one", "counted")

    def differ(rows: list[dict]) -> None:
        for one in rows:
            one.update(counted_tokens=one["predicted_most"] + 2, counted_by="difference")

    answers(differ)(place)
    assert check_board(folder).all_faults == ()
