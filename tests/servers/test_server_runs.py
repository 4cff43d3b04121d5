"""Whole runs of lmms-eval against servers: counted in every line, and none asked twice."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from stand_in import running

from resolution_eval.records import make_records, read_record, write_record

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(1800)]
QWEN = "model=Qwen/Qwen2.5-VL-7B-Instruct,served_min_pixels=784"


def small(width: int, height: int) -> int:
    """Qwen's count under a floor of one token."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    high, wide = smart_resize(height, width, 28, 784, 12845056)
    return int(high * wide // 28**2)


def command(output: Path, url: str, told: str, *more: str) -> list[str]:
    arguments = f"base=openai,base_url={url},api_key=sk-secretsecretsecret,{told}"
    arguments += ",httpx_trust_env=False"
    written = ["--output_path", str(output), "--log_samples", "--verbosity", "WARNING"]
    run = ["--model", "reswrap", "--model_args", arguments, "--tasks", "phantom_res"]
    return [sys.executable, "-m", "lmms_eval", *run, *written, "--limit", "10", *more]


def ended(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]


def lines(output: Path) -> list[dict[str, Any]]:
    (samples,) = output.rglob("*_samples_*.jsonl")
    return [json.loads(line) for line in samples.read_text().splitlines()]


def counted(output: Path) -> None:
    """Every line is counted, and so is every cell of the record, which holds no secret."""
    found = lines(output)
    assert len(found) == 10
    assert {line["attestation"]["status"] for line in found} == {"counted"}
    (record,) = make_records(output)
    assert {cell.status for cell in record.cells} == {"counted"}
    for cell in record.cells:
        assert cell.serving is not None and cell.counted == cell.n
        assert cell.serving.counted_tokens is not None and cell.serving.disagreements == ()
        assert len(cell.serving.rules) == len(cell.serving.models) == 1
    path = write_record(record, output / "records")
    assert read_record(path).cells == record.cells
    for file in (output / "records").iterdir():
        data = file.read_bytes()
        assert b"secret" not in data and b"Bearer" not in data and b"uthorization" not in data


@pytest.mark.whole
def test_a_run_against_the_stand_in_is_counted_in_every_line(tmp_path: Path) -> None:
    with running(small, wrapping=2, details=False) as server:
        ended(command(tmp_path, server.url, f"{QWEN},num_concurrent=4"))
        assert len(server.questions) == 10 and server.most_busy <= 4
    counted(tmp_path)


@pytest.mark.slow
def test_a_run_killed_and_resumed_asks_nothing_twice(tmp_path: Path) -> None:
    with running(small) as server:
        server.delay = 1.0
        told, kept = f"{QWEN},num_concurrent=3", str(tmp_path / "kept")
        run = command(tmp_path / "out", server.url, told, "--use_cache", kept)
        process = subprocess.Popen(
            run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        journal = tmp_path / "kept" / "resolution_eval_answers.jsonl"
        deadline = time.monotonic() + 600
        while _kept(journal) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        answered = _kept(journal)
        assert 4 <= answered < 10, "killed in the middle"
        time.sleep(2)
        before = len(server.questions)
        server.delay = 0.0
        ended(run)
        assert len(server.questions) - before == 10 - answered
        assert before - answered <= 3, "those alone that were under way when it was killed"
    assert b"secret" not in journal.read_bytes()


def _kept(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.is_file() else 0


# A real server: transformers' own, with a tiny checkpoint.


@contextmanager
def transformers_serve(folder: Path, log: Path) -> Iterator[str]:
    """`transformers serve` on loopback, once it answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    program = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder)]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as told:
        process = subprocess.Popen([*program, *options], stdout=told, stderr=told, env=offline)
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.5)
    raise AssertionError(f"no answer from {url}: {log.read_text()[-3000:]}")


def _lower_floor(folder: Path) -> None:
    """Lets the processor keep an image of one token, for the server and for us who read it."""
    for path in (folder / "preprocessor_config.json", folder / "processor_config.json"):
        if not path.is_file():
            continue
        told = json.loads(path.read_text())
        for part in (told, told.get("image_processor", {})):
            if "size" in part:
                part["size"]["shortest_edge"] = 784
                part.pop("min_pixels", None)
        path.write_text(json.dumps(told))


@pytest.mark.slow
def test_a_run_against_transformers_serve_is_counted_in_every_line(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="transformers[serving] is not installed")
    folder = tiny_families.save("qwen2_5_vl", tmp_path / "tiny")
    _lower_floor(folder)
    with transformers_serve(folder, tmp_path / "log.txt") as url:
        ended(command(tmp_path / "out", url, f"model={folder}"))
    counted(tmp_path / "out")
    for line in lines(tmp_path / "out"):
        served = line["attestation"]["served"]
        assert served["counted_by"] == "difference" and served["wrapping"] == 2
        assert served["rule"].startswith("processor/Qwen2_5_VLProcessor@")
