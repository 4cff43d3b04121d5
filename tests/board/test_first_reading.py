"""First reading: a submission that ends its reader is refused, and the others are checked."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from synthetic_board import facts, new_board, score_of, submit
from test_bombs import planted, repeated

from resolution_eval import cli
from resolution_eval.board import first_reading
from resolution_eval.board.first_reading import bounded, fatal
from resolution_eval.records import store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a child so")


def endless() -> None:
    while True:
        pass


DEADLY: dict[str, tuple[Callable[[], object], str]] = {
    "abort": (os.abort, "SIGABRT"),
    "segfault": (lambda: ctypes.string_at(0), "SIGSEGV"),
    "exit": (lambda: os._exit(7), "status 7"),
    "error": (lambda: 1 / 0, "status 1"),
    "endless": (endless, "takes longer"),
    "asleep": (lambda: time.sleep(600), "takes longer"),
}


@pytest.mark.parametrize(
    "name",
    [  # a child that is waited for takes seconds
        pytest.param(name, marks=pytest.mark.whole if "longer" in said else ())
        for name, (_, said) in DEADLY.items()
    ],
)
def test_what_ends_its_reader_is_named_and_the_others_are_read(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(first_reading, "SECONDS", 1)
    what, said = DEADLY[name]
    places = [Path(each) for each in ("one", "bad", "two", "worse", "three")]
    found = fatal(places, lambda place: what() if place.name in ("bad", "worse") else None)
    assert [path.name for path in found] == ["bad", "worse"]
    assert all(said in told and told.endswith("it is refused") for told in found.values())


def test_an_error_that_nobody_foresaw_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    def unforeseen(place: Path) -> None:
        raise ValueError("name 'x\n::stop-commands::abc\x1b[31m'")

    assert len(fatal([Path("one")], unforeseen)) == 1
    shown = capfd.readouterr().err
    assert "ValueError" in shown and "\x1b" not in shown
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())


@pytest.mark.whole
def test_a_process_that_may_not_raise_its_own_limit_of_time_reads_all_the_same() -> None:
    """As under `ulimit -t`, of a user who is not root."""
    script = (
        "import encodings.ascii, faulthandler, os, resource, sys; from pathlib import Path\n"
        "from resolution_eval.board.first_reading import fatal\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (500, 500))\n"
        "os.getuid() or os.setuid(65534)\n"
        "sys.exit(len(fatal([Path('one'), Path('two')], lambda place: None)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert ended.returncode == 0, ended.stderr


def test_nobody_is_named_where_none_does() -> None:
    assert fatal([Path(str(number)) for number in range(5_000)], lambda place: None) == {}
    assert fatal([], lambda place: 1 / 0) == {}


def test_more_memory_than_is_allowed_is_an_error_and_the_bound_is_lifted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    monkeypatch.setattr(first_reading, "MEMORY", 2**28)
    for taken in (lambda: bytearray(2**29), lambda: pa.allocate_buffer(2**33)):
        with pytest.raises(MemoryError), bounded():
            taken()
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    with bounded():
        assert len(bytearray(2**20)) == 2**20


@pytest.mark.whole
def test_a_bomb_that_no_header_tells_of_stops_no_other_s_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a gigabyte of scores in some kilobytes, its reader's own bounds taken out."""
    board = new_board(tmp_path)
    for model in ("synthetic/one", "synthetic/two", "synthetic/three"):
        submit(board, facts(model))
    (two,) = (board / "records" / "synthetic__two").iterdir()
    score = score_of(two)
    alone = tmp_path / "alone"
    alone.mkdir()
    for path in two.glob(f"{score.name.removesuffix('.record.json')}.*"):
        path.rename(alone / path.name)
    bomb = planted(
        alone / score.name, tmp_path / "bomb", repeated("choice_scores", [0.0] * 600_000)
    )
    for path in bomb.parent.iterdir():
        path.rename(two / path.name)
    monkeypatch.setattr(store, "MAX_LISTED", 10**9)
    monkeypatch.setattr(first_reading, "MEMORY", 2**28)
    assert cli.main(["leaderboard", "validate", "--board", str(board)]) == 1
    printed = capsys.readouterr().out
    assert "2 of 3 submissions valid" in printed
    lines = [line for line in printed.splitlines() if "synthetic__" in line]
    assert lines and all("synthetic__two" in line for line in lines)
    assert any("takes more memory to read" in line for line in lines), lines
