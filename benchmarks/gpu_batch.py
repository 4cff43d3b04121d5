"""The batch that `--batch_size auto` finds at each grid, against the largest that fits the memory.

In a rehearsal the memory is played: so many bytes, of which a view takes some for each pixel.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch

from benchmarks import workload
from benchmarks.device import device
from benchmarks.gpu import SIZES
from benchmarks.gpu_overhead import no_card
from benchmarks.host import Kept, keep
from benchmarks.result import Result
from resolution_eval.adapters import device_memory
from resolution_eval.adapters.render_batches import MOST, BatchSizes
from resolution_eval.evidence.run_ledger import LEDGER

TARGET = 0.5
PLAYED = {"memory": 2**22, "view": 2**14, "pixel": 8.0}
"""Bytes of a rehearsal's memory, and what a view takes of it at all and for each pixel."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--size", choices=sorted(SIZES), default="2b")
    parser.add_argument("--pretrained", help="a checkpoint's folder, in place of one made here")
    parser.add_argument("--resolutions", default="448,1024,2048")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--tokens", type=int, default=2, help="of an answer")


def measure(given: argparse.Namespace) -> Result:
    """The ratio is the lowest of all grids that had a third batch."""
    if device() == "cpu" and given.size != "rehearsal":
        return no_card("gpu-batch", given, TARGET, sense="at least")
    if device() == "cpu":
        given.resolutions, given.images = "56,112,224", 64
    with TemporaryDirectory() as folder, ExitStack() as stack:
        model = given.pretrained or workload.write_sized_qwen2_vl(
            Path(folder, "model"), SIZES[given.size], device()
        )
        sizes = given.resolutions.split(",")
        data = workload.write_images(Path(folder, "data"), given.images, max(map(int, sizes)))
        told = f"pretrained={model},device={device()}"
        asked = ["--model", "reshf", "--model_args", told, "--batch_size", "auto"]
        kept = keep(data, sizes, [*asked, "--gen_kwargs", f"max_new_tokens={given.tokens}"])
        if device() == "cpu":
            stack.enter_context(_played(kept.adapter))
        seen, sizes_found, refusals = _found(kept)
        rows = [_row(kept, grid, counts, sizes_found) for grid, counts in seen.items()]
    rehearsed = device() == "cpu"
    ratio = min(row["of the largest"] for row in rows)
    said = f"Refused by the memory {refusals} times; samples lost: {len(LEDGER.failures)}. "
    said += f"The largest that fits is looked for up to {MOST}, the most that is tried."
    return Result(
        name="gpu-batch",
        ratio=None if rehearsed else ratio,
        target=TARGET,
        sense="at least",
        rows=rows,
        sizes=vars(given) | {"json": None},
        note=f"A rehearsal with played memory. {said}" if rehearsed else said,
        rehearsed=ratio if rehearsed else None,
    )


Seen = dict[Any, list[Any]]
"""The batches of each grid, in order."""


def _found(kept: Kept) -> tuple[Seen, BatchSizes, int]:
    """The batches of a sweep, what was learned of their sizes, and how often memory refused."""
    seen: Seen = {}
    known: list[BatchSizes] = []
    refusals: list[int] = []
    timed, begin = kept.adapter._timed, BatchSizes.__init__

    def noting(views: Any, prepared: Any) -> Any:
        seen.setdefault(kept.adapter._key(views[0])[0], []).append(views)
        return timed(views, prepared)

    def beginning(self: BatchSizes, *rest: Any, **named: Any) -> None:
        begin(self, *rest, **named)
        known.append(self)

    refused = BatchSizes.refused

    def refusing(self: BatchSizes, grid: Any, count: int) -> None:
        refusals.append(count)
        refused(self, grid, count)

    with (
        patch.object(kept.adapter, "_timed", noting),
        patch.object(BatchSizes, "__init__", beginning),
        patch.object(BatchSizes, "refused", refusing),
    ):
        kept.seconds()
    return seen, known[-1], len(refusals)


def _row(kept: Kept, grid: Any, batches: list[Any], sizes: BatchSizes) -> dict[str, Any]:
    """What was found at a grid, and the largest batch that fits."""
    view = batches[0][0]

    def fits(count: int) -> bool:
        try:
            views = [view] * count
            kept.adapter._timed(views, kept.adapter.prepared(views))
        except (torch.OutOfMemoryError, RuntimeError):
            device_memory.release()
            return False
        return True

    largest = _largest(fits)
    counts = [len(views) for views in batches]
    found = sizes.of(grid)
    return {
        "r": grid[0].width,
        "batches": " ".join(map(str, counts[:6])),
        "found": found,
        "largest that fits": largest,
        "of the largest": found / largest,
    }


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest number up to `MOST` that fits, within a twentieth; one always does."""
    low, high = 1, MOST
    if fits(high):
        return high
    while high - low > max(1, low // 20):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


@contextmanager
def _played(adapter: Any) -> Iterator[None]:
    """A GPU whose memory is played: what a batch takes follows from its pixels."""
    taken = [0]
    answer = adapter.answer

    def answering(views: Any, prepared: Any = None) -> Any:
        pixels = sum(image.size[0] * image.size[1] for view in views for image in view.images)
        taken[0] = int(PLAYED["view"] * len(views) + PLAYED["pixel"] * pixels)
        if taken[0] > PLAYED["memory"]:
            raise torch.OutOfMemoryError("played: out of memory")
        return answer(views, prepared)

    with (
        patch.object(adapter, "answer", answering),
        patch.object(adapter, "gpus", lambda: [torch.device("cpu")]),
        patch.object(device_memory, "room", lambda gpus: int(PLAYED["memory"])),
        patch.object(torch.cuda, "reset_peak_memory_stats", lambda gpu=None: None),
        patch.object(torch.cuda, "memory_allocated", lambda gpu=None: 0),
        patch.object(torch.cuda, "max_memory_allocated", lambda gpu=None: taken[0]),
    ):
        yield
