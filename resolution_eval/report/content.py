"""What a report says of a task beside its tables: chart points, and what is wrong in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from resolution_eval.analysis import CurveFigures, Sweep, TaskSweeps
from resolution_eval.analysis.probes import MEANING, probed
from resolution_eval.evidence.ladder import STEPS
from resolution_eval.ground.tables import shorten
from resolution_eval.records import Cell
from resolution_eval.report.charts import BANDED, ChartMark, ChartPoint
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval

Curves = Sequence[CurveFigures]
Study = tuple[TaskSweeps, tuple[CurveFigures, ...]]
"""One task, and the figures of its curves."""


def status(cell: Cell) -> str:
    """What is known of the grid that a cell's samples had, in one word."""
    return "attested" if cell.status == "complete" else cell.status


def status_and_step(cell: Cell) -> str:
    """The status, and where it tells of absent samples, the step that the others have.

    Every cell's step of the ladder is in it.
    """
    others = cell.step if cell.status == "incomplete" else None
    return ", ".join(filter(None, (status(cell), others)))


def known_of_grid(curve: CurveFigures, cell: Cell) -> str:
    """Status, step, and what a probe found of images of that size."""
    return ", ".join(filter(None, (status_and_step(cell), probed(curve.sweep.record, cell))))


def mark(cell: Cell) -> str:
    """Status and step where the status is not as it should be, else nothing."""
    if cell.status == "complete":
        return ""
    return cell.status if cell.step == "attested" else status_and_step(cell)


def known(cell: Cell) -> str:
    """In how many samples the size asked for was seen, counted or predicted, in words."""
    counts = {
        "as asked": cell.attested,
        "counted by the server": cell.counted,
        "predicted by a rule alone": cell.predicted,
    }
    phrases = [f"{words} in {count} of {cell.n}" for words, count in counts.items() if count]
    return "; ".join(phrases) or f"as asked in 0 of {cell.n}"


def steps_in_words(cells: Iterable[Cell]) -> str:
    """A sentence for each step that is not the encoder's own word; nothing where all are."""
    steps = {cell.step for cell in cells} - {"attested", "mismatched"}
    return "".join(f" {step.capitalize()}: {STEPS[step]}." for step in STEPS if step in steps)


def probes_in_words(curves: Curves) -> str:
    """What probed means; nothing where no cell is."""
    cells = ((curve.sweep.record, each.cell) for curve in curves for each in curve.cells)
    return f" {MEANING}" if any(probed(record, cell) for record, cell in cells) else ""


def points(curves: Curves) -> list[ChartPoint]:
    """Every cell that has an accuracy, for the chart."""
    return [
        ChartPoint(
            name=shorten(curve.name),
            resolution=each.cell.resolution,
            status=status(each.cell),
            accuracy=each.accuracy.estimate,
            low=each.accuracy.low,
            high=each.accuracy.high,
            n=each.cell.scored,
            training=each.trained,
            tokens=each.tokens,
            blind=None if each.look is None else each.look.accuracy,
            speed=None if each.cell.cost is None else each.cell.cost.samples_per_second,
        )
        for curve in curves
        for each in curve.cells
        if isinstance(each.accuracy, Interval)
    ]


def marks(curves: Curves) -> list[ChartMark]:
    """The knee and the chosen resolution of every curve, for the chart.

    None where there are more curves than have a band: the tables have them.
    """
    if len(curves) > BANDED:
        return []
    return [mark for curve in curves for mark in _marks(curve)]


def _marks(curve: CurveFigures) -> Iterator[ChartMark]:
    name, knee, chosen = shorten(curve.name), curve.knee, curve.chosen
    accuracy = [each.cell.accuracy for each in curve.cells]
    resolutions = curve.sweep.resolutions
    if not isinstance(knee, Withheld) and knee.reached:
        interval = knee.resolution
        octaves = [math.log2(edge) for edge in curve.sweep.edges]
        index, share = _between(octaves, math.log2(interval.estimate))
        low, high = accuracy[index], accuracy[index + 1]
        if low is not None and high is not None:
            text = f"knee {interval.estimate:.0f} px, {interval.low:.0f} to {interval.high:.0f}"
            before, after = resolutions[index : index + 2]
            yield ChartMark(name, "knee", before, after, share, low + share * (high - low), text)
    score = None if chosen is None else accuracy[resolutions.index(chosen)]
    if chosen is not None and score is not None and not isinstance(curve.choice, Withheld):
        text = f"{chosen} is the smallest shown to lose no more than {points_of(curve)} points"
        yield ChartMark(name, "chosen", chosen, chosen, 0.0, score, text)


def points_of(curve: CurveFigures) -> str:
    """The margin in percentage points."""
    return f"{100 * curve.margin:g}"


def _between(steps: Sequence[float], place: float) -> tuple[int, float]:
    """The step of the ascending `steps` that `place` lies on, and how far along it, 0 to 1."""
    for index, (low, high) in enumerate(pairwise(steps)):
        if place <= high:
            return index, max(0.0, (place - low) / (high - low))
    return len(steps) - 2, 1.0


def asked_grid(cell: Cell) -> str | None:
    """The grids that the encoder should have received, most frequent first."""
    return _grids(grid.asked for grid in cell.grids)


def received_grid(cell: Cell) -> str:
    """The grids that entered the encoder, most frequent first."""
    return _grids(grid.received for grid in cell.grids) or "not seen"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _grids(sizes: Iterable[tuple[int, int] | None]) -> str | None:
    known = list(dict.fromkeys(_size(size) for size in sizes if size is not None))
    more = f" +{len(known) - 2}" if len(known) > 2 else ""
    return ", ".join(known[:2]) + more if known else None


@dataclass(frozen=True)
class Notice:
    """One thing that a reader must know before taking a figure for what was asked."""

    status: str
    cells: int
    """How many cells it is about."""
    text: str


def notices(curves: Curves) -> list[Notice]:
    """Every cell not shown to be what was asked for, in words; cells alike in one sentence."""
    return [notice for curve in curves for notice in _notices(curve.sweep)]


def _notices(sweep: Sweep) -> Iterator[Notice]:
    alike: dict[tuple[str, str], list[str]] = {}
    for cell in sweep.cells:
        if cell.status != "complete":
            alike.setdefault((cell.status, _wrong(cell)), []).append(cell.resolution)
    for (worst, text), resolutions in alike.items():
        where = f"{shorten(sweep.name)} at {', '.join(resolutions)}"
        yield Notice(worst, len(resolutions), f"{where}: {text}")


def _wrong(cell: Cell) -> str:
    of = f"of {cell.n} samples"
    phrases = (
        (cell.mismatched, f"mismatched in {cell.mismatched} {of}{_instead(cell)}"),
        (cell.failed, f"{cell.failed} {of} failed"),
        (cell.missing, f"{cell.missing} samples are missing"),
        (cell.counted, f"{cell.counted} {of} counted by the server, none attested"),
        (cell.predicted, f"{cell.predicted} {of} predicted by a rule, none counted"),
        (cell.unattested, f"nobody saw the grid of {cell.unattested} {of}"),
    )
    return "; ".join(phrase for count, phrase in phrases if count)


def _instead(cell: Cell) -> str:
    """The most frequent wrong grid, beside the one asked for."""
    for grid in cell.grids:
        if grid.asked and grid.received and grid.asked != grid.received:
            return f": asked for {_size(grid.asked)}, the encoder received {_size(grid.received)}"
    return ""
