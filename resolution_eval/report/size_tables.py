"""Tables by size: thresholds with their intervals and limits, and whether curves coincide."""

from __future__ import annotations

import math
from collections.abc import Sequence

from resolution_eval.analysis import TaskSweeps
from resolution_eval.analysis.sizes import Sizes, task_sizes
from resolution_eval.ground.tables import Column, Entry, Table, entry, shorten
from resolution_eval.report.entries import task_table
from resolution_eval.statistics.bysize import HALF, LEAST, MOST, BySize, SizeCell
from resolution_eval.statistics.intervals import Interval

_THRESHOLDS = (
    Column("thing", title="What had to be seen; controls are seen by their brightness too."),
    Column("r", True, "Inference resolution in pixels."),
    Column("n", True, "Answers."),
    Column("50 % size", True, "Seen half of the time, in pixels of the stored image."),
    Column("90 % size", True, "Seen nine times in ten, in pixels of the stored image."),
    Column("50 % at encoder", True, "The same in pixels at the encoder."),
    Column("90 % at encoder", True, "The same in pixels at the encoder."),
    Column("limit", True, "Smallest detail that the encoder's sampling can show."),
    Column("lapses", True, "Share of answers that are guessed however large it is."),
    Column("fit", True, "Probability of a fit as bad as this one; below 0.05 is bad."),
)
_CYCLES = (
    Column("cycles per image", True, "Finest stripes seen half of the time."),
    Column("of the limit", True, "Part of the sampling limit that is reached."),
)
_TOGETHER = (
    Column("thing"),
    Column("curves of r", title="Whether they are one curve in pixels at the encoder."),
    Column("widest ratio", True, "Of two 50 % sizes at the encoder."),
    Column("between"),
    Column("enough r", True, "Above it no finer detail is seen."),
)


def size_tables(task: TaskSweeps) -> tuple[Table, ...]:
    """Both tables; none where no answer says what had to be seen."""
    sizes = task_sizes(task)
    if not sizes:
        return ()
    chart = any(one.chart for one in sizes)
    thresholds = task_table(
        task,
        "sizes",
        "How small a thing is still seen",
        (*_THRESHOLDS, *(_CYCLES if chart else ())),
        (
            _row(one, kind, cell, chart)
            for one in sizes
            for kind in _enough(one)
            for cell in kind.cells
        ),
        remark=_remark(sizes),
    )
    together = task_table(
        task,
        "coincidence",
        "Do only the pixels on the thing matter?",
        _TOGETHER,
        map(_coincidence_row, sizes),
        remark=(
            "Where the curves of all resolutions coincide in pixels at the encoder, only the "
            "pixels on the thing matter; where they differ, the resolution itself does, and so "
            "the one trained at. Intervals are simultaneous over all pairs of resolutions; "
            "'coincide' means that all ratios are shown to be within 1.25, 'differ' that one is "
            "shown not to be 1. 'enough r' is the lowest whose 50 % size in the stored image is "
            "shown to be within 1.25 of every higher one's."
        ),
    )
    return thresholds, together


def _enough(one: Sizes) -> tuple[BySize, ...]:
    """The kinds that have a row: all together, and those with enough answers somewhere."""
    first, *rest = one.kinds
    few = (kind for kind in rest if all(len(cell.source) < LEAST for cell in kind.cells))
    left_out = {kind.kind for kind in few}
    return (first, *(kind for kind in rest if kind.kind not in left_out))


def size_words(sizes: Sequence[Sizes]) -> str:
    """The 50 % sizes of all together in words."""
    return "; ".join(f"{shorten(one.name)}: {_words(one.main)}" for one in sizes) + "."


def _words(kind: BySize) -> str:
    parts = []
    for cell in kind.cells:
        half = kind.threshold(cell.resolution)
        size = cell.unseen if half is None else _size(half, None).text
        parts.append(f"{size} at {cell.resolution}")
    return ", ".join(parts)


def _remark(sizes: Sequence[Sizes]) -> str:
    parts = [
        "Sizes are corrected for guessing: half seen lies halfway between chance and all right.",
        "Intervals are 95 %, by bootstrap over images (or patients); sizes beyond those that were "
        "shown are not given.",
        f"No size is given where fewer than {LEAST} answers are there, or where a model that "
        "guesses would do as well in more than one of a thousand runs: it does not see. Nor is one "
        "for all together where the kinds are not one curve: each has its own.",
    ]
    few = {kind.kind: None for one in sizes for kind in one.kinds if kind not in _enough(one)}
    if few:
        parts.append(f"Fewer than {LEAST} answers at every resolution: {', '.join(few)}.")
    left = sum(one.left_out for one in sizes)
    if left:
        parts.append(f"{left} answers about things of unknown size, or without one, are left out.")
    if any(one.tiled for one in sizes):
        parts.append(
            "Images were cut into tiles, which show parts of it twice: sizes at the encoder are "
            "not given."
        )
    return " ".join(parts)


def _row(one: Sizes, kind: BySize, cell: SizeCell, chart: bool) -> tuple[Entry, ...]:
    r = cell.resolution
    half, most = kind.threshold(r, HALF), kind.threshold(r, MOST)
    function = kind.source.fits.get(r)
    said = cell.unseen
    if said is None and kind is one.kinds[0] and kind is not one.main:
        said = "no one curve"
    sizes = (half, most, kind.at_encoder(r, HALF), kind.at_encoder(r, MOST))
    row = (
        entry(shorten(one.name)),
        entry(kind.kind),
        entry(r),
        entry(len(cell.source)),
        *(_size(size, said) for size in sizes),
        entry(cell.limit, digits=2),
        entry(None if function is None else function.lapse, digits=2),
        entry(kind.misfits.get(r), digits=3),
    )
    return (*row, *_cycles(one, cell, half)) if chart else row


def _size(interval: Interval | None, said: str | None) -> Entry:
    if said is not None or interval is None:
        return entry(said)
    if math.isinf(interval.estimate):
        return Entry("not reached", note=_range(interval))
    if not interval.estimate:
        return Entry("below the smallest", note=_range(interval))
    return _ratio(interval)


def _ratio(interval: Interval) -> Entry:
    return Entry(f"{interval.estimate:.2f}", sort=interval.estimate, note=_range(interval))


def _range(interval: Interval) -> str:
    low, high = ("∞" if math.isinf(end) else f"{end:.2f}" for end in (interval.low, interval.high))
    return f"[{low}, {high}]"


def _cycles(one: Sizes, cell: SizeCell, half: Interval | None) -> tuple[Entry, Entry]:
    """Finest stripes seen, and the part of the sampling limit that they are."""
    if half is None or not 0 < half.estimate < math.inf or not one.chart:
        return entry(None), entry(None)
    stripes = None if one.side is None else one.side / 2 / half.estimate
    reached = None if cell.limit is None else cell.limit / half.estimate
    return (
        entry(stripes, digits=1),
        entry(None) if reached is None else Entry(f"{100 * reached:.0f} %", sort=reached),
    )


def _coincidence_row(one: Sizes) -> tuple[Entry, ...]:
    coincidence, kind = one.main.coincidence, one.main
    verdict, widest = coincidence.verdict, coincidence.widest
    return (
        entry(shorten(one.name)),
        entry(kind.kind),
        entry("no two thresholds to compare" if verdict == "withheld" else verdict),
        entry(None) if widest is None else _ratio(widest.interval),
        entry(None if widest is None else f"{widest.first} and {widest.second}"),
        entry(kind.enough),
    )
