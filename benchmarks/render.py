"""Images decoded once and rendered at every resolution ahead of the device, against one by one."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from PIL import Image

from benchmarks import workload
from benchmarks.host import keep, timed
from benchmarks.result import Result, spread
from resolution_eval.adapters import adapter
from resolution_eval.adapters.prefetch import ahead, workers
from resolution_eval.images import decode, render
from resolution_eval.resolution import Resolution, Size, budget_size, parse_resolution

TARGET = 2.0
CALIBRATED = 24
"""Images that decoding and resizing are timed apart on."""
SWEPT = "56,112,224,448"
"""Resolutions of the sweep in which waiting is measured."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--resolutions", default="28,56,112,224,448,896")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--model", choices=sorted(workload.FLAMINGOS), default="small")
    parser.add_argument("--swept", type=int, default=24, help="images of the sweep with a model")


def measure(given: argparse.Namespace) -> Result:
    """Both ways in turn; every rendered image is the same.

    Raises:
        RuntimeError: one is not.
    """
    resolutions = [parse_resolution(r) for r in given.resolutions.split(",")]
    with TemporaryDirectory() as folder:
        data = workload.write_images(Path(folder, "data"), given.images, given.side)
        files = [path.read_bytes() for path in sorted((data / "images").iterdir())]

        def all_sizes(file: bytes) -> list[Image.Image]:
            image = decode(file).image
            return [render(image, r) for r in resolutions]

        def ours() -> list[list[Image.Image]]:
            return list(ahead(all_sizes, files))

        def theirs() -> list[list[Image.Image]]:
            return [[_one_by_one(file, r) for r in resolutions] for file in files]

        if _bytes(ours()) != _bytes(theirs()):
            raise RuntimeError("the two ways gave different images")
        rounds = [
            (timed(ours), timed(theirs), _parts(files[:CALIBRATED], resolutions))
            for _ in range(given.repetitions)
        ]
        waiting, wall = _waiting(Path(folder), given)
    decoding, resizing = (median(part) for part in zip(*(each[2] for each in rounds), strict=True))
    pairs = [each[:2] for each in rounds]
    bound = (len(resolutions) * decoding + resizing) / (decoding + resizing) * workers()
    return Result(
        name="render",
        ratio=median(b / a for a, b in pairs),
        target=TARGET,
        sense="at least",
        rows=[
            {"what": "decoded once, all cores", "seconds": spread([a for a, _ in pairs])},
            {"what": "decoded for each resolution", "seconds": spread([b for _, b in pairs])},
        ],
        sizes=vars(given) | {"json": None},
        note=f"All images are the same in both. An image takes {1e3 * decoding:.1f} ms to decode "
        f"and {1e3 * resizing:.1f} ms to resize to all {len(resolutions)} sizes: with "
        f"{workers()} cores of one's own the ratio could be {bound:.2f} at most. In a sweep of "
        f"{given.swept} such images through a {given.model} model at {SWEPT} pixels the adapter "
        f"waited for images {100 * waiting / wall:.1f} % of its {wall:.1f} s.",
    )


def _bytes(images: list[list[Image.Image]]) -> list[list[bytes]]:
    return [[image.tobytes() for image in sizes] for sizes in images]


def _parts(files: list[bytes], resolutions: list[Resolution]) -> tuple[float, float]:
    """Seconds an image of decoding, and of resizing to all sizes, on one thread."""
    decoding = timed(lambda: [decode(file) for file in files])
    images = [decode(file).image for file in files]
    resizing = timed(lambda: [render(image, r) for image in images for r in resolutions])
    return decoding / len(files), resizing / len(files)


def _waiting(folder: Path, given: argparse.Namespace) -> tuple[float, float]:
    """Seconds that the adapter waited for images in a sweep, and all that it took."""
    data = workload.write_images(folder / "swept", given.swept, given.side)
    model = workload.write_flamingo(folder / "model", given.model)
    arguments = ["--model", "resflamingo", "--model_args", f"pretrained={model}"]
    kept = keep(data, SWEPT.split(","), [*arguments, "--batch_size", "8"])
    waited: list[float] = []

    def watching(function: Any, items: Any) -> Iterator[Any]:
        results = ahead(function, items)
        while True:
            start = time.perf_counter()
            result = next(results, None)
            waited.append(time.perf_counter() - start)
            if result is None:
                return
            yield result

    with patch.object(adapter, "ahead", watching):
        wall = kept.seconds()
    return sum(waited), wall


def _one_by_one(file: bytes, r: int | str) -> Image.Image:
    """One PIL decode and one resize, as a task per resolution would do it."""
    image = Image.open(BytesIO(file)).convert("RGB")
    size = budget_size(Size(*image.size), r)  # type: ignore[arg-type]
    return image.resize((size.width, size.height), Image.Resampling.BICUBIC)
