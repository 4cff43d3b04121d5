"""The choice of a resolution: the smallest shown to lose no more than a margin against the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from resolution_eval.analysis.comparison import difference
from resolution_eval.analysis.sampling import Columns
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval

MARGIN = 0.02
"""Loss of accuracy that a user calls none, unless told."""
ERROR = 0.05
"""Of choosing a resolution that loses more than the margin, and of calling a curve robust."""


@dataclass(frozen=True)
class Choice:
    """The resolutions that are shown to lose no more than the margin against the best one."""

    margin: float
    shown: tuple[int, ...]
    """Indices of the resolutions shown to be within the margin of every other, ascending."""
    losses: tuple[float, ...]
    """By resolution, the largest loss against another that the samples leave possible."""
    tells: float
    """Half the width of the least sure comparison: the loss that these samples can tell from 0."""
    needed: int
    """About how many samples would tell the margin from 0."""

    @property
    def smallest(self) -> int | None:
        """Index of the smallest such resolution; None where none is shown."""
        return self.shown[0] if self.shown else None

    @property
    def robust(self) -> bool:
        """Whether every resolution is shown to be within the margin of every other."""
        return len(self.shown) == len(self.losses)

    @property
    def reason(self) -> str:
        """Why none is shown, in words."""
        return (
            f"not shown: these samples can tell {100 * self.tells:.1f} points apart, "
            f"{100 * self.margin:g} need about {self.needed:,}".replace(",", " ")
        )


def choose(columns: Columns, margin: float = MARGIN) -> Choice | Withheld:
    """The choice among the columns of one curve.

    A resolution is shown to be within the margin by its paired differences to every other one, each
    at the same error (intersection and union); the error is shared among the candidates.
    """
    count = len(columns.values)
    losses, half = [], 0.0
    level = 1 - 2 * ERROR / count
    for mine in range(count):
        others = [
            difference(columns.pick([mine, other]), level=level)
            for other in range(count)
            if other != mine
        ]
        withheld = next((each for each in others if isinstance(each, Withheld)), None)
        if withheld is not None:
            return withheld
        found = [each for each in others if isinstance(each, Interval)]
        losses.append(max(0.0, *(each.high for each in found)))
        half = max(half, *(each.high - each.estimate for each in found))
    shown = tuple(index for index, loss in enumerate(losses) if loss <= margin)
    needed = math.ceil(len(columns.clusters) * (half / margin) ** 2)
    return Choice(margin, shown, tuple(losses), half, needed)


def fewest(choice: Choice, tokens: Sequence[float | None]) -> int | None:
    """Index of the shown resolution with the fewest visual tokens; None where not all are known."""
    known = [(count, index) for index in choice.shown if (count := tokens[index]) is not None]
    return min(known)[1] if known and len(known) == len(choice.shown) else None
