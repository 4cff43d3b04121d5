"""One command gives one record, and one checkpoint gives one answer, however the run is made."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resolution_eval.records import Record, read_record
from resolution_eval.records.times import timeless

sys.path.insert(0, str(Path(__file__).parent / "families"))
import tiny_families

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
LIMIT = 42
"""Documents, of five resolutions: no multiple of the batch or of the ranks."""
MODELS: dict[str, Callable[[Path], list[str]]] = {
    "resflamingo ranks": lambda folder: ["--model", "resflamingo"],
    "reshf generates": lambda folder: _hugging_face(folder),
    "reshf ranks": lambda folder: _hugging_face(folder, ",answer_mode=rank"),
}
WAYS = ("again", "batch 1", "two processes", "cold cache", "warm cache")
"""How a run is made another time, the first being of batch 8, in one process, without a cache."""
OF_THE_ANSWER = ("prediction", "correct", "answer", "status", "grid_height", "visual_tokens")


def _hugging_face(folder: Path, more: str = "") -> list[str]:
    if not folder.is_dir():
        tiny_families.save("qwen2_5_vl", folder)
    return ["--model", "reshf", "--model_args", f"pretrained={folder}{more}"]


def run(folder: Path, model: list[str], way: str) -> Record:
    """The record, by the real command lines, of a run made in that way."""
    batch = "1" if way == "batch 1" else "8"
    options = ["--tasks", "phantom_res", "--limit", str(LIMIT), "--batch_size", batch]
    if "cache" in way:
        options += ["--use_cache", str(folder / "cache")]
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", _port()]
    ranks = launch if way == "two processes" else []
    output = folder / way.replace(" ", "-")
    written = ["--log_samples", "--output_path", str(output)]
    host = [sys.executable, *ranks, "-m", "lmms_eval", *model, *options, *written]
    made = [sys.executable, "-m", "resolution_eval", "record", str(output)]
    alone = os.environ | {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    for command in (host, [*made, "--output", str(output / "records")]):
        subprocess.run(command, check=True, timeout=500, env=alone, cwd=folder)
    (path,) = (output / "records").glob("*.record.json")
    return read_record(path)


def _port() -> str:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return str(server.getsockname()[1])


def answers(record: Record) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = record.answers.rows()
    return {
        (row["sample"], row["resolution"]): tuple(row[name] for name in OF_THE_ANSWER)
        for row in rows
    }


def scores(record: Record) -> list[list[float]]:
    return [row["choice_scores"] or [] for row in record.answers.rows()]


def timed(record: Record) -> int:
    return sum(cell.cost.timed for cell in record.cells if cell.cost is not None)


@pytest.mark.parametrize("name", MODELS)
def test_a_run_made_otherwise_is_the_same_run(name: str, tmp_path: Path) -> None:
    model = MODELS[name](tmp_path / "checkpoint")
    first = run(tmp_path, model, "first")
    assert len(first.answers) == timed(first) == LIMIT
    made = {way: run(tmp_path, model, way) for way in WAYS}
    assert (timed(made["cold cache"]), timed(made["warm cache"])) == (LIMIT, 0)
    assert made["two processes"].environment.processes == 2
    for way, record in made.items():
        assert answers(record) == answers(first), way
        for one, other in zip(scores(record), scores(first), strict=True):
            assert one == pytest.approx(other, abs=2e-4), way
    for way in ("again", "cold cache", "warm cache"):
        assert timeless(made[way]) == timeless(first), way
