"""A warm sweep of `reshf`, short answers written, against the model's own time for its batches.

In a rehearsal on a processor the model is small and takes a known time for each image, as a device
does that leaves the processor alone: what the wall time is above that is ours.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from benchmarks import workload
from benchmarks.device import Clock, clocked, device, slowed
from benchmarks.gpu import SIZES
from benchmarks.host import Kept, keep
from benchmarks.result import Result, shares, spread

TARGET = 1.10
REHEARSAL = {"images": 72, "resolutions": "56,112,224"}
"""Sizes of a rehearsal, in place of the usual ones."""
MADE = "the same, its batches made in turn"
Call = tuple[Any, str]
"""An object, and the name of its method in which the model works."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--size", choices=sorted(SIZES), default="2b")
    parser.add_argument("--pretrained", help="a checkpoint's folder, in place of one made here")
    sweep_arguments(parser)
    parser.add_argument("--tokens", type=int, default=8, help="of an answer")


def sweep_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of the sweep."""
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--resolutions", default="224,448,1024")
    parser.add_argument("--batch", default="auto")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument(
        "--slow", type=float, default=0.03, help="seconds an image that a rehearsal's device takes"
    )


def measure(given: argparse.Namespace) -> Result:
    """Nothing is claimed where there is no GPU."""
    if device() == "cpu" and given.size != "rehearsal":
        return no_card("gpu-overhead", given)
    rehearse(given)
    with TemporaryDirectory() as folder:
        model = given.pretrained or workload.write_sized_qwen2_vl(
            Path(folder, "model"), SIZES[given.size], device()
        )
        kept = keep(
            workload.write_images(Path(folder, "data"), given.images, side(given)),
            given.resolutions.split(","),
            [
                *("--model", "reshf", "--model_args", f"pretrained={model},device={device()}"),
                *("--gen_kwargs", f"max_new_tokens={given.tokens}", "--batch_size", given.batch),
            ],
        )
        calls = [(kept.adapter.engine.model, "generate")]
        found = swept(kept, calls, given, lambda **named: given.slow * len(named["input_ids"]))
    return found.result("gpu-overhead", given)


def rehearse(given: argparse.Namespace) -> None:
    """Gives a rehearsal its sizes."""
    if given.size == "rehearsal":
        for name, value in REHEARSAL.items():
            setattr(given, name, value)


def side(given: argparse.Namespace) -> int:
    """Edge in pixels of the images: the largest resolution."""
    return max(map(int, given.resolutions.split(",")))


def no_card(name: str, given: argparse.Namespace, target: float = TARGET, **more: Any) -> Result:
    """What is said without a GPU: nothing."""
    told: dict[str, Any] = {"sense": "at most", "rows": []} | more
    note = "No GPU here; run this command on a machine with one, or with --size rehearsal."
    return Result(
        name=name, ratio=None, target=target, sizes=vars(given) | {"json": None}, note=note, **told
    )


@dataclass(frozen=True)
class Sweep:
    """Seconds of a sweep and of the model in it, in turn."""

    whole: Sequence[float]
    in_turn: Sequence[float]
    """The sweep with nothing made beside the model's work."""
    bare: Sequence[float]
    """The model alone, on the same batches ready made."""
    parts: Mapping[str, float]
    """Seconds of one more sweep, by part."""
    batches: int
    requests: int

    def result(self, name: str, given: argparse.Namespace) -> Result:
        """The ratio of the whole to the bare; none of a rehearsal."""
        rounds = [a / b for a, b in zip(self.whole, self.bare, strict=True)]
        ratio = median(rounds)
        turn = median(a / b for a, b in zip(self.in_turn, self.bare, strict=True))
        told = {"the adapter, images to replies": self.whole, MADE: self.in_turn}
        told["the model's own calls, batches ready"] = self.bare
        timed = {what: spread(seconds) for what, seconds in told.items()}
        timed |= shares("of the adapter", self.parts)
        rehearsed = device() == "cpu"
        said = f"In turn the ratio is {turn:.2f}. {self.batches} batches; "
        said += f"{self.requests / median(self.whole):.1f} requests/s."
        if rehearsed:
            said = f"A rehearsal, the device played by a sleep. {said}"
        return Result(
            name=name,
            ratio=None if rehearsed else ratio,
            target=TARGET,
            sense="at most",
            rows=[{"what": what, "seconds": seconds} for what, seconds in timed.items()],
            sizes=vars(given) | {"json": None},
            note=said,
            rounds=rounds,
            rehearsed=ratio if rehearsed else None,
        )


def swept(kept: Kept, calls: Sequence[Call], given: argparse.Namespace, slow: Any) -> Sweep:
    """The sweep, the sweep in turn, and its batches alone, in turn."""
    with ExitStack() as stack:
        if device() == "cpu":
            for owner, name in calls[-1:]:
                stack.enter_context(slowed(owner, name, slow))
        batches = batches_of(kept)
        rounds = []
        for _ in range(given.repetitions):
            whole = kept.seconds()
            with made_in_turn(kept.adapter):
                in_turn = kept.seconds()
            rounds.append((whole, in_turn, _bare(kept.adapter, batches, calls)))
        parts = _parts(kept, calls)
    return Sweep(*zip(*rounds, strict=True), parts, len(batches), len(kept.requests))


def _parts(kept: Kept, calls: Sequence[Call]) -> dict[str, float]:
    """Seconds of a sweep before its first batch can be answered, beside which nothing is done; of
    the model's own calls; and of all that is neither.
    """
    firsts: list[float] = []
    answer = kept.adapter.answer
    model = Clock()

    def noting(views: Any, prepared: Any = None) -> Any:
        firsts.append(time.perf_counter())
        return answer(views, prepared)

    with ExitStack() as stack:
        stack.enter_context(patch.object(kept.adapter, "answer", noting))
        for owner, name in calls:
            stack.enter_context(clocked(owner, name, model))
        began = time.perf_counter()
        whole = kept.seconds()
    first = firsts[0] - began
    return {
        "until the first batch is ready": first,
        "the model's own calls": model.total,
        "everything else": whole - first - model.total,
    }


@contextmanager
def made_in_turn(adapter: Any) -> Iterator[None]:
    """Nothing is made beside the model's work."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(adapter, "overlaps", False))
        stack.enter_context(patch.object(adapter, "_with_prepared", lambda views: (views, None)))
        yield


def batches_of(kept: Kept) -> list[Any]:
    """The views of every batch that the adapter forms."""
    batches: list[Any] = []
    answer = kept.adapter.answer

    def noting(views: Any, prepared: Any = None) -> Any:
        batches.append(views)
        return answer(views, prepared)

    with patch.object(kept.adapter, "answer", noting):
        kept.seconds()
    return batches


def _bare(adapter: Any, batches: Sequence[Any], calls: Sequence[Call]) -> float:
    """Seconds of the model's own calls while the batches, ready made, are answered once more."""
    clock = Clock()
    for views in batches:
        ready = adapter.prepared(views)
        with ExitStack() as stack:
            for owner, name in calls:
                stack.enter_context(clocked(owner, name, clock))
            adapter.answer(views, ready)
    return clock.total
