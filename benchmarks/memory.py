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
from benchmarks.host import keep

data, resolutions, *rest = sys.argv[1:]
kept = keep(Path(data), resolutions.split(","), rest)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"peak": peak, "requests": len(kept.requests)}))
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
        peaks = {}
        for count in (given.few, given.images):
            data = workload.write_images(Path(folder, f"data-{count}"), count, 84)
            peaks[count] = _peak(data, model, given)
    ratio = peaks[given.images] / peaks[given.few]
    resolutions = len(given.resolutions.split(","))
    return Result(
        name="memory",
        ratio=ratio,
        target=TARGET,
        sense="at most",
        rows=[
            {"images": count, "requests": count * resolutions, "peak MiB": peak / 1024}
            for count, peak in peaks.items()
        ],
        sizes=vars(given) | {"json": None},
        note="The whole process, lmms-eval's own copy of every request included.",
    )


def _peak(data: Path, model: Path, given: argparse.Namespace) -> int:
    """Largest resident size in KiB."""
    command = [sys.executable, "-c", CHILD, str(data), given.resolutions]
    command += ["--model", "resflamingo", "--model_args", f"pretrained={model}"]
    command += ["--batch_size", given.batch]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the run ended with {done.returncode}: {done.stderr[-800:]}")
    peak: int = json.loads(done.stdout.splitlines()[-1])["peak"]
    return peak
