"""How wall time grows with visual tokens, beside how the arithmetic grows."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import workload
from benchmarks.host import timed
from benchmarks.result import Result, spread


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--model", choices=sorted(workload.FLAMINGOS), default="small")
    parser.add_argument("--resolutions", default="56,84,112,168,224,336,448")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=7)


def measure(given: argparse.Namespace) -> Result:
    """Encode and rank at every resolution in turn; the exponent is the slope in log and log."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from resolution_eval.answers.prompts import flamingo_prompt, question_text
    from resolution_eval.models.flamingo import encode, load_folder, rank

    with TemporaryDirectory() as folder:
        bundle = load_folder(workload.write_flamingo(Path(folder, "model"), given.model))
    bundle.model.requires_grad_(False)  # the counter of operations asks for gradients otherwise
    prompts = [flamingo_prompt(question_text("Which tissue is shown?", workload.CLASSES))]
    texts = [[f" {name}" for name in workload.CLASSES]] * given.batch
    sides = [int(r) for r in given.resolutions.split(",")]
    pixels = {side: torch.randn(given.batch, 3, side, side) for side in sides}

    def answer(side: int) -> Any:
        with torch.inference_mode():
            return rank(bundle, encode(bundle, pixels[side]), prompts * given.batch, texts)

    seconds: dict[int, list[float]] = {side: [] for side in sides}
    for _ in range(given.repetitions + 1):
        for side in sides:
            seconds[side].append(timed(lambda side=side: answer(side)))
    rows = []
    for side in sides:
        with FlopCounterMode(display=False) as counter:
            answer(side)
        rows.append(
            {
                "r": side,
                "visual tokens": (side // bundle.patch) ** 2,
                "seconds": spread(seconds[side][1:]),
                "GFLOP": counter.get_total_flops() / 1e9,
            }
        )
    tokens = [row["visual tokens"] for row in rows]
    time_slope = _slope(tokens, [median(seconds[side][1:]) for side in sides])
    work_slope = _slope(tokens, [row["GFLOP"] for row in rows])
    return Result(
        name="growth",
        ratio=time_slope,
        target=None,
        sense="reported",
        rows=rows,
        sizes=vars(given) | {"json": None},
        note=f"Time grows as tokens^{time_slope:.2f}, the arithmetic as tokens^{work_slope:.2f} "
        "(least squares in log and log over all resolutions; the language model's share does not "
        "grow).",
    )


def _slope(x: list[Any], y: list[Any]) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
