"""The front page: what all curves of a report say, before any figure of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resolution_eval.analysis import CurveFigures
from resolution_eval.analysis.headline import Headline, headline
from resolution_eval.ground.tables import shorten
from resolution_eval.statistics.intervals import Interval

MOST = 12
"""Checkpoints whose sentence stands on the first screen; the tables have all."""
LONGEST = 500


@dataclass(frozen=True)
class Front:
    """What stands first."""

    title: str
    subject: str
    """What the title is about: checkpoint, task, samples."""
    lines: tuple[tuple[str, str], ...]
    """Name and sentence of each curve; empty where the title says all."""
    more: int
    """Curves that are not among them."""


def front(curves: Sequence[CurveFigures]) -> Front:
    """The front page of `curves`: the title is the sentence of the only one, or of the best."""
    said = [(curve, headline(curve)) for curve in curves]
    curve, first = max(said, key=_merit)
    alone = len(said) == 1
    name = shorten(curve.name, 80)
    lines = said[:MOST] if not alone or first.notes else []
    return Front(
        title=shorten(first.sentence if alone else f"{name}: {first.sentence}", LONGEST),
        subject=_subject(curve) if alone else _subjects(curves),
        lines=tuple((shorten(each.name, 80), shorten(str(what), LONGEST)) for each, what in lines),
        more=max(0, len(said) - MOST),
    )


def _merit(one: tuple[CurveFigures, Headline]) -> tuple[bool, float]:
    """Curves that can be read before others, then by their gain over the floor."""
    curve, said = one
    gain = curve.figures["gain"]
    return said.readable, gain.estimate if isinstance(gain, Interval) else -1.0


def _subject(curve: CurveFigures) -> str:
    record = curve.sweep.record
    task = shorten(record.dataset.title or record.task, 80)
    samples = max(each.cell.n for each in curve.cells)
    return f"{shorten(curve.name, 80)} on {task}, {samples} samples."


def _subjects(curves: Sequence[CurveFigures]) -> str:
    tasks = {curve.sweep.record.dataset.title or curve.sweep.record.task for curve in curves}
    on = shorten(next(iter(tasks)), 80) if len(tasks) == 1 else f"{len(tasks)} tasks"
    return (
        f"{len(curves)} checkpoints on {on}: first the finding of the one that gains most over its "
        "floor, across all resolutions."
    )
