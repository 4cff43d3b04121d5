"""Eight choices ranked, against one bare prefill of the same prompts and images."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks import workload
from benchmarks.device import device, wait
from benchmarks.gpu import SIZES
from benchmarks.gpu_overhead import batches_of, no_card
from benchmarks.host import keep, timed
from benchmarks.result import Result, spread

TARGET = 1.5
CHOICES = 8


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--size", choices=sorted(SIZES), default="2b")
    parser.add_argument("--pretrained", help="a checkpoint's folder, in place of one made here")
    parser.add_argument("--resolutions", default="224,448")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repetitions", type=int, default=7)


def measure(given: argparse.Namespace) -> Result:
    """A full batch of each resolution; the ratio is the largest."""
    if device() == "cpu" and given.size != "rehearsal":
        return no_card("gpu-rank", given, TARGET)
    sizes = given.resolutions.split(",")
    with TemporaryDirectory() as folder:
        model = given.pretrained or workload.write_sized_qwen2_vl(
            Path(folder, "model"), SIZES[given.size], device()
        )
        data = workload.write_images(
            Path(folder, "data"),
            given.batch,
            max(map(int, sizes)),
            classes=workload.CLASSES[:CHOICES],
        )
        told = f"pretrained={model},device={device()},answer_mode=rank"
        asked = ["--model", "reshf", "--model_args", told, "--batch_size", str(given.batch)]
        kept = keep(data, sizes, asked)
        found = [_row(kept.adapter, views, given) for views in batches_of(kept)]
    rows, rounds = zip(*found, strict=True)
    worst = max(rounds, key=median)
    rehearsed = device() == "cpu"
    return Result(
        name="gpu-rank",
        ratio=None if rehearsed else median(worst),
        rehearsed=median(worst) if rehearsed else None,
        rounds=worst,
        target=TARGET,
        sense="at most",
        rows=rows,
        sizes=vars(given) | {"json": None, "choices": CHOICES},
        note=f"{'A rehearsal on a processor. ' if rehearsed else ''}The ratio is the largest, of "
        "packed choices to the prefill; beside it the same with a copy of the cache for each.",
    )


def _row(adapter: Any, views: Any, given: argparse.Namespace) -> tuple[dict[str, Any], list[float]]:
    """Seconds of a batch ranked in both ways, and of its prefill, in turn; each round's ratio."""
    ready = adapter.prepared(views)
    engine, where = adapter.engine, device()
    copying = engine.of_family(replace(engine.family, packs=False))
    batch = ready.material.shipment.arrived()

    def prefill() -> None:
        with engine._watched(ready.questions), torch.inference_mode():
            engine._prompt_pass(batch)
        wait(where)

    def rank(by: Any) -> None:
        by.rank(ready.questions, ready.material)
        wait(where)

    rounds = [
        (timed(prefill), timed(lambda: rank(engine)), timed(lambda: rank(copying)))
        for _ in range(given.repetitions + 1)
    ][1:]
    bare, packed, copied = zip(*rounds, strict=True)
    ratios = [a / b for a, b in zip(packed, bare, strict=True)]
    row = {
        "r": views[0].image.size[0],
        "batch": len(views),
        "prefill": spread(bare),
        "ranked": spread(packed),
        "ranked on copies": spread(copied),
        "ratio": median(ratios),
        "of copies": median(a / b for a, b in zip(copied, bare, strict=True)),
    }
    return row, ratios
