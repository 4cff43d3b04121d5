"""An adapter's wall time over a sweep, against the forward passes of the same batches alone."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import workload
from benchmarks.host import Kept, keep
from benchmarks.result import Result, spread

TARGET = 1.10


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--resolutions", default="56,112,168,224")
    parser.add_argument("--model", choices=sorted(workload.FLAMINGOS), default="small")
    parser.add_argument("--batch", default="16")
    parser.add_argument("--repetitions", type=int, default=5)


def measure(given: argparse.Namespace) -> Result:
    """The sweep through the adapter, and its batches' forwards on ready tensors, in turn.

    Raises:
        RuntimeError: the times cannot be right.
    """
    with TemporaryDirectory() as folder:
        data = workload.write_images(Path(folder, "data"), given.images, 224)
        model = workload.write_flamingo(Path(folder, "model"), given.model)
        kept = keep(
            data,
            given.resolutions.split(","),
            [
                *("--model", "resflamingo", "--model_args", f"pretrained={model}"),
                *("--batch_size", given.batch),
            ],
        )
        batches = _batches(kept)
        pairs = [(kept.seconds(), _bare(kept, batches)) for _ in range(given.repetitions)]
    if median(a / b for a, b in pairs) < 1:
        raise RuntimeError("forward passes took longer alone: other programs disturbed; run again")
    return Result(
        name="overhead",
        ratio=median(a / b for a, b in pairs),
        target=TARGET,
        sense="at most",
        rows=[
            {"what": "the adapter, images to replies", "seconds": spread([a for a, _ in pairs])},
            {"what": "forward passes alone", "seconds": spread([b for _, b in pairs])},
        ],
        sizes=vars(given) | {"json": None},
        note=f"{len(batches)} batches; forwards are those of vision encoder, perceiver and "
        "language model.",
    )


def _batches(kept: Kept) -> list[Any]:
    """The views of every batch that the adapter forms."""
    batches: list[Any] = []
    answer = kept.adapter.answer

    def noting(views: Any, prepared: Any) -> Any:
        batches.append(views)
        return answer(views, prepared)

    kept.adapter.answer = noting
    try:
        kept.seconds()
    finally:
        del kept.adapter.answer
    return batches


def _bare(kept: Kept, batches: list[Any]) -> float:
    """Seconds inside the model's forwards while the batches are answered once more."""
    model = kept.adapter.bundle.model
    with _clocked([model.vision_encoder, model.perceiver, model.lang_encoder]) as clock:
        for views in batches:
            kept.adapter.answer(views)
    return sum(clock)


@contextmanager
def _clocked(modules: list[Any]) -> Iterator[list[float]]:
    """Seconds of each call of the modules' forwards."""
    seconds: list[float] = []
    began: list[float] = []

    def before(*_: Any) -> None:
        began.append(time.perf_counter())

    def after(*_: Any) -> None:
        seconds.append(time.perf_counter() - began.pop())

    hooks = [module.register_forward_pre_hook(before) for module in modules]
    hooks += [module.register_forward_hook(after) for module in modules]
    try:
        yield seconds
    finally:
        for hook in hooks:
            hook.remove()
