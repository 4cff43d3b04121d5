"""A sweep in one run, against one run of lmms-eval per resolution at batch 1, as is done today."""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import workload
from benchmarks.host import Kept, keep, run_seconds
from benchmarks.result import Result, spread

TARGET, TARGET_ANSWERING = 5.0, 2.5


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--resolutions", default="28,56,84,112,168,224")
    parser.add_argument("--model", choices=sorted(workload.FLAMINGOS), default="tiny")
    parser.add_argument("--batch", default="32")
    parser.add_argument("--runs", type=int, default=2, help="of whole processes")
    parser.add_argument("--repetitions", type=int, default=3, help="of answering alone")


def measure(given: argparse.Namespace) -> Result:
    """Whole processes in turn, then the answering alone, in turn too."""
    resolutions = given.resolutions.split(",")
    with TemporaryDirectory() as folder:
        data = workload.write_images(Path(folder, "data"), given.images, 224)
        model = workload.write_flamingo(Path(folder, "model"), given.model)
        common = ["--model", "resflamingo", "--model_args", f"pretrained={model}"]
        ours, theirs = [], []
        for _ in range(given.runs):
            ours.append(run_seconds(data, resolutions, [*common, "--batch_size", given.batch]))
            one = [*common, "--batch_size", "1"]
            theirs.append(sum(run_seconds(data, [r], one) for r in resolutions))
        kept = keep(data, resolutions, [*common, "--batch_size", given.batch])
        answering, single = [], []
        for _ in range(given.repetitions):
            kept.adapter.batch = int(given.batch)
            answering.append(kept.seconds())
            kept.adapter.batch = 1
            single.append(sum(kept.seconds(part) for part in _by_resolution(kept)))
    ratio = median(b / a for a, b in zip(ours, theirs, strict=True))
    alone = median(b / a for a, b in zip(answering, single, strict=True))
    return Result(
        name="sweep",
        ratio=ratio,
        target=TARGET,
        sense="at least",
        rows=[
            {"what": "one run, all resolutions", "seconds": spread(ours)},
            {"what": f"{len(resolutions)} runs, batch 1", "seconds": spread(theirs)},
            {"what": "answering alone, one run", "seconds": spread(answering)},
            {"what": "answering alone, one by one", "seconds": spread(single)},
        ],
        sizes=vars(given) | {"json": None},
        note=f"Without start-up and loading: {alone:.2f} (at least {TARGET_ANSWERING:g}: "
        f"{'met' if alone >= TARGET_ANSWERING else 'missed'}).",
    )


def _by_resolution(kept: Kept) -> list[list[Any]]:
    """The requests of each resolution, as a run of its own would be given them."""
    parts: dict[str, list[Any]] = defaultdict(list)
    for request in kept.requests:
        *_, place, task, split = request.args
        parts[kept.adapter.task_dict[task][split][place]["resolution"]].append(request)
    return list(parts.values())
