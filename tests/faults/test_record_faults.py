"""Faults of records, of what is counted from them, and of where they are written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from synthetic_runs import TASK, line, sweep, write_run

from resolution_eval import cli
from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.ground.errors import ImageError, RecordError
from resolution_eval.host import task_metrics
from resolution_eval.jobs.execution import execute
from resolution_eval.jobs.sweep_plan import read_plan
from resolution_eval.records import Record, make_records, read_record, write_record

CURVE = {"28": 0.4, "64": 0.8, "128": 0.7}
HOST = [sys.executable, str(Path(__file__).parents[1] / "jobs" / "stand_in_host.py")]


def one(folder: Path, lines: list[dict[str, Any]], **options: Any) -> Record:
    write_run(folder, lines, **options)
    (record,) = make_records(folder)
    return record


def accuracies(record: Record) -> dict[str, float | None]:
    return {cell.resolution: cell.accuracy for cell in record.cells}


# Data that changes under a run.


def folder_of_images(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    rows = ["file,label,split,source"]
    for place, label in enumerate(("basophil", "platelet", "monocyte")):
        image = Image.new("RGB", (30, 20), (60 * place, 10, 10))
        image.save(folder / "images" / f"{label}.png")
        rows.append(f"images/{label}.png,{label},test,here")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("fault", ["changed", "deleted"])
def test_a_file_that_changes_under_a_run_fails_by_name(tmp_path: Path, fault: str) -> None:
    folder = folder_of_images(tmp_path)
    source = LocalSource(folder, task_cards()["pbc"])
    assert source.fingerprint
    victim = folder / "images" / "platelet.png"
    if fault == "deleted":
        victim.unlink()
    else:
        Image.new("RGB", (30, 20), "white").save(victim)
    said = "No such file" if fault == "deleted" else "changed while the run was under way"
    for sample in source.samples("test"):
        if sample.answer == "platelet":
            with pytest.raises(ImageError, match=rf"images/platelet\.png.*{said}"):
                source.read(sample.image)
        else:
            assert source.read(sample.image)


def test_a_file_that_appears_under_a_run_fails_too(tmp_path: Path) -> None:
    folder = folder_of_images(tmp_path)
    victim = folder / "images" / "platelet.png"
    data = victim.read_bytes()
    victim.unlink()
    source = LocalSource(folder, task_cards()["pbc"])
    assert source.fingerprint
    victim.write_bytes(data)
    with pytest.raises(ImageError, match="changed while the run was under way"):
        source.read("images/platelet.png")


def test_two_ranks_that_read_other_data_make_no_record(tmp_path: Path) -> None:
    lines = [line("a", "28"), line("b", "28", fingerprint="of-other-data")]
    with pytest.raises(RecordError, match=r"line 2: fingerprint 'of-other-data'.*one data set"):
        one(tmp_path, lines)
    items = [{"data": "3 samples, 0 excluded", "fingerprint": name} for name in ("f1", "f2")]
    assert task_metrics.data_summary(items).startswith("no one data set")
    assert task_metrics.data_summary(items[:1]) == "3 samples, 0 excluded"


# Results cut short or edited.


def counting(n: int, **config: Any) -> Any:
    def change(results: dict[str, Any]) -> None:
        results["n-samples"] = {TASK: {"original": 100, "effective": n}}
        results["config"].update(config)

    return change


def test_samples_cut_between_two_lines_are_refused_though_no_accuracy_tells(tmp_path: Path) -> None:
    lines = [line(f"tile-{i}", "28", correct=1) for i in range(6)]
    assert one(tmp_path / "whole", lines, change=counting(6)).cells[0].n == 6
    with pytest.raises(RecordError, match=r"counts 6 answers, but its samples file holds 4; .*cut"):
        one(tmp_path / "cut", lines[:4], change=counting(6))
    with pytest.raises(RecordError, match="counts 6 answers, but its samples file holds 7"):
        one(tmp_path / "more", [*lines, line("tile-9", "28")], change=counting(6))


def test_a_limit_that_is_a_fraction_and_an_offset_say_no_number(tmp_path: Path) -> None:
    lines = [line(f"tile-{i}", "28") for i in range(6)]
    assert one(tmp_path / "a", lines, change=counting(0.1)).cells[0].n == 6  # type: ignore[arg-type]
    assert one(tmp_path / "b", lines, change=counting(8, offset=2)).cells[0].n == 6


def test_a_line_cut_in_its_middle_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, sweep(CURVE, samples=4))
    (samples,) = tmp_path.glob("*_samples_*")
    samples.write_bytes(samples.read_bytes()[:-40])
    with pytest.raises(RecordError, match=r"line 12, column .*not JSON"):
        make_records(tmp_path)


def test_two_runs_of_one_second_in_one_folder_make_no_record(tmp_path: Path) -> None:
    """lmms-eval adds to a samples file that is there, and writes the results anew."""
    lines = sweep(CURVE, samples=3)
    write_run(tmp_path, lines)
    (samples,) = tmp_path.glob("*_samples_*")
    samples.write_text(samples.read_text() * 2)
    with pytest.raises(RecordError, match="line 10: sample 'tile-0' at 28 is already on line 1"):
        make_records(tmp_path)


def test_two_runs_in_one_folder_are_two_records(tmp_path: Path) -> None:
    write_run(tmp_path, sweep({"28": 0.2}, samples=5), date="20260101_000000")
    write_run(tmp_path, sweep({"28": 0.9}, samples=7, seed=3), date="20260101_000001")
    assert [record.cells[0].n for record in make_records(tmp_path)] == [5, 7]


def test_samples_missing_at_one_resolution_are_counted_and_the_cell_marked(tmp_path: Path) -> None:
    lines = sweep(CURVE, samples=10)
    kept = [
        each
        for each in lines
        if (each["verdict"]["sample"], each["verdict"]["resolution"])
        not in {("tile-3", "64"), ("tile-4", "64")}
    ]
    whole, holed = one(tmp_path / "whole", lines), one(tmp_path / "holed", kept)
    missing = {cell.resolution: (cell.missing, cell.status) for cell in holed.cells}
    assert missing == {"28": (0, "complete"), "64": (2, "incomplete"), "128": (0, "complete")}
    expected, found = accuracies(whole), accuracies(holed)
    assert [found[r] for r in ("28", "128")] == [expected[r] for r in ("28", "128")]


def test_where_every_sample_failed_there_is_no_score_and_all_are_named(tmp_path: Path) -> None:
    lines = [line(f"tile-{i}", r, correct=None) for i in range(3) for r in ("28", "64")]
    record = one(tmp_path, lines)
    assert set(accuracies(record).values()) == {None}
    assert len(record.failures) == 6 and {cell.status for cell in record.cells} == {"incomplete"}


def test_a_secret_in_the_message_of_a_failure_is_struck_out(tmp_path: Path) -> None:
    lines = [line("a", "28"), line("b", "28", correct=None)]
    told = "401 of https://me:abc123@host/v1?api_key=def456, token=hf_abcdefghijklmnop"
    lines[1]["verdict"]["failure"]["message"] = told
    path = write_record(one(tmp_path / "run", lines), tmp_path / "records")
    (found,) = read_record(path).failures
    kept = path.read_text() + str(read_record(path).answers.table.to_pylist())
    assert "401 of https://[REDACTED]@host" in found.message
    assert not [secret for secret in ("abc123", "def456", "hf_abc") if secret in kept]


def test_a_record_of_a_newer_schema_says_to_upgrade(tmp_path: Path) -> None:
    path = write_record(one(tmp_path / "run", sweep(CURVE, samples=2)), tmp_path / "records")
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "schema_version": 99}))
    with pytest.raises(RecordError, match=r"schema version 99, and .*upgrade resolution-eval"):
        read_record(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("which", ["document", "answers"])
def test_a_record_cut_anywhere_is_refused(tmp_path: Path, which: str, share: float) -> None:
    path = write_record(one(tmp_path / "run", sweep(CURVE, samples=2)), tmp_path / "records")
    (answers,) = path.parent.glob("*.parquet")
    victim = path if which == "document" else answers
    data = victim.read_bytes()
    victim.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(RecordError, match=r"not JSON|not the answers that"):
        read_record(path)


def test_a_column_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    """Found by the board's fuzzing: pyarrow raises an error of its own kind."""
    path = write_record(one(tmp_path / "run", sweep(CURVE, samples=2)), tmp_path / "records")
    (answers,) = path.parent.glob("*.parquet")
    data = answers.read_bytes().replace(b"failure_kind", b"\xecailure_kind")
    answers.write_bytes(data)
    document = json.loads(path.read_text())
    document["answers_file"]["sha256"] = hashlib.sha256(data).hexdigest()
    path.write_text(json.dumps(document))
    with pytest.raises(RecordError, match="not a readable parquet file"):
        read_record(path)


# The disk.


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a disk that is full after `size` bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_leaves_the_old_record_whole_and_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "records"
    write_run(run, sweep(CURVE, samples=40))
    assert cli.main(["record", str(run), "--output", str(out)]) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with files_no_larger_than(500):
        assert cli.main(["record", str(run), "--output", str(out)]) == 1
    assert "File too large" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EROFS, "Read-only file system"),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_a_disk_that_refuses_is_one_sentence_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    said: str,
) -> None:
    write_run(tmp_path / "run", sweep(CURVE, samples=2))

    out, opened = tmp_path / "records", os.open

    def refused(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_CREAT and Path(path).parent == out:
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refused)
    assert cli.main(["record", str(tmp_path / "run"), "--output", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"resolution-eval: {said}") and "name a" in error
    assert "Traceback" not in error and list(out.iterdir()) == []


# Jobs: weights, clocks, kills.


def plan_file(folder: Path, args: str = "calm=1") -> Path:
    model = {"name": "one", "model": "resflamingo", "model_args": args, "launch": HOST}
    document = {"output": "out", "models": [model], "tasks": ["synthetic_res"]}
    (folder / "plan.yaml").write_text(yaml.safe_dump(document))
    return folder / "plan.yaml"


def test_new_weights_under_the_same_name_are_run_again(tmp_path: Path) -> None:
    weights = tmp_path / "checkpoint"
    weights.mkdir()
    (weights / "model.safetensors").write_bytes(b"one")
    path = plan_file(tmp_path, f"pretrained={weights},calm=1")

    def states() -> list[str]:
        return [outcome.state for outcome in execute(read_plan(path), progress=False)]

    assert (states(), states()) == (["finished"], ["skipped"])
    (weights / "model.safetensors").write_bytes(b"two, longer")
    assert (states(), states()) == (["finished"], ["skipped"])


def test_a_clock_that_jumps_back_makes_no_negative_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resolution_eval.jobs import job

    steps = iter(range(10**6, 0, -1000))
    monkeypatch.setattr(job.time, "time", lambda: float(next(steps)))
    (outcome,) = execute(read_plan(plan_file(tmp_path)), progress=False)
    assert outcome.job.finished is not None and outcome.job.finished["seconds"] >= 0


def _interrupted(process: subprocess.Popen[str]) -> str:
    """What a process printed that was interrupted, again where Python lost it: one that comes in a
    callback of its collector is printed and passed over.
    """
    for _ in range(5):
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=30)[1]
    raise AssertionError("five interrupts did not stop it")


@pytest.mark.whole
def test_an_interrupt_of_a_sweep_is_said_and_the_next_one_finishes(tmp_path: Path) -> None:
    path = plan_file(tmp_path)
    command = [sys.executable, "-m", "resolution_eval", "sweep", str(path)]
    slow = tmp_path / "slow.py"
    slow.write_text("import time\ntime.sleep(60)\n")
    document = yaml.safe_load(path.read_text())
    document["models"][0]["launch"] = [sys.executable, str(slow)]
    path.write_text(yaml.safe_dump(document))
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    log = tmp_path / "out" / "jobs"
    waited = threading.Event()
    for _ in range(1200):
        if list(log.rglob("log.txt")):
            break
        waited.wait(0.1)
    error = _interrupted(process)
    assert process.returncode == 130 and error.strip().endswith("resolution-eval: stopped")
    assert "Traceback" not in error
    assert not list((tmp_path / "out").rglob("*.record.json"))
    document["models"][0]["launch"] = HOST
    path.write_text(yaml.safe_dump(document))
    (outcome,) = execute(read_plan(path), progress=False)
    assert outcome.state == "finished"
