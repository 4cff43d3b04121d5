"""What a report says of a task beside its tables: chart points, and what is wrong in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from resolution_eval.records import Cell
from resolution_eval.records.schema import Grid
from resolution_eval.report.charts import BANDED, Mark, Point
from resolution_eval.report.estimates import Estimates
from resolution_eval.report.sweeps import Sweep
from resolution_eval.report.tables import shorten
from resolution_eval.statistics.curves import Withheld

Estimated = Sequence[tuple[Sweep, Estimates]]

SHOWN_STATUS = {"complete": "attested"}


def status(cell: Cell) -> str:
    """What is known of the grid that a cell's samples had, in one word."""
    return SHOWN_STATUS.get(cell.status, cell.status)


def mark(cell: Cell) -> str:
    """The status where it is not as it should be, else nothing."""
    return "" if cell.status == "complete" else cell.status


def points(estimated: Estimated) -> list[Point]:
    """Every cell of every sweep, for the chart."""
    return [
        Point(
            name=shorten(sweep.name),
            resolution=cell.resolution,
            status=status(cell),
            accuracy=cell.accuracy,
            low=None if interval is None else interval.low,
            high=None if interval is None else interval.high,
            n=cell.scored,
            training=index == sweep.reference,
            tokens=None if cell.visual_tokens is None else cell.visual_tokens.mean,
            blind=None if look is None else look.accuracy,
            speed=None if cell.cost is None else cell.cost.samples_per_second,
        )
        for sweep, estimates in estimated
        for index, (cell, interval, look) in enumerate(
            zip(sweep.cells, estimates.accuracy, estimates.looks, strict=True)
        )
        if cell.accuracy is not None
    ]


def marks(estimated: Estimated) -> list[Mark]:
    """The knee and the cheapest resolution of every curve, for the chart.

    None where there are more curves than have a band: the tables have them.
    """
    if len(estimated) > BANDED:
        return []
    return [mark for sweep, estimates in estimated for mark in _marks(sweep, estimates)]


def _marks(sweep: Sweep, estimates: Estimates) -> Iterator[Mark]:
    name, knee, cheapest = shorten(sweep.name), estimates.knee, estimates.cheapest
    accuracy = [cell.accuracy for cell in sweep.cells]
    if not isinstance(knee, Withheld) and knee.reached:
        found = knee.resolution
        octaves = [math.log2(edge) for edge in sweep.edges]
        index, share = _between(octaves, math.log2(found.estimate))
        low, high = accuracy[index], accuracy[index + 1]
        if low is not None and high is not None:
            text = f"knee {found.estimate:.0f} px, {found.low:.0f} to {found.high:.0f}"
            before, after = sweep.resolutions[index : index + 2]
            yield Mark(name, "knee", before, after, share, low + share * (high - low), text)
    if not isinstance(cheapest, Withheld):
        score = accuracy[sweep.resolutions.index(cheapest)]
        if score is not None:
            text = f"{cheapest} is the lowest that the best one is not shown to beat"
            yield Mark(name, "cheapest", cheapest, cheapest, 0.0, score, text)


def _between(steps: Sequence[float], place: float) -> tuple[int, float]:
    """The step of the ascending `steps` that `place` lies on, and how far along it, 0 to 1."""
    for index, (low, high) in enumerate(pairwise(steps)):
        if place <= high:
            return index, max(0.0, (place - low) / (high - low))
    return len(steps) - 2, 1.0


def asked_grid(cell: Cell) -> str | None:
    """The grids that the encoder should have received, most frequent first."""
    return _grids([(g.expected_height, g.expected_width) for g in cell.grids])


def received_grid(cell: Cell) -> str:
    """The grids that entered the encoder, most frequent first."""
    return _grids([(g.height, g.width) for g in cell.grids]) or "not seen"


def _grids(sizes: Sequence[tuple[int | None, int | None]]) -> str | None:
    known = list(dict.fromkeys(f"{h}x{w}" for h, w in sizes if h is not None))
    more = f" +{len(known) - 2}" if len(known) > 2 else ""
    return ", ".join(known[:2]) + more if known else None


@dataclass(frozen=True)
class Notice:
    """One thing that a reader must know before taking a figure for what was asked."""

    status: str
    cells: int
    """How many cells it is about."""
    text: str


def notices(estimated: Estimated) -> list[Notice]:
    """Every cell that is not what was asked for, in words; cells alike in one sentence."""
    return [notice for sweep, _ in estimated for notice in _notices(sweep)]


def _notices(sweep: Sweep) -> Iterator[Notice]:
    alike: dict[tuple[str, str], list[str]] = {}
    for cell in sweep.cells:
        if cell.status != "complete":
            alike.setdefault((cell.status, _wrong(cell)), []).append(cell.resolution)
    for (worst, text), resolutions in alike.items():
        where = f"{shorten(sweep.name)} at {', '.join(resolutions)}"
        yield Notice(worst, len(resolutions), f"{where}: {text}")


def _wrong(cell: Cell) -> str:
    parts = []
    if cell.mismatched:
        parts.append(f"mismatched in {cell.mismatched} of {cell.n} samples{_instead(cell)}")
    if cell.failed:
        parts.append(f"{cell.failed} of {cell.n} samples failed")
    if cell.missing:
        parts.append(f"{cell.missing} samples are missing")
    if cell.counted:
        parts.append(f"{cell.counted} of {cell.n} samples counted by the server, none attested")
    if cell.predicted:
        parts.append(f"{cell.predicted} of {cell.n} samples predicted by a rule, none counted")
    if cell.unattested:
        parts.append(f"nobody saw the grid of {cell.unattested} of {cell.n} samples")
    return "; ".join(parts)


def _instead(cell: Cell) -> str:
    """The most frequent wrong grid, beside the one asked for."""
    for grid in cell.grids:
        if grid.height is not None and _asked(grid) not in (None, (grid.height, grid.width)):
            asked = f"{grid.expected_height}x{grid.expected_width}"
            return f": asked for {asked}, the encoder received {grid.height}x{grid.width}"
    return ""


def _asked(grid: Grid) -> tuple[int | None, int | None] | None:
    return None if grid.expected_height is None else (grid.expected_height, grid.expected_width)
