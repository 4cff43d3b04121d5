"""The floor: what a figure is measured from, and the figures above it.

The floor B is the largest of chance, the accuracy of the best constant answer, and the accuracy of
the same checkpoint without the image. The last two are measured on the same samples as the curve,
so that their error, and what they share with the curve's, is in every interval.

As the largest of several, B is biased upwards where they are close, never in a model's favour. All
figures here fall as B rises, so each is the least of the figures above every candidate: its low end
is the least of theirs, its high end the least of theirs at a level that allows for how many
candidates can still be the largest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from resolution_eval.statistics.curves import FloatArray, ScoreGrid, Withheld
from resolution_eval.statistics.intervals import (
    LEVEL,
    Interval,
    Tails,
    area_weights,
    contrasts,
    even,
    interval,
    linear,
)
from resolution_eval.statistics.proportions import FigureRange, ratio
from resolution_eval.statistics.resampling import Resamples

CONSTANTS = 8
"""How many of the most frequent answers are tried as the constant one."""


@dataclass(frozen=True)
class Floor:
    """Chance, and which columns of the answers hold what else could be reached without looking."""

    chance: float = 0.0
    """Accuracy of a guess; 0 for open questions."""
    candidates: Mapping[str, int] = field(default_factory=dict)
    """Column by name, such as `blind` and `always A`, of the same answers as the curve."""


def constants(targets: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Score of every sample under each of the most frequent constant answers, by that answer.

    Example:
        >>> constants({"a": "yes", "b": "yes", "c": "no"})["yes"]
        {'a': 1.0, 'b': 1.0, 'c': 0.0}
    """
    often = sorted(Counter(targets.values()).items(), key=lambda item: (-item[1], item[0]))
    return {
        answer: {sample: float(target == answer) for sample, target in targets.items()}
        for answer, _ in often[:CONSTANTS]
    }


def reached(rows: FloatArray, floor: Floor) -> FloatArray:
    """B of every row of accuracies: the largest is taken anew in each draw.

    Example:
        >>> reached(np.array([[0.7, 0.4], [0.7, 0.6]]), Floor(0.5, {"blind": 1}))
        array([0.5, 0.6])
    """
    columns = [np.full(len(rows), floor.chance), *(rows[:, c] for c in floor.candidates.values())]
    return np.asarray(np.max(columns, axis=0))


def gains(rows: FloatArray, weights: FloatArray, floor: Floor, *, least: float = 0.0) -> FloatArray:
    """Gain of every row of accuracies: (weights @ A - B) / (1 - B); not a number where B is 1.

    `least` is the least that 1 - B counts as: a resample in which B happens to be 1 leaves no room,
    and half a sample's share of it makes the gain as poor as these samples could show.
    """
    base = reached(rows, floor)
    room, undefined = np.maximum(1 - base, least), np.full(len(rows), np.nan)
    above = rows[:, : len(weights)] @ weights - base
    return np.asarray(np.divide(above, room, out=undefined, where=room > 0))


def base(resampled: Resamples, floor: Floor) -> Interval:
    """B with its interval.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> blind = {str(i): float(i % 3 > 0) for i in range(90)}
        >>> found = base(resample(align([blind]), seed=1), Floor(0.5, {"blind": 0}))
        >>> round(found.estimate, 3), round(found.low, 2), round(found.high, 2)
        (0.667, 0.56, 0.76)
    """
    identity = np.eye(len(resampled.accuracy))
    tails = _tails(resampled, floor)
    parts = [linear(resampled, identity[c], tails[::-1]) for c in floor.candidates.values()]
    parts.append(FigureRange(floor.chance, floor.chance, floor.chance))
    return interval(resampled, _each(max, parts), "maximum")


def above(resampled: Resamples, column: int, floor: Floor, *, level: float = LEVEL) -> Interval:
    """A(column) - B with its interval: whether a cell is above what needs no looking."""
    line = np.eye(len(resampled.accuracy))[column]
    part, _ = _above(resampled, line, floor, level)
    return interval(resampled, part, "maximum", level)


def gain(resampled: Resamples, column: int, floor: Floor) -> Interval | Withheld:
    """(A(column) - B) / (1 - B): the part of what is to be gained above the floor (at most 1).

    Withheld where the floor is not below 1 by its own interval: there is nothing to gain; and with
    one cluster, where a gain could be anything.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> seen = {str(i): float(i % 6 > 0) for i in range(90)}
        >>> blind = {str(i): float(i % 3 > 0) for i in range(90)}
        >>> drawn = resample(align([seen, blind]), seed=1)
        >>> found = gain(drawn, 0, Floor(0.5, {"blind": 1}))
        >>> round(found.estimate, 3), round(found.low, 2), round(found.high, 2)
        (0.5, 0.35, 0.71)
    """
    return _gain(resampled, np.eye(len(resampled.accuracy))[column], floor)


def gain_area(resampled: Resamples, grid: ScoreGrid, floor: Floor) -> Interval | Withheld:
    """Area of the gain over log2 r, which is the gain of the area; the first columns are `grid`'s.

    Withheld where `gain` is.
    """
    line = np.zeros(len(resampled.accuracy))
    line[: len(grid.resolutions)] = area_weights(grid)
    return _gain(resampled, line, floor)


def _gain(resampled: Resamples, line: FloatArray, floor: Floor) -> Interval | Withheld:
    if resampled.clusters < 2:
        return Withheld("one cluster: nothing tells the accuracy from the floor")
    nothing = Withheld("the floor is not below 1 by its interval: there is nothing to gain")
    if floor.chance >= 1:
        return nothing
    identity, tails = np.eye(len(resampled.accuracy)), _tails(resampled, floor)
    mean = linear(resampled, line, tails)
    parts = [FigureRange(*((end - floor.chance) / (1 - floor.chance) for end in mean))]
    overs = _overs(resampled, line, floor, tails)
    for (part, over), column in zip(overs, floor.candidates.values(), strict=True):
        room = linear(resampled, identity[column], tails[::-1])
        rest = FigureRange(1 - room.estimate, 1 - room.high, 1 - room.low)
        share = ratio(part, rest, -correlation(resampled, over, identity[column]))
        if share is None:
            return nothing
        parts.append(share)
    least = _each(min, parts)
    return interval(resampled, least._replace(high=min(least.high, 1.0)), "ratio")


def _overs(
    resampled: Resamples, line: FloatArray, floor: Floor, tails: Tails
) -> list[tuple[FigureRange, FloatArray]]:
    """line @ A less each candidate, and the sum of columns that it is."""
    lines = line - np.eye(len(resampled.accuracy))[list(floor.candidates.values())]
    return list(zip(contrasts(resampled, lines, tails), lines, strict=True))


def retention(
    resampled: Resamples, column: int, reference: int, floor: Floor = Floor()
) -> Interval | Withheld:
    """(A(column) - B) / (A(reference) - B), with B's error in its interval (may exceed 1).

    Withheld where A(reference) is not above B by its own interval. Without a floor it is the ratio
    of two accuracies, as in mixed retention. It is 1 + (A(column) - A(reference)) over the
    denominator: two score intervals, and one ratio of them.

    Example:
        >>> from resolution_eval.statistics.resampling import align, resample
        >>> low = {str(i): float(i % 2) for i in range(60)}
        >>> high = {str(i): float(i % 6 > 0) for i in range(60)}
        >>> kept = retention(resample(align([low, high]), seed=1), 0, 1, Floor(0.25))
        >>> round(kept.estimate, 3), round(kept.low, 2), round(kept.high, 2)
        (0.429, 0.21, 0.6)
    """
    if resampled.clusters < 2:
        return Withheld("one cluster: nothing tells the reference from the floor")
    identity = np.eye(len(resampled.accuracy))
    bottom, line = _above(resampled, identity[reference], floor)
    step = identity[column] - identity[reference]
    top = linear(resampled, step, even())
    part = ratio(top, bottom, correlation(resampled, step, line))
    if part is None:
        return Withheld(
            f"accuracy {resampled.accuracy[reference]:.4g} at the reference is not above the "
            f"floor {float(reached(resampled.accuracy[None], floor)[0]):.4g} by its {LEVEL:.0%} "
            "interval"
        )
    least = 0.0 if floor == Floor() else -np.inf  # of two accuracies the ratio is never below 0
    kept = FigureRange(1 + part.estimate, max(1 + part.low, least), 1 + part.high)
    return interval(resampled, kept, "ratio")


def correlation(resampled: Resamples, first: FloatArray, second: FloatArray) -> float:
    """Correlation of the errors of two weighted sums of the columns; 0 where one has none."""
    covariance = resampled.covariance
    scale = np.sqrt((first @ covariance @ first) * (second @ covariance @ second))
    return float(np.clip(first @ covariance @ second / scale, -1, 1)) if scale > 1e-15 else 0.0


def _above(
    resampled: Resamples, line: FloatArray, floor: Floor, level: float = LEVEL
) -> tuple[FigureRange, FloatArray]:
    """line @ A - B with its ends, and the sum of columns that it is where B is largest."""
    tails = _tails(resampled, floor, level)
    first = FigureRange(*(end - floor.chance for end in linear(resampled, line, tails)))
    candidates = [(first, line), *_overs(resampled, line, floor, tails)]
    nearest = min(candidates, key=lambda each: each[0].estimate)
    return _each(min, [part for part, _ in candidates]), nearest[1]


def _tails(resampled: Resamples, floor: Floor, level: float = LEVEL) -> Tails:
    """Errors at the low and the high end: the high one for every candidate that can be largest.

    Source: Andrews and Soares 2010, Econometrica 78, for leaving out what cannot be the largest.
    """
    columns = list(floor.candidates.values())
    values = np.array([floor.chance, *resampled.accuracy[columns]])
    errors = np.array([0.0, *np.sqrt(np.diag(resampled.covariance)[columns])])
    unseen = np.array([0.0, *[1 / resampled.effective] * len(columns)])
    margin = np.sqrt(np.log(resampled.clusters + 1)) * errors + unseen
    able = values + margin >= (values - margin).max()
    tail = (1 - level) / 2
    return tail, tail / max(int(able.sum()), 1)


def _each(pick: Callable[[Iterable[float]], float], parts: Sequence[FigureRange]) -> FigureRange:
    """What `pick` takes of all estimates, of all low ends and of all high ends."""
    return FigureRange(*map(pick, zip(*parts, strict=True)))
