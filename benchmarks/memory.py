"""Peak resident memory of a run on many images, against one on few."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import workload
from benchmarks.result import Result

TARGET = 1.2

CHILD = """
import json, resource, sys
from pathlib import Path
import psutil
from benchmarks.host import keep
from resolution_eval.adapters.base import ResolutionAdapter

def resident():
    return psutil.Process().memory_info().rss / 2**20

def watching(self, requests):
    told["before answering"] = resident()
    replies = answer(self, requests)
    told["answered"] = resident()
    return replies

told, answer = {}, ResolutionAdapter.generate_until
ResolutionAdapter.generate_until = watching
data, resolutions, *rest = sys.argv[1:]
kept = keep(Path(data), resolutions.split(","), rest)
told["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(told))
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--few", type=int, default=200)
    parser.add_argument("--resolutions", default="14,28,42,56,70,84")
    parser.add_argument("--batch", default="32")


def measure(given: argparse.Namespace) -> Result:
    """Two whole runs of lmms-eval, each in a process of its own."""
    with TemporaryDirectory() as folder:
        model = workload.write_flamingo(Path(folder, "model"), "tiny")
        few, many = (
            _told(workload.write_images(Path(folder, f"data-{count}"), count, 84), model, given)
            for count in (given.few, given.images)
        )
    resolutions = len(given.resolutions.split(","))
    added = (given.images - given.few) * resolutions
    parts = {
        "before the first answer": many["before answering"] - few["before answering"],
        "while answering": _during(many) - _during(few),
        "after the last": (many["peak"] - many["answered"]) - (few["peak"] - few["answered"]),
    }
    return Result(
        name="memory",
        ratio=many["peak"] / few["peak"],
        target=TARGET,
        sense="at most",
        rows=[
            {"images": count, "requests": count * resolutions}
            | {f"{when}, MiB": round(mib) for when, mib in told.items()}
            for count, told in ((given.few, few), (given.images, many))
        ],
        sizes=vars(given) | {"json": None},
        note="The whole process, lmms-eval's own copies of every request and result included. "
        f"Of {added:,} more requests each adds, in KiB: "
        + ", ".join(f"{mib * 1024 / added:.1f} {when}" for when, mib in parts.items())
        + ". While answering it is the reply itself, which lmms-eval wants in one list.",
    )


def _during(told: dict[str, float]) -> float:
    return told["answered"] - told["before answering"]


def _told(data: Path, model: Path, given: argparse.Namespace) -> dict[str, float]:
    """Resident size in MiB before the first answer, after the last, and the largest of all."""
    command = [sys.executable, "-c", CHILD, str(data), given.resolutions]
    command += ["--model", "resflamingo", "--model_args", f"pretrained={model}"]
    command += ["--batch_size", given.batch]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the run ended with {done.returncode}: {done.stderr[-800:]}")
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told
