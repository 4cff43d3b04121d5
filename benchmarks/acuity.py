"""Acuity of a small trained Flamingo against observers of known limits, and what is found again.

    python -m benchmarks.acuity --checkpoint DIR [--resolutions 32 64]

prints, in Markdown: the smallest detail that the checkpoint and an observer limited by the grid's
sampling see; the factor of a hidden reduction, found again; and the spread on a second chart.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import Sample, open_source
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.images import resize
from resolution_eval.models.flamingo import FlamingoBundle, load_folder
from resolution_eval.resolution import Size, patch_size_fit
from resolution_eval.statistics.psychometric import Trials
from resolution_eval.statistics.thresholds import coincidence, curves, guessing
from resolution_eval.training.choice_accuracy import verdicts
from resolution_eval.training.pool import open_pool

SEED = 20_261_127


class ReducedSource:
    """The plates with a hidden reduction in front: no more than `edge` pixels of content."""

    def __init__(self, source: PlateSource, edge: int) -> None:
        self._source, self._edge = source, edge

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        return self._source.samples(split)

    def read(self, locator: str) -> bytes:
        image = Image.open(BytesIO(self._source.read(locator)))
        small = resize(image, Size(self._edge, self._edge), "bicubic")
        buffer = BytesIO()
        resize(small, Size(*image.size), "bicubic").save(buffer, "PNG")
        return buffer.getvalue()


Kept = Callable[[Sample], bool]


def chart(sample: Sample) -> bool:
    """Whether a sample counts for all together: no control."""
    return sample.detail is not None and not sample.detail.control


def trials(bundle: FlamingoBundle, source: object, r: int, kept: Kept) -> Trials:
    """The checkpoint's answers at `r`."""
    grid_of = partial(patch_size_fit, patch=bundle.patch)
    pool = open_pool(source, "test", grid_of, filter="bicubic", progress=False)  # type: ignore[arg-type]
    found = [(s, right) for s, right in verdicts(bundle, pool, r) if kept(s) and s.detail]
    return _trials([s for s, _ in found], [float(right) for _, right in found])


def _trials(samples: list[Sample], right: list[float]) -> Trials:
    details = [sample.detail for sample in samples if sample.detail is not None]
    return Trials(
        np.array([detail.size for detail in details]),
        np.array(right),
        np.array([detail.chance for detail in details], dtype=float),
        [sample.id for sample in samples],
    )


def sampling_observer(source: PlateSource, grid: int, kept: Kept, seed: int) -> Trials:
    """Sees a detail where two pixels of the grid lie on its period, and guesses where not."""
    random = np.random.RandomState(seed)
    samples = [sample for sample in source.samples("test") if kept(sample) and sample.detail]
    scale = grid / source.book.side
    right = [
        float(s.detail.size * scale >= 1 or random.uniform() < (s.detail.chance or 0))
        for s in samples
        if s.detail
    ]
    return _trials(samples, right)


def half(one: Trials, odd: bool) -> Trials:
    """Every second block of the chart: a chart of its own, with other images."""
    blocks = np.array([int(name.split("/")[1]) // 48 % 2 for name in one.clusters])
    keep = blocks == int(odd)
    names = [name for name, kept in zip(one.clusters, keep, strict=True) if kept]
    return Trials(one.size[keep], one.right[keep], one.chance[keep], names)


def rows(checkpoint: Path, resolutions: list[int], kinds: list[str]) -> Iterator[str]:
    """The report's lines."""
    bundle = load_folder(checkpoint)
    source = open_source(task_cards()["acuity"])
    if not isinstance(source, PlateSource):
        raise TypeError("the card acuity names no book of plates")
    yield (
        "| thing | r | n | sees | detail seen, px | sampling observer, px | ratio "
        "| right at the largest |"
    )
    yield "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |"
    for kind in kinds:
        kept: Kept = (
            chart
            if kind == "all together"
            else (
                lambda sample, kind=kind: sample.detail is not None and sample.detail.kind == kind
            )
        )
        for r in resolutions:
            yield from _lines(bundle, source, r, kind, kept)


def _lines(
    bundle: FlamingoBundle, source: PlateSource, r: int, kind: str, kept: Kept
) -> Iterator[str]:
    mine = trials(bundle, source, r, kept)
    p = guessing(mine)
    top = mine.size >= mine.size.max() * 0.7
    largest = f"{mine.right[top].mean():.2f}"
    limit = sampling_observer(source, r, kept, SEED)
    if p >= 0.001:
        yield f"| {kind} | {r} | {len(mine)} | no (p = {p:.3f}) | – | – | – | {largest} |"
        return
    hidden = trials(bundle, ReducedSource(source, r // 2), r, kept)
    sets = {"as is": mine, "limit": limit, "even": half(mine, False), "odd": half(mine, True)}
    if guessing(hidden) < 0.001:
        sets["hidden"] = hidden
    found = curves(sets, seed=SEED)
    seen, ideal = found.interval("as is", 0.5), found.fits["limit"].size_at(0.5)
    ends = f"[{seen.low:.2f}, {seen.high:.2f}]"
    yield (
        f"| {kind} | {r} | {len(mine)} | yes | {seen.estimate:.2f} {ends}"
        f" | {ideal:.2f} | {seen.estimate / ideal:.2f} | {largest} |"
    )
    again = coincidence(found, ["even", "odd"])
    if not again.widest:
        yield "| | | | second chart: withheld | | | | |"
    if again.widest:
        i = again.widest.interval
        yield f"| | | | second chart, ratio | {i.estimate:.2f} [{i.low:.2f}, {i.high:.2f}] | | | |"
    factor = coincidence(found, ["hidden", "as is"]) if "hidden" in sets else None
    if factor and factor.widest:
        i = factor.widest.interval
        yield f"| | | | hidden 2x, found | {i.estimate:.2f} [{i.low:.2f}, {i.high:.2f}] | | | |"
    elif factor is None:
        yield "| | | | hidden 2x: sees nothing any more | | | | |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--kinds", nargs="+", default=["all together", "grating", "landolt 4"])
    given = parser.parse_args()
    for row in rows(given.checkpoint, given.resolutions, given.kinds):
        print(row, flush=True)
