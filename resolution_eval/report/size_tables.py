"""Tables by size: thresholds with their intervals and limits, and whether curves coincide."""

from __future__ import annotations

import math
from collections.abc import Sequence

from resolution_eval.analysis.sizes import Sizes
from resolution_eval.ground.tables import Column, Entry, Table, entry, shorten
from resolution_eval.statistics.bysize import HALF, LEAST, MOST, BySize, SizeCell
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.thresholds import Coincidence

_THRESHOLDS = (
    Column("checkpoint"),
    Column("thing", title="What had to be seen; controls are seen by their brightness too."),
    Column("r", numeric=True, title="Inference resolution in pixels."),
    Column("n", numeric=True, title="Answers."),
    Column(
        "50 % size", numeric=True, title="Seen half of the time, in pixels of the stored image."
    ),
    Column(
        "90 % size", numeric=True, title="Seen nine times in ten, in pixels of the stored image."
    ),
    Column("50 % at encoder", numeric=True, title="The same in pixels at the encoder."),
    Column("90 % at encoder", numeric=True, title="The same in pixels at the encoder."),
    Column("limit", numeric=True, title="Smallest detail that the encoder's sampling can show."),
    Column("lapses", numeric=True, title="Share of answers that are guessed however large it is."),
    Column(
        "fit", numeric=True, title="Probability of a fit as bad as this one; below 0.05 is bad."
    ),
)
_CYCLES = (
    Column("cycles per image", numeric=True, title="Finest stripes seen half of the time."),
    Column("of the limit", numeric=True, title="Part of the sampling limit that is reached."),
)
_TOGETHER = (
    Column("checkpoint"),
    Column("thing"),
    Column("curves of r", title="Whether they are one curve in pixels at the encoder."),
    Column("widest ratio", numeric=True, title="Of two 50 % sizes at the encoder."),
    Column("between"),
    Column("enough r", numeric=True, title="Above it no finer detail is seen."),
)


def size_tables(task: str, title: str, sizes: Sequence[Sizes]) -> tuple[Table, ...]:
    """Both tables; none where no answer says what had to be seen."""
    if not sizes:
        return ()
    chart = any(one.chart for one in sizes)
    columns = (*_THRESHOLDS, *(_CYCLES if chart else ()))
    thresholds = Table(
        name=f"{task}-sizes",
        caption="How small a thing is still seen",
        subject=title,
        columns=columns,
        rows=tuple(
            _row(one, kind, cell, chart)
            for one in sizes
            for kind in _enough(one)
            for cell in kind.cells
        ),
        remark=_remark(sizes),
    )
    together = Table(
        name=f"{task}-coincidence",
        caption="Do only the pixels on the thing matter?",
        subject=title,
        columns=_TOGETHER,
        rows=tuple(_coincidence_row(one, one.main) for one in sizes),
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
    row = (
        entry(shorten(one.name)),
        entry(kind.kind),
        entry(r),
        entry(len(cell.source)),
        _size(half, said),
        _size(most, said),
        _size(kind.at_encoder(r, HALF), said),
        _size(kind.at_encoder(r, MOST), said),
        entry(cell.limit, digits=2),
        entry(None if function is None else function.lapse, digits=2),
        entry(kind.misfits.get(r), digits=3),
    )
    return (*row, *_cycles(one, cell, half)) if chart else row


def _size(interval: Interval | None, said: str | None) -> Entry:
    if said is not None:
        return entry(said)
    if interval is None:
        return entry(None)
    if math.isinf(interval.estimate):
        return Entry("not reached", note=_range(interval))
    if not interval.estimate:
        return Entry("below the smallest", note=_range(interval))
    return Entry(f"{interval.estimate:.2f}", sort=interval.estimate, note=_range(interval))


def _range(interval: Interval) -> str:
    return f"[{_end(interval.low)}, {_end(interval.high)}]"


def _end(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.2f}"


def _cycles(one: Sizes, cell: SizeCell, half: Interval | None) -> tuple[Entry, Entry]:
    """Finest stripes seen, and the part of the sampling limit that they are."""
    if half is None or not 0 < half.estimate < math.inf or not one.chart:
        return entry(None), entry(None)
    cycles = entry(None)
    if one.side is not None:
        stripes = one.side / 2 / half.estimate
        cycles = Entry(f"{stripes:.1f}", sort=stripes)
    if cell.limit is None:
        return cycles, entry(None)
    reached = cell.limit / half.estimate
    return cycles, Entry(f"{100 * reached:.0f} %", sort=reached)


def _coincidence_row(one: Sizes, kind: BySize) -> tuple[Entry, ...]:
    coincidence = kind.coincidence
    return (
        entry(shorten(one.name)),
        entry(kind.kind),
        entry(_verdict(coincidence)),
        _ratio(coincidence),
        entry(
            "–"
            if coincidence.widest is None
            else f"{coincidence.widest.first} and {coincidence.widest.second}"
        ),
        entry(kind.enough),
    )


def _verdict(coincidence: Coincidence) -> str:
    return (
        "no two thresholds to compare" if coincidence.verdict == "withheld" else coincidence.verdict
    )


def _ratio(coincidence: Coincidence) -> Entry:
    if coincidence.widest is None:
        return entry(None)
    interval = coincidence.widest.interval
    return Entry(f"{interval.estimate:.2f}", sort=interval.estimate, note=_range(interval))
