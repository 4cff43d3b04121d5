"""The floor: what a checkpoint that does not look would score, and the gain over it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import binomtest

from resolution_eval.analysis.sampling import Columns, Figure, bounded, column_scores, resampled
from resolution_eval.analysis.soundness import MOST_LACKING
from resolution_eval.analysis.sweeps import Sweep
from resolution_eval.records import BlindControl, Record
from resolution_eval.statistics import intervals
from resolution_eval.statistics.curves import FloatArray, Withheld
from resolution_eval.statistics.intervals import Interval, Problem

Kind = Literal["chance", "constant answer", "without the image"]


@dataclass(frozen=True, eq=False)
class Floor:
    """The largest of chance, the best constant answer and the checkpoint's own blind score."""

    kind: Kind
    value: float
    """Accuracy, a fraction."""
    low: float
    high: float
    """Ends of its 95 % interval; `value` itself where chance is known."""
    detail: str
    """Which answer, or at which resolution."""
    columns: Columns | None = None
    """Its score by sample, to pair with; None where there is none."""

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.kind}{self.detail and f' {self.detail}'})"


def floor(sweep: Sweep) -> Floor:
    """The floor of a curve: one for all its resolutions, the highest blind score among them.

    Of equal ones chance is taken, which is known without error.
    """
    found = [*_chance(sweep), *_constant(sweep), *_blind(sweep)]
    return max(found, key=lambda each: round(each.value, 9), default=Floor("chance", 0, 0, 0, ""))


def _chance(sweep: Sweep) -> list[Floor]:
    level = sweep.chance
    return [] if level is None else [Floor("chance", level, level, level, "")]


def _constant(sweep: Sweep) -> list[Floor]:
    """The most frequent right answer, said to every question."""
    scores = sweep.scores
    counts = Counter(scores.targets)
    if not counts:
        return []
    answer = min(counts, key=lambda target: (-counts[target], target))
    said = {
        name: float(target == answer)
        for name, target in zip(scores.samples, scores.targets, strict=True)
    }
    columns = Columns([said], dict(zip(scores.samples, scores.clusters, strict=True)))
    return [_of_columns("constant answer", columns, f"“{answer}”")]


def _blind(sweep: Sweep) -> list[Floor]:
    controls = (sweep.control(cell) for cell in sweep.cells)
    return [_of_control(*found) for found in controls if found and _sound(found[0])]


def _sound(control: BlindControl) -> bool:
    return control.failed <= MOST_LACKING * control.n


def _of_control(control: BlindControl, run: Record | None) -> Floor:
    at = f"at {control.resolution}"
    if run is not None:
        columns = column_scores(run.answers.scores([control.key]))
        return _of_columns("without the image", columns, at)
    low, high = counted(control)
    assert control.accuracy is not None
    return Floor("without the image", control.accuracy, low, high, at)


def counted(control: BlindControl, level: float = 0.95) -> tuple[float, float]:
    """Wilson's ends for a control of which only the counts are known, failures at their worst."""
    ends = (
        binomtest(right, control.n).proportion_ci(level, method="wilson")
        for right in (control.correct, control.correct + control.failed)
    )
    worst, best = ends
    return float(worst.low), float(best.high)


def _of_columns(kind: Kind, columns: Columns, detail: str) -> Floor:
    found = bounded(columns, [1], accuracy)
    assert isinstance(found, Interval)
    return Floor(kind, found.estimate, found.low, found.high, detail, columns)


def accuracy(drawn: intervals.Resampled) -> Interval:
    """The accuracy of the only column."""
    return intervals.accuracies(drawn)[0]


def gain(columns: Columns, weights: Sequence[float], base: Floor, *, level: float = 0.95) -> Figure:
    """(A - B) / (1 - B): the part of what lies above the floor B that A reaches; 1 at best.

    A is the mean of the columns' accuracies by `weights`, paired with the floor's scores by sample
    where those are here. The interval is that of a ratio of error rates, 1 - (1 - A) / (1 - B).

    Source: MOVER-R, Donner and Zou 2012, Stat. Methods Med. Res. 21, with the correlation of the
    resamples.
    """
    if base.high >= 1:
        return Withheld(f"the floor {base} is not shown to be below 1")
    line = np.asarray(weights, dtype=float)

    def score(drawn: intervals.Resampled) -> Interval:
        problem = Problem(lambda rows: rows @ line, drawn, (0.0, 1.0), level)
        return intervals.solve(problem, "score")

    mean = bounded(columns, [1] * len(line), score)
    if isinstance(mean, Withheld):
        return mean
    errors = (1 - mean.high, 1 - mean.estimate, 1 - mean.low)
    floors = (1 - base.high, 1 - base.value, 1 - base.low)
    low, high = ratio_ends(errors, floors, _correlation(columns, line, base))
    estimate = 1 - errors[1] / floors[1]
    return replace(mean, estimate=estimate, low=1 - high, high=1 - low, method="mover")


def _correlation(columns: Columns, line: FloatArray, base: Floor) -> float:
    """Of A with B over the resamples that they share."""
    if base.columns is None:
        return 0.0
    noise = resampled(columns.beside(base.columns).aligned()).deviations
    mine, floor = noise[:, :-1] @ line, noise[:, -1]
    if min(mine.std(), floor.std()) <= intervals.FLAT:
        return 0.0
    return float(np.corrcoef(mine, floor)[0, 1])


Ends = tuple[float, float, float]
"""Low end, estimate and high end."""


def ratio_ends(above: Ends, below: Ends, correlation: float) -> tuple[float, float]:
    """Ends of `above` over `below`, both positive, from their own ends and their correlation.

    Example:
        >>> low, high = ratio_ends((0.2, 0.3, 0.4), (0.5, 0.5, 0.5), 0.0)
        >>> round(low, 9), round(high, 9)
        (0.4, 0.8)
    """
    (lx, x, ux), (ly, y, uy) = above, below

    def end(x_end: float, y_end: float, sign: int) -> float:
        mixed = x * y - correlation * abs(x - x_end) * abs(y - y_end)
        inner = mixed**2 - x_end * y_end * (2 * x - x_end) * (2 * y - y_end)
        return (mixed + sign * math.sqrt(max(inner, 0.0))) / (y_end * (2 * y - y_end))

    return end(lx, uy, -1), end(ux, ly, 1)


def known(floors: Mapping[str, Floor]) -> str:
    """The floors in words."""
    return "; ".join(f"{name}: {each}" for name, each in floors.items())
