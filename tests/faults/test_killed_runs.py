"""Runs that are really killed: what is resumed is the uninterrupted run, times aside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from resolution_eval.ground.errors import RecordError
from resolution_eval.records import make_records, read_record
from resolution_eval.records.times import timeless

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
POINTS = (0.3, 0.55, 0.75, 0.9, 0.98)
"""When the sweep is killed, in parts of what it takes uninterrupted: while it imports, loads,
answers and writes."""


def plan_file(folder: Path) -> Path:
    folder.mkdir()
    model = {"name": "one", "model": "resflamingo", "batch_size": 4}
    document = {"output": "out", "models": [model], "tasks": ["phantom_res"]}
    document |= {"arguments": ["--limit", 60]}
    (folder / "plan.yaml").write_text(yaml.safe_dump(document))
    return folder / "plan.yaml"


def sweep(plan: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "resolution_eval", "sweep", str(plan)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, start_new_session=True, cwd=plan.parent, **quiet)


def said(plan: Path) -> bytes:
    """All that the one record says but when and how fast."""
    (path,) = (plan.parent / "out" / "records").glob("*.record.json")
    return timeless(read_record(path))


def test_a_sweep_killed_at_five_points_and_resumed_gives_the_same_record(tmp_path: Path) -> None:
    whole = plan_file(tmp_path / "whole")
    began = time.monotonic()
    assert sweep(whole).wait() == 0
    took = time.monotonic() - began
    killed = 0
    for point in POINTS:
        plan = plan_file(tmp_path / f"at-{point}")
        process = sweep(plan)
        try:
            process.wait(timeout=took * point)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
        assert sweep(plan).wait() == 0
        assert said(plan) == said(whole)
    assert killed >= 4, "the machine was too uneven to kill it in time"


def test_a_killed_rank_leaves_no_results(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", port]
    run = ["-m", "lmms_eval", "--model", "resflamingo", "--tasks", "phantom_res", "--limit", "2000"]
    written = ["--log_samples", "--output_path", str(tmp_path)]
    command = [sys.executable, *launch, *run, *written]
    alone = os.environ | {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True, env=alone)
    try:
        victim = _rank(psutil.Process(process.pid), "1")
        time.sleep(8)
        victim.kill()
        _, error = process.communicate(timeout=300)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0 and b"SIGKILL" in error
    assert not list(tmp_path.rglob("*_results.json"))
    with pytest.raises(RecordError, match="no results of our tasks"):
        make_records(tmp_path)


def _rank(launcher: psutil.Process, rank: str) -> psutil.Process:
    """The process of that rank, once it is there."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        for child in launcher.children(recursive=True):
            try:
                if child.environ().get("RANK") == rank and "lmms_eval" in child.cmdline():
                    return child
            except psutil.Error:
                continue
        time.sleep(0.2)
    raise AssertionError("the rank never began")
