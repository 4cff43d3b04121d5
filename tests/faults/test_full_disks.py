"""A disk that fills at each write: one sentence, nothing half, and a second try succeeds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_disks import ALONE, mounting

SCRIPT = '''
import contextlib, io, json, os, shutil, subprocess, sys
from pathlib import Path

sys.path[:0] = [TESTS, TESTS + "/board"]
from synthetic_board import facts, new_board, submit
from synthetic_runs import sweep, write_run

from resolution_eval.cli import main

home, disk = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(disk)], check=True)
write_run(home / "run", sweep({"28": 0.4, "64": 0.8, "128": 0.7}, samples=40))
board = new_board(home / "small")
submit(board, facts())
declared = ["--submitter", "me", "--trained-on", "", "--strategy", "low", "--parameters", "1"]
declared += ["--training-evidence", "made up", "--licence", "MIT", "--base", "synthetic/base"]
own = disk / "board"
host = [sys.executable, TESTS + "/jobs/stand_in_host.py"]
model = {"name": "one", "model": "resflamingo", "model_args": "calm=1", "launch": host}
plan = {"output": str(disk / "swept"), "models": [model], "tasks": ["synthetic_res"]}
(home / "plan.json").write_text(json.dumps(plan))
brief = ["--steps", "2", "--encoder-steps", "2", "--joint-steps", "2", "--warmup", "1"]
COMMANDS = {
    "record": ["record", str(home / "run"), "--output", str(disk / "out")],
    "report": ["report", str(home / "run"), "--output", str(disk / "report.html")],
    "build": ["leaderboard", "build", "--board", str(board), "--output", str(disk / "site")],
    "export": ["leaderboard", "export", "--board", str(board), "--output", str(disk / "export")],
    "accept": ["leaderboard", "validate", "--board", str(own), "--accept", "me"],
    "add": ["leaderboard", "add", str(home / "small" / "runs"), "--board", str(own), *declared],
    "sweep": ["sweep", str(home / "plan.json")],
    "train": ["train", "--task", "phantom_res", "--strategy", "low", "--low", "16", *brief,
              "--batch", "4", "--save-every", "1", "--output", str(disk / "trained")],
}


def free(kib):
    """Leave so many KiB of the disk."""
    left = shutil.disk_usage(disk).free - kib * 1024
    with (disk / "ballast").open("wb") as file:
        file.write(b"x" * max(left, 0))


def said(command):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            status = main(command)
        except Exception as error:
            status = repr(error)
    return status, out.getvalue()


def there():
    return sorted(str(p.relative_to(disk)) for p in disk.rglob("*") if p.is_file())


for name in sys.argv[3:]:
    command = COMMANDS[name]
    for kib in (0, 4, 8, 16, 32, 64, 128, 256, 1024, 4096):
        for path in disk.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if str(own) in command:
            shutil.copytree(board, own)
            if name == "add":
                shutil.rmtree(own / "records")
                (own / "records").mkdir()
        before = set(there())
        free(kib)
        first, text = said(command)
        (disk / "ballast").unlink()
        left = sorted(set(there()) - before - {"ballast"})
        second, again = said(command) if first != 0 else (0, "")
        print(json.dumps([name, kib, first, text[-2000:], left, second, again[-2000:]]))
        if first == 0:
            break
'''


QUICK = ("record", "report", "build", "export", "accept", "add", "sweep")


@mounting
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(QUICK, marks=pytest.mark.whole, id="quick"),
        pytest.param(("train",), marks=pytest.mark.slow, id="train"),
    ],
)
def test_every_command_on_a_disk_that_fills(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "disk").mkdir()
    script = SCRIPT.replace("TESTS", repr(str(Path(__file__).parents[1])))
    command = [*ALONE, sys.executable, "-c", script, str(tmp_path), str(tmp_path / "disk"), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    full = [row for row in rows if row[2] != 0]
    assert {row[0] for row in full} == set(names)
    assert {row[0] for row in rows if row[2] == 0} == set(names), (
        "each ends well where there is room"
    )
    for name, kib, first, text, left, second, again in full:
        where = f"{name} with {kib} KiB: {first} {text}"
        assert first == 1 and "No space left" in text and "Traceback" not in text, where
        assert not any(Path(one).name.startswith(".") for one in left), (where, left)
        assert second == 0, f"{where}; the second try: {second} {again}"
        if name in ("build", "add", "accept", "report"):
            assert left == [], (where, "nothing half", left)
