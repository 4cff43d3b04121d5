"""Does it look: every cell against the same checkpoint's score without the image.

One rule, for report and board alike. With the answers of the blind run at hand, the two are paired
by sample, and the interval of the difference is simultaneous over the curve's resolutions: a
checkpoint that never looks is called looking, at any resolution, in at most 5 % of runs. Intervals
that do not touch would be the wrong rule there: they miss a difference that pairing shows, and look
at five resolutions without saying so. Where only the counts of the blind run are known, nothing can
be paired, and intervals that do not touch are what remains: right for any pairing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from resolution_eval.analysis.floor import counted
from resolution_eval.analysis.sampling import accuracy, column_scores, difference
from resolution_eval.analysis.soundness import flaw
from resolution_eval.analysis.sweeps import Sweep
from resolution_eval.evidence.attestation import Blind
from resolution_eval.records import Cell, Record
from resolution_eval.records.schema import BlindControl
from resolution_eval.statistics.intervals import Interval

Side = Literal["above", "on", "below"]
ERROR = 0.05
"""Of calling a checkpoint looking that does not, over all resolutions of its curve."""


@dataclass(frozen=True)
class Look:
    """One cell beside the same checkpoint's score without the image."""

    accuracy: float
    """Without the image."""
    low: float
    high: float
    """Ends of its 95 % interval."""
    n: int
    kind: Blind
    """What stood in the image's place."""
    difference: Interval | None
    """With the image less without, paired by sample, simultaneous over the curve's resolutions;
    None where the blind answers are not here."""
    place: Side
    """Whether the score with the image is shown to lie above the blind one, or below it."""


def looks(sweep: Sweep) -> tuple[Look | None, ...]:
    """Each cell's comparison; None where it has no blind control, or no sound score."""
    controls = [sweep.control(cell) for cell in sweep.cells]
    level = 1 - ERROR / max(1, sum(each is not None for each in controls))
    return tuple(
        None if each is None or flaw(cell, "accuracy") else _look(sweep, cell, *each, level)
        for cell, each in zip(sweep.cells, controls, strict=True)
    )


def looking(comparisons: Sequence[Look | None]) -> bool | None:
    """Whether the curve is shown to look anywhere; None where nothing says so."""
    return any_known(None if each is None else each.place == "above" for each in comparisons)


def any_known(answers: Iterable[bool | None]) -> bool | None:
    """Whether any of the answers that are known is yes; None where none is known."""
    known = [each for each in answers if each is not None]
    return any(known) if known else None


def _look(
    sweep: Sweep, cell: Cell, control: BlindControl, run: Record | None, level: float
) -> Look | None:
    assert control.accuracy is not None
    seen = column_scores(sweep.record.answers.scores([cell.key]))
    scored = control.n - control.failed
    if run is not None:
        unseen = column_scores(run.answers.scores([cell.key]))
        alone, paired = accuracy(unseen), difference(unseen.beside(seen), level=level)
        if isinstance(paired, Interval) and isinstance(alone, Interval):
            ends = (control.accuracy, alone.low, alone.high)
            return Look(*ends, scored, control.kind, paired, _place(paired.low, paired.high))
    mine = accuracy(seen, level=level)
    if not isinstance(mine, Interval):
        return None
    low, high = counted(control, level)
    place = _place(mine.low - high, mine.high - low)
    return Look(control.accuracy, *counted(control), scored, control.kind, None, place)


def _place(low: float, high: float) -> Side:
    """By the ends of the difference."""
    if low > 0:
        return "above"
    return "below" if high < 0 else "on"
