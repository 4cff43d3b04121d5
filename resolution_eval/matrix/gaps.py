"""Gaps between cells of a matrix, with intervals over samples and their spread over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from resolution_eval.matrix.cells import Matrix, Scored, over_seeds
from resolution_eval.matrix.checkpoints import PAPER
from resolution_eval.report.estimates import Figure
from resolution_eval.report.sampling import Columns, resampled
from resolution_eval.statistics import floors, intervals
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.gaps import DIFFERENCES, RATIO

Cells = tuple[tuple[str, str], tuple[str, str]]

SIGNS: dict[str, tuple[Literal["above", "below"], float]] = {
    "alignment_gain": ("above", 0.0),
    "native_trained_mismatch": ("below", 0.0),
    "low_trained_mismatch": ("below", 0.0),
    "mixed_low_gap": ("below", 0.0),
    "mixed_retention": ("above", 0.9),
}
"""On which side of which value the paper finds each gap, on its image tasks and Qwen2-VL 2B.

The loss of retention is about one point in a hundred there; that a mixed model keeps nine tenths is
our reading of "keeps native".
"""


@dataclass(frozen=True)
class GapFigure:
    """One gap: a difference of accuracies as a fraction, or their ratio (`mixed_retention`)."""

    name: str
    strategy: str
    """What stands in mixed's place; `mixed` for the paper's own gaps."""
    cells: Cells
    value: Figure
    per_seed: tuple[float, ...]
    """The gap of the first seeds, of the second, and so on; empty where their counts differ."""
    sign: Literal["holds", "reversed", "open", "none"]
    """Whether the paper's sign holds: its interval, and every seed, on that side; `reversed`: on
    the other; `open`: neither; `none`: the paper claims none, or the gap is withheld."""

    @property
    def spread(self) -> float | None:
        """Standard deviation between seeds."""
        return statistics.stdev(self.per_seed) if len(self.per_seed) > 1 else None


def gap_figures(matrix: Matrix) -> tuple[GapFigure, ...]:
    """Every gap that the matrix has the cells for; those of mixed also for each variant of it."""
    found = []
    for name, strategy, cells in _wanted(matrix):
        pair = [_cell(matrix, *cell) for cell in cells]
        missing = next((each for each in pair if isinstance(each, Withheld)), None)
        if missing is None:
            found.append(_figure(name, strategy, cells, pair))  # type: ignore[arg-type]
        else:
            found.append(GapFigure(name, strategy, cells, missing, (), "none"))
    return tuple(found)


def _wanted(matrix: Matrix) -> Iterator[tuple[str, str, Cells]]:
    variants = [name for name in matrix.records if name not in PAPER[:3]]
    for name, cells in {**DIFFERENCES, "mixed_retention": RATIO}.items():
        if name.startswith("mixed"):
            (_, at), second = cells
            for variant in variants:
                yield name, variant, ((variant, at), second)
        else:
            yield name, "mixed", cells


def _cell(matrix: Matrix, trained: str, at: str) -> Scored | Withheld:
    absent = Withheld(f"there is no {trained}-trained checkpoint scored at {at}")
    return matrix.cells.get((trained, at), absent)


def _figure(name: str, strategy: str, cells: Cells, pair: Sequence[Scored]) -> GapFigure:
    first, second = (over_seeds(each.columns) for each in pair)
    both = Columns([first.values[0], second.values[0]], {**second.clusters, **first.clusters})
    ratio = name == "mixed_retention"
    value: Figure = (
        floors.retention(resampled(both), 0, 1)
        if ratio
        else intervals.contrast(resampled(both), (1, -1))
    )
    per_seed = _per_seed(pair, ratio)
    return GapFigure(name, strategy, cells, value, per_seed, _sign(name, value, per_seed))


def _per_seed(pair: Sequence[Scored], ratio: bool) -> tuple[float, ...]:
    first, second = (each.per_seed for each in pair)
    if len(first) != len(second) or (ratio and 0.0 in second):
        return ()
    return tuple(a / b if ratio else a - b for a, b in zip(first, second, strict=True))


def _sign(
    name: str, value: Figure, per_seed: Sequence[float]
) -> Literal["holds", "reversed", "open", "none"]:
    if name not in SIGNS or isinstance(value, Withheld):
        return "none"
    side, bound = SIGNS[name]
    lows, highs = [value.low, *per_seed], [value.high, *per_seed]
    above, below = min(lows) > bound, max(highs) < bound
    if above or below:
        return "holds" if (side == "above") == above else "reversed"
    return "open"
