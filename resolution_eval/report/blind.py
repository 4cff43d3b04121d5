"""Does it look: every cell against the same checkpoint's score without the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import binomtest

from resolution_eval.attestation import Blind
from resolution_eval.records import BlindControl, Cell, Record
from resolution_eval.report.sampling import Columns, column_scores, resampled
from resolution_eval.report.sweeps import Sweep
from resolution_eval.statistics import intervals
from resolution_eval.statistics.intervals import Interval

Place = Literal["above", "on", "below"]


@dataclass(frozen=True)
class Look:
    """One cell beside the same checkpoint's score without the image."""

    accuracy: float
    """Without the image."""
    low: float
    high: float
    """Ends of its 95 % interval (Wilson's, over samples)."""
    n: int
    kind: Blind
    """What stood in the image's place."""
    difference: Interval | None
    """With the image less without, paired by sample; None where the blind answers are not here."""
    place: Place
    """Where the score with the image lies: `on` the blind one, if an interval holds both."""


def looks(sweep: Sweep, accuracy: Sequence[Interval | None]) -> tuple[Look | None, ...]:
    """Each cell's comparison; None where it has no blind control, or no score."""
    return tuple(
        _look(sweep, cell, interval) for cell, interval in zip(sweep.cells, accuracy, strict=True)
    )


def _look(sweep: Sweep, cell: Cell, interval: Interval | None) -> Look | None:
    control = next((one for one in sweep.record.controls.blind if one.key == cell.key), None)
    if control is None or control.accuracy is None or interval is None:
        return None
    scored = control.n - control.failed
    range = binomtest(control.correct, scored).proportion_ci(method="wilson")
    difference = _difference(sweep, cell, control)
    return Look(
        accuracy=control.accuracy,
        low=float(range.low),
        high=float(range.high),
        n=scored,
        kind=control.kind,
        difference=difference,
        place=_apart(interval, range) if difference is None else _paired(difference),
    )


def _paired(difference: Interval) -> Place:
    if difference.low > 0:
        return "above"
    return "below" if difference.high < 0 else "on"


def _apart(interval: Interval, range: object) -> Place:
    """By two intervals that do not touch: stricter than a paired comparison."""
    low, high = (float(getattr(range, end)) for end in ("low", "high"))
    if interval.low > high:
        return "above"
    return "below" if interval.high < low else "on"


def _difference(sweep: Sweep, cell: Cell, control: BlindControl) -> Interval | None:
    record = _answers(sweep.unseen, control)
    if record is None:
        return None
    seen = column_scores(sweep.record.answers.scores([cell.key]))
    unseen = column_scores(record.answers.scores([cell.key]))
    pair = Columns([unseen.values[0], seen.values[0]], {**unseen.clusters, **seen.clusters})
    if not pair.values[0].keys() & pair.values[1].keys():
        return None
    return intervals.contrast(resampled(pair), (-1, 1))


def _answers(unseen: Sequence[Record], control: BlindControl) -> Record | None:
    """The record of the blind run that `control` was counted from, if it is here."""
    for record in unseen:
        if record.environment.results_sha256 == control.results_sha256:
            return record
    return None
