"""Everything that a GPU is wanted for, in one command of a few minutes; a short table comes last.

    python -m benchmarks.gpu_session --output DIR [--minutes 9.5] [--parts NAME,...]
    python -m benchmarks.gpu_session --output DIR --size rehearsal        (on a processor)

Each part is a process of its own with a limit of time; what it writes lies in DIR, also where a
later part fails or the time is up. Models have random weights, made here: nothing is downloaded.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

LEAST = 20.0
"""Seconds below which no part is begun: importing takes as long."""
PATIENCE = 8
"""By how much longer a part may take in a rehearsal, whose processor may be shared."""
CHECKPOINT = "model"
NOTHING: dict[str, Any] = {
    "ratio": None, "rehearsed": None, "must": "", "said": "", "rounds": [], "machine": "",
    "foreign": None, "rows": [],
}  # fmt: skip
"""What is known of a part that wrote no result."""
TESTS = Path(__file__).parents[1] / "tests" / "test_gpu.py"


@dataclass(frozen=True)
class Part:
    """One process: what it runs, and how long it may."""

    name: str
    command: tuple[str, ...]
    seconds: float
    checkpoint: bool = False
    """Whether it takes the 2B checkpoint that the first part makes."""


def parts(output: Path, size: str) -> list[Part]:
    """All of them, those first whose answer is wanted most."""
    rehearsed = size == "rehearsal"
    sized = ("--size", "rehearsal") if rehearsed else ()
    python = sys.executable
    model = (python, "-m", "benchmarks.gpu_session", "--output", str(output), "--make", size)
    tests = (python, "-m", "pytest", "-o", "addopts=", "-m", "gpu", "-q", "-p", "no:cacheprovider")
    device = "cpu" if rehearsed else "cuda"

    def benchmark(name: str, seconds: float, *more: str, checkpoint: bool = False) -> Part:
        kept = ("--json", str(output / f"{name}.json"))
        return Part(
            name, (python, "-m", "benchmarks", name, *sized, *kept, *more), seconds, checkpoint
        )

    cost = (python, "-m", "benchmarks.cost", "--output", str(output / "cost"), "--device", device)
    quick = ("--resolutions", "28,56", "--batches", "1,2", "--repetitions", "5")
    return [
        Part("model", model, 60),
        Part("tests", (*tests, str(TESTS)), 150),
        benchmark("gpu-overhead", 75, checkpoint=True),
        benchmark("gpu-rank", 60, checkpoint=True),
        benchmark("gpu", 75, *(quick if rehearsed else ("--compile",))),
        benchmark("gpu-batch", 75, checkpoint=True),
        benchmark("gpu-overhead-flamingo", 75),
        benchmark("gpu-generate", 100, checkpoint=True),
        Part("cost", cost, 60),
    ]


def main() -> int:
    """Run the parts within the time; 0 where all of them ended well."""
    given = _arguments()
    given.output.mkdir(parents=True, exist_ok=True)
    if given.make:
        return _make(given.output / CHECKPOINT, given.make)
    deadline = time.monotonic() + 60 * given.minutes
    chosen = [
        part
        for part in parts(given.output, given.size)
        if not given.parts or part.name in given.parts.split(",")
    ]
    (given.output / "card.json").write_text(json.dumps(_card(), indent=1) + "\n")
    rows = [_run(part, given, deadline) for part in chosen]
    session = {"size": given.size, "date": datetime.date.today().isoformat(), "card": _card()}
    text = json.dumps({**session, "parts": rows}, indent=1) + "\n"
    (given.output / "session.json").write_text(text, encoding="utf-8")
    print(json.dumps(_card()))
    shown = ("part", "ended", "seconds", "ratio", "rehearsed", "must", "said")
    told = [{name: str(row[name] or "")[:90] for name in shown} for row in rows]
    print(tabulate(told, headers="keys", disable_numparse=True))
    return 0 if all(row["ended"] == "well" for row in rows) else 1


def _arguments() -> argparse.Namespace:
    names = ", ".join(part.name for part in parts(Path(), "2b"))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_session",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float, default=9.5, help="for all parts together (9.5)")
    parser.add_argument("--size", choices=["2b", "rehearsal"], default="2b")
    parser.add_argument("--parts", default="", help=f"comma-separated, of {names}; default: all")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    given = parser.parse_args()
    unknown = set(filter(None, given.parts.split(","))) - set(names.split(", "))
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; choose from {names}")
    return given


def _make(folder: Path, size: str) -> int:
    """The checkpoint that several parts take."""
    from benchmarks import workload
    from benchmarks.device import device
    from benchmarks.gpu import SIZES

    if not (folder / "config.json").is_file():
        workload.write_sized_qwen2_vl(folder, SIZES[size], device())
    return 0


def _run(part: Part, given: argparse.Namespace, deadline: float) -> dict[str, Any]:
    """The part's row: how it ended, how long it took, what it found."""
    left = deadline - time.monotonic()
    if left < LEAST:
        return {"part": part.name, "ended": "not begun: no time left", "seconds": 0, **NOTHING}
    command = list(part.command)
    model = given.output / CHECKPOINT
    if part.checkpoint and (model / "config.json").is_file():
        command += ["--pretrained", str(model)]
    variables = dict(os.environ)
    if given.size == "rehearsal":
        variables["RESOLUTION_EVAL_REHEARSAL"] = "1"
    began = time.monotonic()
    log = given.output / f"{part.name}.log"
    with log.open("w", encoding="utf-8") as file:
        limit = part.seconds * (PATIENCE if given.size == "rehearsal" else 1)
        ended = _ended(command, min(limit, left), variables, file)
    seconds = round(time.monotonic() - began, 1)
    print(f"{part.name}: {ended}, {seconds} s", flush=True)
    return {
        "part": part.name,
        "ended": ended,
        "seconds": seconds,
        **_found(part.name, given.output),
    }


def _ended(command: Sequence[str], seconds: float, variables: dict[str, str], file: Any) -> str:
    """Runs the command; how it ended, in a word or two."""
    try:
        done = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, timeout=seconds, env=variables,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"cut after {seconds:.0f} s"
    return "well" if done.returncode == 0 else f"status {done.returncode}"


def _found(name: str, output: Path) -> dict[str, Any]:
    """Ratio, mark, rounds and words of a part, from what it wrote."""
    path = output / f"{name}.json"
    costs = output / "cost" / "cost.json"
    if name == "cost" and costs.is_file():
        return {**NOTHING, **_costs(json.loads(costs.read_text(encoding="utf-8")))}
    if not path.is_file():
        last = list(_last(output / f"{name}.log"))
        return {**NOTHING, "said": (last or [""])[-1][:90]}
    document = json.loads(path.read_text(encoding="utf-8"))
    detail = document["detail"]
    must = f"{detail['sense']} {document['target']:g}" if document["target"] else ""
    told = ("rehearsed", "rounds", "machine", "foreign", "rows")
    found = {part: detail[part] for part in told if part in detail}
    return {**NOTHING, "ratio": document["ratio"], "must": must, "said": detail["note"], **found}


def _costs(document: dict[str, Any]) -> dict[str, Any]:
    """Samples per second, memory and energy by resolution, and the fitted laws."""
    rows = [
        {
            "r": each["edge"],
            "visual tokens": each["visual_tokens"],
            "trained/s": document["samples_per_second"][str(each["edge"])][0],
            "answered/s": document["samples_per_second"][str(each["edge"])][1],
            "peak MiB": each["peak_memory"] / 2**20,
            "J trained": each["train_joules"],
            "J answered": each["answer_joules"],
        }
        for each in document["measured"]
    ]
    said = "; ".join(
        f"{kind}: seconds a sample = {law['fixed']:.3g} + {law['factor']:.3g} * "
        f"tokens^{law['exponent']:.2f} (exponent 95 % [{law['low']:.2f}, {law['high']:.2f}])"
        for kind, law in document["laws"].items()
    )
    return {"machine": document["hardware"], "rows": rows, "said": said}


def _last(log: Path) -> Iterator[str]:
    """The lines of a log that say something."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    yield from (line.strip() for line in text.splitlines() if line.strip())


def _card() -> dict[str, Any]:
    """What every figure is of: card, driver, versions."""
    import torch  # facts names only the GPUs of a torch that is there

    from resolution_eval.evidence import facts
    from resolution_eval.ground.nvml import driver

    found = facts.hardware()
    return {
        "gpus": list(found.gpus),
        "driver": driver(),
        "cuda": torch.version.cuda,
        "cpu": found.cpu,
        "cores": found.cores,
        "versions": facts.versions(),
    }


if __name__ == "__main__":
    sys.exit(main())
