"""Two processes answer as one does: the same samples, answers and attestations."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resolution_eval.records import Cell, make_records

pytestmark = pytest.mark.slow
RUN = ["-m", "lmms_eval", "--model", "resflamingo", "--tasks", "phantom_res", "--limit", "42"]


def _answers(output: Path) -> dict[tuple[str, str], Any]:
    (path,) = output.rglob("*_samples_*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {
        (line["verdict"]["sample"], line["verdict"]["resolution"]): (
            line["verdict"]["prediction"],
            line["attestation"],
        )
        for line in lines
    }


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _run(*command: str, output: Path) -> dict[tuple[str, str], Any]:
    options = ["--log_samples", "--batch_size", "4", "--output_path", str(output)]
    alone = os.environ | {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    command = (sys.executable, *command, *RUN, *options)
    subprocess.run(command, check=True, timeout=500, env=alone)
    return _answers(output)


def test_two_ranks_answer_as_one_process_does(tmp_path: Path) -> None:
    one = _run(output=tmp_path / "one")
    # accelerate's launcher starts one process on a CPU, however many it is asked for
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", "2"]
    two = _run(*launch, "--master_port", str(_free_port()), output=tmp_path / "two")
    (record,) = make_records(tmp_path / "two")
    assert record.environment.processes == 2, "one process alone would prove nothing"
    assert len(one) == 42
    assert two == one
    (record,) = make_records(tmp_path / "two")
    assert record.environment.processes == 2
    assert sum(cell.cost.timed for cell in record.cells if cell.cost is not None) == 42
    (single,) = make_records(tmp_path / "one")
    assert (record.checkpoint, record.dataset) == (single.checkpoint, single.dataset)
    assert [_without_cost(cell) for cell in record.cells] == [
        _without_cost(cell) for cell in single.cells
    ]


def _without_cost(cell: Cell) -> Cell:
    return cell.model_copy(update={"cost": None})
