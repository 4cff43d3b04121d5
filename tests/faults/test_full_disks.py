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
from functools import partial
from pathlib import Path

sys.path[:0] = [TESTS, TESTS + "/board", TESTS + "/families", TESTS + "/score"]
from synthetic_board import facts, new_board, submit
from synthetic_runs import sweep, write_run

from resolution_eval.cli import main

home, disk = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "none", str(disk)], check=True)
write_run(home / "run", sweep({"28": 0.4, "64": 0.8, "128": 0.7}, samples=40))
board = new_board(home / "small")
submitted = submit(board, facts())
declared = ["--submitter", "me", "--trained-on", "", "--strategy", "low", "--parameters", "1"]
declared += ["--training-evidence", "made up", "--licence", "MIT", "--base", "synthetic/base"]
own = disk / "board"
host = [sys.executable, TESTS + "/jobs/stand_in_host.py"]
model = {"name": "one", "model": "resflamingo", "model_args": "calm=1", "launch": host}
plan = {"output": str(disk / "swept"), "models": [model], "tasks": ["synthetic_res"]}
(home / "plan.json").write_text(json.dumps(plan))
brief = ["--steps", "4", "--encoder-steps", "2", "--warmup", "1"]
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
    "untrained": ["train", "--task", "phantom_res", "--strategy", "none", "--native", "64",
                  "--output", str(disk / "untrained")],
    "finetune": ["train", "--task", "phantom_res", "--strategy", "low", "--low", "16",
                 "--steps", "2", "--batch", "4", "--save-every", "1",
                 "--output", str(disk / "tuned"), "--model_args", f"pretrained={home / 'begun'}"],
    "convert": ["convert", str(home / "own"), str(disk / "converted")],
    "matrix": ["matrix", "--task", "phantom_res", "--output", str(disk / "matrix"),
               "--checkpoints", f"low={home / 'low'}", f"native={home / 'native'}"],
    "rerun": ["leaderboard", "rerun", str(own / submitted.relative_to(board)), "--board", str(own),
              "--seed", "1", "--by", "me", "--samples", "9"],
    "score": ["score", str(home / "tiny"), str(home / "squares"), "--resolutions", "28,56",
              "--samples", "6", "--minutes", "600", "--model_args", "answer_mode=rank",
              "--output", str(disk / "scored")],
    "demo": ["demo", "--output", str(disk / "demo")],
    "run": ["run", "--model", "resflamingo", "--model_args", "pretrained=embedded/low", "--tasks",
            "phantom_res", "--limit", "10", "--log_samples",
            "--output_path", str(disk / "results")],
}


def of_matrix():
    """Two checkpoints that declare their training; what would run lmms-eval stands in for it."""
    from resolution_eval.declaration import Declaration
    from resolution_eval.jobs import process

    for name, training in (("low", "fixed:28"), ("native", "fixed:64")):
        (home / name).mkdir()
        Declaration(training=training, strategy=name).write(home / name)
    started = process.run
    process.run = lambda command, log, lock: started([*host, *command[2:]], log, lock)


def of_rerun():
    """The samples drawn are answered as the record says."""
    from resolution_eval.board import rerun
    from resolution_eval.records import Answers

    def repeated(record, variation, arguments, plan):
        rows = [row for row in record.answers.rows() if row["sample"] in variation.only]
        return [record.model_copy(update={"answers": Answers.from_rows(rows)})]

    rerun._run = repeated


def of_convert():
    from test_llava_original import _write

    _write(home / "own", "mistral", with_tower=True)


def of_score():
    import rigged

    rigged.untrained(home / "tiny")
    rigged.images(home / "squares", 24)


def of_demo():
    """The embedded checkpoints, each on a few samples."""
    from resolution_eval import embedded_demo

    whole = embedded_demo.evaluate
    embedded_demo.evaluate = lambda *given, **more: whole(*given, **{**more, "limit": 10})


def of_finetune():
    made = ["train", "--task", "phantom_res", "--strategy", "none", "--native", "64"]
    assert main([*made, "--output", str(home / "begun")]) == 0


def is_whole(path):
    """Whether a file is one that its reader would take."""
    if path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".jsonl":
        [json.loads(line) for line in path.read_text().splitlines()]
    elif path.suffix == ".html":
        assert path.read_text().rstrip().endswith("</html>")
    elif path.suffix == ".parquet":
        import pyarrow.parquet

        pyarrow.parquet.read_table(path)
    return True


def half():
    """Files that no reader would take, of those that are named as if one should; what an attempt
    of a job left is never read.
    """
    found = []
    for path in sorted(disk.rglob("*")):
        try:
            assert "/attempt-" in str(path) or not path.is_file() or is_whole(path)
        except Exception as error:
            found.append(f"{path.relative_to(disk)}: {error!r}")
    return found


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


SIZES = (0, 4, 8, 12, 16, 24, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192)
SPARSE = (0, 8, 64, 512, 4096, 32768)
LONG = ("score", "demo", "run", "train", "finetune", "convert", "untrained")
for name in sys.argv[3:]:
    command = COMMANDS[name]
    globals().get(f"of_{name}", lambda: None)()
    for kib in SPARSE if name in LONG else SIZES:
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
        broken = half() if first != 0 else []
        resumed = ["--resume"] if "plan.json" in str(left) else []
        second, again = said([*command, *resumed]) if first != 0 else (0, "")
        row = [name, kib, first, text[-2000:], left, second, again[-2000:], broken]
        print(json.dumps(row), flush=True)
        if first == 0:
            break
'''


QUICK = ("record", "report", "build", "export", "accept", "add", "sweep", "rerun", "matrix")
LONG = ("train", "untrained", "finetune", "convert", "score", "demo", "run")


@mounting
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(QUICK, marks=pytest.mark.whole, id="quick"),
        *(pytest.param((name,), marks=pytest.mark.slow, id=name) for name in LONG),
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
    for name, kib, first, text, left, second, again, broken in full:
        where = f"{name} with {kib} KiB: {first} {text}"
        assert first == 1 and "No space left" in text and "Traceback" not in text, where
        assert not any(Path(one).name.startswith(".") for one in left), (where, left)
        assert second == 0, f"{where}; the second try: {second} {again}"
        assert broken == [], (where, "nothing half", broken)
        if name in ("build", "add", "accept", "report", "rerun", "untrained", "convert"):
            assert left == [], (where, "nothing half", left)
