"""Two processes share a sweep: how far apart they end, the costly resolutions dealt to both."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import workload
from benchmarks.result import Foreign, Result, spread

TARGET = 1.10

CHILD = """
import json, sys, time
from pathlib import Path
import torch
from benchmarks.host import keep

data, resolutions, repetitions, *rest = sys.argv[1:]
kept = keep(Path(data), resolutions.split(","), rest)
seconds = []
for _ in range(int(repetitions)):
    torch.distributed.barrier()
    seconds.append(kept.seconds())
torch.distributed.barrier()
told = {"requests": len(kept.requests), "seconds": seconds, "processor": time.process_time()}
print("RANK " + json.dumps(told), flush=True)
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--resolutions", default="28,56,112,224")
    parser.add_argument("--model", choices=sorted(workload.FLAMINGOS), default="small")
    parser.add_argument("--batch", default="8")
    parser.add_argument("--repetitions", type=int, default=3)


def measure(given: argparse.Namespace) -> Result:
    """Seconds of the rank that ends last, over those of the one that ends first."""
    others = Foreign()
    with TemporaryDirectory() as folder:
        data = workload.write_images(Path(folder, "data"), given.images, 224)
        model = workload.write_flamingo(Path(folder, "model"), given.model)
        ranks = _ranks(data, model, given)
    pairs = list(zip(*(rank["seconds"] for rank in ranks), strict=True))
    return Result(
        name="ranks",
        ratio=median(max(pair) / min(pair) for pair in pairs),
        target=TARGET,
        sense="at most",
        rows=[
            {"rank": place, "requests": rank["requests"], "seconds": spread(rank["seconds"])}
            for place, rank in enumerate(ranks)
        ],
        sizes=vars(given) | {"json": None},
        note="One thread a process.",
        foreign=others.share(unseen=sum(rank["processor"] for rank in ranks)),
    )


def _ranks(data: Path, model: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    script = data.parent / "child.py"
    script.write_text(CHILD, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--standalone", str(script), str(data), given.resolutions, str(given.repetitions)]
    command += ["--model", "resflamingo", "--model_args", f"pretrained={model}"]
    command += ["--batch_size", given.batch]
    here = str(Path(__file__).parents[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    environment["PYTHONPATH"] = here
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RANK ")]
    if done.returncode or len(lines) != 2:
        raise RuntimeError(f"the ranks ended with {done.returncode}: {done.stderr[-800:]}")
    return [json.loads(line.removeprefix("RANK ")) for line in lines]
