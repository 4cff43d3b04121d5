"""Two processes train as one does with twice the batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
from pathlib import Path
import torch
sys.path[:0] = [{tests!r}]
torch.set_num_threads(1)
from halves import Halves
from test_finetune import plan, start
from learners import learner
from resolution_eval.training.loop import Trainer
from resolution_eval.training.plan import Stage

folder, batch = Path(sys.argv[1]), int(sys.argv[2])
owner = learner({name!r}, Halves())
source = Halves(tall=3)  # a group of 3: for it, the second process has fewer samples, or none
seen, original = [], Trainer._clipped

def noted(self, step, shares):
    if self.accelerator.sync_gradients and step == 0:
        kept = {{n: p.grad for n, p in owner.model.named_parameters() if p.grad is not None}}
        torch.save(kept, folder.parent / f"{{folder.name}}-{{self._rank}}.pt")
    return original(self, step, shares)

Trainer._clipped = noted
batches = owner.batch

def watched(drawn):
    seen.append([str(drawn.resolution), [drawn.grid.height, drawn.grid.width]])
    return batches(drawn)

owner.batch = watched
start(folder, plan(accumulate=2, optimisation=Stage(steps=6, batch=batch, rate=1e-4, warmup=1)),
      owner=owner, source=source)
from accelerate import PartialState
rank = PartialState().process_index
(folder.parent / f"{{folder.name}}-{{rank}}.json").write_text(json.dumps(seen))
"""


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _run(name: str, folder: Path, processes: int, batch: int) -> None:
    script = folder.parent / "script.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), name=name))
    # what `accelerate launch` itself starts; on CPUs it would want MPI for more than one process
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
    launch += ["--master_port", str(_free_port())]
    command = [sys.executable, *launch] if processes > 1 else [sys.executable]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    subprocess.run(
        [*command, str(script), str(folder), str(batch)], check=True, timeout=500, env=environment
    )


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", ["resflamingo", "small llava"])
def test_two_processes_train_as_one_does_with_twice_the_batch(name: str, tmp_path: Path) -> None:
    _run(name, tmp_path / "one", 1, 8)
    _run(name, tmp_path / "two", 2, 4)
    one, two = (torch.load(tmp_path / f"{run}-0.pt", weights_only=True) for run in ("one", "two"))
    assert one.keys() == two.keys()
    for parameter, gradient in one.items():
        assert torch.allclose(gradient, two[parameter], rtol=0, atol=1e-5), parameter
    assert max(float(gradient.abs().max()) for gradient in one.values()) > 1e-3
    mixes = [json.loads((tmp_path / f"two-{rank}.json").read_text()) for rank in (0, 1)]
    assert mixes[0] == mixes[1], "every process draws the same resolution and grid"
    assert len({json.dumps(drawn) for drawn in mixes[0]}) > 1
    for alone, together in zip(_lines(tmp_path / "one"), _lines(tmp_path / "two"), strict=True):
        assert together["loss"] == pytest.approx(alone["loss"], abs=1e-4)
        assert [row["samples"] for row in together["batches"]] == [
            row["samples"] for row in alone["batches"]
        ]
        found, expected = together.get("validation", {}), alone.get("validation", {})
        assert found.keys() == expected.keys()
        for resolution, row in found.items():
            assert row["n"] == expected[resolution]["n"] == 8
            assert row["loss"] == pytest.approx(expected[resolution]["loss"], abs=1e-4)
