"""Agreement: whether a re-run's disagreements all lie on one side, and how many samples show it.

An honest run that is repeated disagrees as often in its favour as against it: nearly tied choices
fall either way. Verdicts that were turned right disagree in one direction alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count

import numpy as np
from scipy import stats

from resolution_eval.statistics.paired_tests import mcnemar

LEVEL = 0.01
"""Chance that an honest re-run is refused for the direction of its disagreements."""
POWER = 0.9
FORGED = 0.05
"""Share of verdicts turned right, in one cell, that is to be found with the chance `POWER`."""
NOISE = 0.005
"""Share of verdicts that an honest repetition turns to either side, for planning."""
MOST_PLANNED = 5_000


@dataclass(frozen=True)
class Flips:
    """Verdicts of one cell that fell otherwise when they were repeated."""

    n: int
    """Samples repeated."""
    lost: int
    """Right by the record, and not when repeated."""
    gained: int
    """Not right by the record, and right when repeated."""

    @property
    def within(self) -> float:
        """How far the record's accuracy may lie above what a repetition gives, as a fraction: the
        upper end of the one-sided 95 % interval of `lost` (Clopper and Pearson 1934).
        """
        if self.n == 0 or self.lost >= self.n:
            return 1.0
        return float(stats.beta.ppf(0.95, self.lost + 1, self.n - self.lost))


def lean(cells: Sequence[Flips]) -> bool:
    """Whether the disagreements of any cell, or of all together, lie more to one side than those of
    an honest run do in all but one of a hundred re-runs.

    Exact two-sided sign tests (McNemar 1947): half of `LEVEL` for all cells together, half for the
    single ones by Bonferroni's rule.
    """
    known = [cell for cell in cells if cell.n]
    lost, gained = (sum(getattr(cell, side) for cell in known) for side in ("lost", "gained"))
    if mcnemar(lost, gained) < LEVEL / 2:
        return True
    return any(mcnemar(cell.lost, cell.gained) < LEVEL / 2 / len(known) for cell in known)


@cache
def needed(cells: int) -> int:
    """Samples of every cell that find `FORGED` turned verdicts in one of `cells` with `POWER`.

    Example:
        >>> needed(5), needed(10)
        (435, 477)
    """
    sizes = range(20, MOST_PLANNED)
    return 20 + bisect_left(sizes, True, key=lambda n: power(n, cells) >= POWER)


def power(n: int, cells: int) -> float:
    """Chance that `FORGED` of the verdicts, turned right in one of `cells` cells, are found among
    `n` repeated samples of it, by that cell's test alone.
    """
    gained = np.arange(0, int(stats.binom.ppf(1 - 1e-9, n, NOISE)) + 1)
    chance = 0.0
    for one in gained:
        first = _critical(int(one), LEVEL / 2 / cells)
        chance += stats.binom.pmf(one, n, NOISE) * stats.binom.sf(first - 1, n, FORGED + NOISE)
    return float(chance)


@cache
def _critical(gained: int, level: float) -> int:
    """Fewest lost verdicts that are too many beside so many gained ones."""
    return next(lost for lost in count(gained) if mcnemar(lost, gained) < level)
