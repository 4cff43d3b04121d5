"""The floor of a curve: the largest of chance, the best constant answer, and its blind scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scipy.stats import binomtest

from resolution_eval.analysis.sampling import Columns, closed, column_scores
from resolution_eval.analysis.sweeps import Sweep
from resolution_eval.ground.errors import visible
from resolution_eval.records.schema import BlindControl
from resolution_eval.statistics import floors
from resolution_eval.statistics.floors import Floor
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.resampling import FAILED_SHARE


@dataclass(frozen=True, eq=False)
class CurveFloor:
    """What the checkpoint could score without looking, beside what it scored."""

    columns: Columns
    """The curve's columns, and after them those of the floor's candidates."""
    floor: Floor
    """Chance, and which columns the candidates are."""
    interval: Interval | None
    """Of the floor; None where too many samples have no verdict, or none has."""
    name: str
    """What it is that reaches it."""

    @property
    def value(self) -> float:
        """Accuracy, a fraction."""
        return self.floor.chance if self.interval is None else self.interval.estimate

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.name})"


def curve_floor(sweep: Sweep, columns: Columns) -> CurveFloor:
    """The floor of `sweep`, whose scores are `columns`: one for all its resolutions.

    A constant answer that is right no more often than chance is none of the candidates. The blind
    answers are paired with the curve's. Where only the counts of a blind run are here,
    the upper end of its interval is taken: never in the checkpoint's favour.
    """
    level, name = max(_known(sweep), key=lambda each: each[0], default=(0.0, "no chance level"))
    whole, candidates = columns, {}
    for candidate, one in _candidates(sweep):
        wide = whole.beside(one)
        if wide.values[-1] not in wide.values[len(columns.values) : -1]:
            candidates[candidate] = len(whole.values)
            whole = wide
    floor = Floor(level, candidates)
    if whole.left_out == len(whole.clusters) or whole.aligned().withheld:
        return CurveFloor(whole, floor, None, name)
    drawn = closed(whole.aligned())
    best = max(candidates, key=lambda each: drawn.accuracy[candidates[each]], default=name)
    higher = best in candidates and drawn.accuracy[candidates[best]] > level + 1e-9
    return CurveFloor(whole, floor, floors.base(drawn, floor), best if higher else name)


def _known(sweep: Sweep) -> Iterator[tuple[float, str]]:
    """Levels known as numbers alone: chance, and blind runs of which only the counts are here."""
    if sweep.chance is not None:
        yield sweep.chance, "chance"
    for control, run in filter(None, map(sweep.control, sweep.cells)):
        if run is None and _sound(control):
            yield counted(control)[1], f"at most, without the image at {control.resolution}"


def _candidates(sweep: Sweep) -> Iterator[tuple[str, Columns]]:
    for control, run in filter(None, map(sweep.control, sweep.cells)):
        if run is not None and _sound(control):
            scores = run.answers.scores([control.key])
            yield f"without the image at {control.resolution}", column_scores(scores)
    scores = sweep.scores
    clusters = dict(zip(scores.samples, scores.clusters, strict=True))
    for answer, said in floors.constants(sweep.targets).items():
        if sum(said.values()) > (sweep.chance or 0.0) * len(said):
            words = " ".join(visible(answer).split())
            yield f"“{words}” to every question", Columns([said], clusters)


def _sound(control: BlindControl) -> bool:
    return control.failed <= FAILED_SHARE * control.n


def counted(control: BlindControl, level: float = 0.95) -> tuple[float, float]:
    """Wilson's ends for a control of which only the counts are known, failures at their worst."""
    worst, best = (
        binomtest(right, control.n).proportion_ci(level, method="wilson")
        for right in (control.correct, control.correct + control.failed)
    )
    return float(worst.low), float(best.high)
