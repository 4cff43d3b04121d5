"""Two processes that shard the parameters (FSDP2) train as one does, save, load and resume."""

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
from halves import Halves
from learners import learner
from safetensors.torch import load_file

from resolution_eval.training.learner import answer_loss
from resolution_eval.training.pool import open_pool
from resolution_eval.training.start import load_learner

pytestmark = pytest.mark.slow

SCRIPT = """
import os, sys
from pathlib import Path
import torch
sys.path[:0] = [{tests!r}]
torch.set_num_threads(1)
from halves import Halves
from learners import learner
from test_finetune import plan, start
from resolution_eval.training.loop import Trainer
from resolution_eval.training.plan import Stage

name, how, folder, batch, stop = sys.argv[1:6]
if how != "alike":
    # accelerate shards on accelerators only; here it takes two processors for such
    from accelerate import PartialState
    from accelerate.utils import DistributedType
    PartialState(cpu=True).distributed_type = DistributedType.MULTI_XPU
    os.environ |= {{
        "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_RESHARD_AFTER_FORWARD": "true",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
        "FSDP_CPU_RAM_EFFICIENT_LOADING": str(how == "sharded from one").lower(),
    }}
whole = Trainer.step

def stopped(self, step, meter):
    if step == int(stop):
        sys.exit(0)
    return whole(self, step, meter)

Trainer.step = stopped
source = Halves(tall=3)  # a group of 3: for it, the second process has fewer samples, or none
start(
    Path(folder), plan(accumulate=2, optimisation=Stage(steps=6, batch=int(batch), rate=1e-3,
                       warmup=1)),
    owner=learner(name, Halves()), source=source, name=name,
    resume=(Path(folder) / "plan.json").exists(),
)
"""


def _run(name: str, how: str, folder: Path, *, processes: int = 2, stop: int = -1) -> None:
    script = folder.parent / "script.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent)))
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", port]
    subprocess.run(
        [
            *(sys.executable, *(launch if processes == 2 else ())),
            *(str(script), name, how, str(folder), str(8 // processes), str(stop)),
        ],
        check=True,
        timeout=500,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )


def _losses(folder: Path) -> list[float]:
    lines = (folder / "steps.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def _validation_loss(name: str, folder: Path) -> float:
    """Of the checkpoint in the folder, at native resolution."""
    adapter = "resflamingo" if name == "resflamingo" else "reshf"
    owner = load_learner(adapter, {"pretrained": str(folder)})
    owner.eval()
    pool = open_pool(Halves(tall=3), "val", owner.grid, filter="bicubic", progress=False)
    loss = tokens = 0.0
    for grid, places in pool.in_order("native", 8):
        drawn = pool.take("native", grid, places)
        batch = owner.batch(drawn)
        with torch.no_grad(), owner.prepared(drawn):
            logits, _ = owner(batch.inputs, batch.labels.shape[1])
        loss += float(answer_loss(logits, batch.labels))
        tokens += float((batch.labels >= 0).sum())
    return loss / tokens


@pytest.mark.parametrize(
    ("name", "how"),
    [("small llava", "sharded"), ("small llava", "sharded from one"), ("resflamingo", "sharded")],
)
def test_sharded_processes_train_as_one_and_go_on_after_a_break(
    name: str, how: str, tmp_path: Path
) -> None:
    _run(name, "alike", tmp_path / "one", processes=1)
    _run(name, how, tmp_path / "sharded", stop=4)
    assert len(_losses(tmp_path / "sharded")) == 4
    assert not (tmp_path / "sharded" / "config.json").exists()
    _run(name, how, tmp_path / "sharded")
    assert _losses(tmp_path / "sharded") == pytest.approx(_losses(tmp_path / "one"), abs=2e-4)
    one, sharded = (load_file(tmp_path / run / "model.safetensors") for run in ("one", "sharded"))
    assert {n: t.shape for n, t in one.items()}.items() <= {
        n: t.shape for n, t in sharded.items()
    }.items()
    for written in sharded.keys() - one.keys():  # a tied weight, which the shards hold twice
        assert any(torch.equal(sharded[written], sharded[name]) for name in one)
    told: dict[str, Any] = json.loads((tmp_path / "sharded" / "training.json").read_text())
    expected = told["extra"]["validation"]["native"]["loss"]
    assert _validation_loss(name, tmp_path / "sharded") == pytest.approx(expected, abs=1e-4)
    assert told["extra"]["parameters"] == {
        "all": sum(p.numel() for p in learner(name, Halves()).model.parameters()),
        "trained": told["extra"]["parameters"]["all"],
    }
