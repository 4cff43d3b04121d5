"""Short answers by `reshf` on a GPU, against lmms-eval's own adapter at its best batch."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import workload
from benchmarks.device import device
from benchmarks.generate import at, keep_both, parts_of
from benchmarks.gpu import SIZES
from benchmarks.gpu_overhead import no_card
from benchmarks.host import timed
from benchmarks.result import Result, shares, spread

TARGET = 3.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--size", choices=sorted(SIZES), default="2b")
    parser.add_argument("--pretrained", help="a checkpoint's folder, in place of one made here")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--resolutions", default="224,448,1024")
    parser.add_argument("--tokens", type=int, default=8, help="of an answer")
    parser.add_argument("--batches", default="8,16,32,64", help="that the other is tried at")
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--base", default="qwen2_vl", help="lmms-eval's own adapter")


def measure(given: argparse.Namespace) -> Result:
    """The other's batch size is found by one pass at each; then both in turn."""
    if device() == "cpu" and given.size != "rehearsal":
        return no_card("gpu-generate", given, TARGET, sense="at least")
    if device() == "cpu":
        given.images, given.resolutions, given.batches = 16, "56,112", "8,16"
    given.device = device()
    sizes = given.resolutions.split(",")
    with TemporaryDirectory() as folder:
        model = given.pretrained or workload.write_sized_qwen2_vl(
            Path(folder, "model"), SIZES[given.size], device()
        )
        data = workload.write_images(Path(folder, "data"), given.images, max(map(int, sizes)))
        ours, other = keep_both(str(model), data, given)
        alone = {
            size: timed(lambda size=size: at(other, size))
            for size in map(int, given.batches.split(","))
        }
        best = min(alone, key=lambda size: alone[size])
        rounds = [(ours.seconds(), at(other, best)) for _ in range(given.repetitions)]
        parts = parts_of(ours)
    mine, others = zip(*rounds, strict=True)
    ratios = [b / a for a, b in rounds]
    ratio = median(ratios)
    rehearsed = device() == "cpu"
    requests = len(ours.requests)
    note = f"{requests / median(mine):.1f} requests/s against {requests / median(others):.1f}. "
    note += "The other by batch size: "
    note += ", ".join(f"{size}: {seconds:.2f} s" for size, seconds in alone.items()) + "."
    shown = {
        "reshf, batch auto": spread(mine),
        f"lmms-eval's own, batch {best}, its best": spread(others),
        **shares("of reshf", parts),
    }
    return Result(
        name="gpu-generate",
        ratio=None if rehearsed else ratio,
        target=TARGET,
        sense="at least",
        rows=[{"what": what, "seconds": seconds} for what, seconds in shown.items()],
        sizes=vars(given) | {"json": None},
        note=f"A rehearsal on a processor. {note}" if rehearsed else note,
        rounds=ratios,
        rehearsed=ratio if rehearsed else None,
    )
