"""A warm sweep of `resflamingo` at OpenFlamingo-3B's sizes, against the model's own time."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch

from benchmarks import workload
from benchmarks.device import device
from benchmarks.gpu_overhead import no_card, rehearse, side, sweep_arguments, swept
from benchmarks.host import keep
from benchmarks.result import Result
from resolution_eval.models import flamingo

SIZES = {"3b": "3b", "rehearsal": "tiny"}
"""Names of `workload.FLAMINGOS`."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--size", choices=sorted(SIZES), default="3b")
    sweep_arguments(parser)


def measure(given: argparse.Namespace) -> Result:
    """Nothing is claimed where there is no GPU."""
    if device() == "cpu" and given.size != "rehearsal":
        return no_card("gpu-overhead-flamingo", given)
    rehearse(given)
    bundle = _bundle(SIZES[given.size])
    with (
        TemporaryDirectory() as folder,
        patch.object(flamingo, "load_pretrained", lambda *_, **__: bundle),
    ):
        kept = keep(
            workload.write_images(Path(folder, "data"), given.images, side(given)),
            given.resolutions.split(","),
            [
                *("--model", "resflamingo", "--batch_size", given.batch),
                *("--model_args", f"device={device()},dtype={_dtype()}"),
            ],
        )
        model = bundle.model
        parts = (model.vision_encoder, model.perceiver, model.lang_encoder)
        found = swept(kept, [(part, "forward") for part in parts], given, _slow(given.slow))
    return found.result("gpu-overhead-flamingo", given)


def _dtype() -> str:
    return "float32" if device() == "cpu" else "bfloat16"


def _bundle(size: str) -> Any:
    """Made where it will run: weights of this size take a processor a minute."""
    with torch.device(device()):
        bundle = workload.build_flamingo(size)
    bundle.model.to(device(), getattr(torch, _dtype()))
    return bundle


def _slow(seconds: float) -> Any:
    """The language model's time for a batch, half of it in either of its two passes."""
    return lambda ids, **_: seconds * len(ids) / 2
