"""The vision encoder under `torch.compile`, its own cost included, against the encoder as it is."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import workload
from benchmarks.host import timed
from benchmarks.result import Result


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--model", choices=sorted(workload.FLAMINGOS), default="small")
    parser.add_argument("--resolutions", default="56,112,224")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--images", type=int, default=1000, help="of the sweep that is foretold")
    parser.add_argument("--repetitions", type=int, default=5)


def measure(given: argparse.Namespace) -> Result:
    """Every grid as it is; then compiled, the first batch of each, which compiles, apart."""
    import torch

    from resolution_eval.models.flamingo import load_folder
    from resolution_eval.models.flamingo.vision import patch_tokens

    with TemporaryDirectory() as folder:
        bundle = load_folder(workload.write_flamingo(Path(folder, "model"), given.model))
    sides = [int(r) for r in given.resolutions.split(",")]
    pixels = {side: torch.randn(given.batch, 3, side, side) for side in sides}

    def answer(side: int) -> Any:
        with torch.inference_mode():
            return patch_tokens(bundle, pixels[side])

    def often(side: int) -> float:
        return median(timed(lambda: answer(side)) for _ in range(given.repetitions))

    expected = {side: answer(side) for side in sides}
    plain = {side: often(side) for side in sides}
    bundle.model.vision_encoder.transformer.compile()
    first = {side: timed(lambda side=side: answer(side)) for side in sides}
    compiled = {side: often(side) for side in sides}
    differing = max(float((answer(side) - expected[side]).abs().max()) for side in sides)
    batches = math.ceil(given.images / given.batch)
    rows = [
        {
            "r": side,
            "as it is": plain[side],
            "compiled": compiled[side],
            "first batch": first[side],
            "pays after batches": _after(plain[side], compiled[side], first[side]),
        }
        for side in sides
    ]
    ours = sum(first[side] + (batches - 1) * compiled[side] for side in sides)
    return Result(
        name="compile",
        ratio=sum(batches * plain[side] for side in sides) / ours,
        target=None,
        sense="reported",
        rows=rows,
        sizes=vars(given) | {"json": None},
        note=f"The ratio is that of {batches} batches at every resolution, compiling included; "
        f"features differ by {differing:.1e} at most. The adapters do not compile.",
    )


def _after(plain: float, compiled: float, first: float) -> str:
    """Batches of a grid after which compiling has paid."""
    saved = plain - compiled
    return "never" if saved <= 0 else str(math.ceil((first - compiled) / saved))
