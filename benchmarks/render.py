"""Images decoded once and rendered at every resolution ahead of the device, against one by one."""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks import workload
from benchmarks.host import timed
from benchmarks.result import Result, spread
from resolution_eval.images import decode, render
from resolution_eval.resolution import Size, budget_size, parse_resolution

TARGET = 2.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--resolutions", default="28,56,112,224,448,896")
    parser.add_argument("--repetitions", type=int, default=5)


def measure(given: argparse.Namespace) -> Result:
    """Both ways in turn; every rendered image is the same."""
    from resolution_eval.adapters.ahead import ahead

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

        same = [i.tobytes() for i in ours()[0]] == [i.tobytes() for i in theirs()[0]]
        pairs = [(timed(ours), timed(theirs)) for _ in range(given.repetitions)]
    if not same:
        raise RuntimeError("the two ways gave different images")
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
    )


def _one_by_one(file: bytes, r: int | str) -> Image.Image:
    """One PIL decode and one resize, as a task per resolution would do it."""
    image = Image.open(BytesIO(file)).convert("RGB")
    size = budget_size(Size(*image.size), r)  # type: ignore[arg-type]
    return image.resize((size.width, size.height), Image.Resampling.BICUBIC)
