"""Two processes answer as one does: the same samples, answers and attestations."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
    subprocess.run([sys.executable, *command, *RUN, *options], check=True, timeout=500)
    return _answers(output)


def test_two_ranks_answer_as_one_process_does(tmp_path: Path) -> None:
    one = _run(output=tmp_path / "one")
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    two = _run(*launch, "--main_process_port", str(_free_port()), output=tmp_path / "two")
    assert len(one) == 42
    assert two == one
