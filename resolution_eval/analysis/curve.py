"""The curve of one record in one setting: every figure of it, computed here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resolution_eval.analysis import shape
from resolution_eval.analysis.choice import MARGIN, Choice, choose
from resolution_eval.analysis.classes import ClassFigures, class_figures
from resolution_eval.analysis.floor import Floor, accuracy, floor, gain
from resolution_eval.analysis.look import Look, looking, looks
from resolution_eval.analysis.sampling import (
    Columns,
    Figure,
    bounded,
    column_scores,
    resampled,
    seed_of,
)
from resolution_eval.analysis.soundness import flaw, lacking
from resolution_eval.analysis.sweeps import Setting, Sweep, sweep_of
from resolution_eval.records import Cell, Record
from resolution_eval.statistics import fits
from resolution_eval.statistics.curves import Grid, Withheld
from resolution_eval.statistics.fits import Knee
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.noise import NoiseFloor, noise_floors
from resolution_eval.statistics.resampling import Resampled

PERMUTATIONS = 500
"""Of a noise floor."""

FIGURES = (
    "gain",
    "area",
    "worst_drop",
    "best_drop",
    "retention",
    "rho",
    "ace",
    "rce",
    "excess_ace",
)
"""Figures of a curve, in the order of their rows; retention is that at the far end."""


@dataclass(frozen=True, eq=False)
class CellFigures:
    """One cell of the curve."""

    cell: Cell
    accuracy: Figure
    """Over its scored samples, those without a verdict at their worst in its ends."""
    gain: Figure
    """The part of what lies above the floor that is reached."""
    look: Look | None
    """Against the same checkpoint without the image; None where there is no control."""
    trained: bool
    """Whether the checkpoint was trained at this resolution."""

    @property
    def left_out(self) -> int:
        """Samples without a verdict."""
        return lacking(self.cell)

    @property
    def tokens(self) -> float | None:
        """Visual tokens per sample; None where nobody counted."""
        return None if self.cell.visual_tokens is None else self.cell.visual_tokens.mean


@dataclass(frozen=True, eq=False)
class CurveFigures:
    """What the answers of one sweep say."""

    sweep: Sweep
    floor: Floor
    cells: tuple[CellFigures, ...]
    """In order of resolution."""
    figures: Mapping[str, Figure | float]
    """Figures of the whole curve by name; a bare number is one without an honest interval."""
    noise: Mapping[str, NoiseFloor]
    """What noise alone gives the figures that it can only raise; empty where withheld."""
    knee: Knee | Withheld
    choice: Choice | Withheld
    """The smallest resolution shown to lose no more than the margin against the best."""
    classes: tuple[ClassFigures, ...]
    """Largest loss first; empty for a task without classes."""
    n: int
    """Samples scored at every resolution: those that the figures of the curve are made of."""
    left_out: int
    """Samples that at least one resolution has no verdict on: in the intervals' ends."""
    margin: float
    """The loss of accuracy (a fraction) that counts as none."""
    seed: int | None
    """Of the curve's draws; None where no sample was scored at every resolution."""

    @property
    def name(self) -> str:
        """The sweep's: unique among those shown together."""
        return self.sweep.name

    @property
    def looks(self) -> bool | None:
        """Whether the checkpoint is shown to look at any resolution; None without a control."""
        return looking([each.look for each in self.cells])

    @property
    def chosen(self) -> str | None:
        """Label of the chosen resolution; None where none is shown."""
        if isinstance(self.choice, Withheld) or self.choice.smallest is None:
            return None
        return self.sweep.resolutions[self.choice.smallest]

    @property
    def robust(self) -> bool:
        """Whether the whole curve is shown to be within the margin of its best."""
        return not isinstance(self.choice, Withheld) and self.choice.robust

    @property
    def withheld(self) -> str | None:
        """Why the figures over the whole curve are withheld; None where they are not."""
        return self.sweep.flaw


def curve(
    record: Record,
    setting: Setting | None = None,
    *,
    blind: Sequence[Record] = (),
    margin: float = MARGIN,
) -> CurveFigures:
    """Every figure of the record's curve in `setting`, the only one that it has where None.

    `blind` are records among which the answers of its blind controls are looked for; `margin` is
    the loss of accuracy (a fraction) that counts as none.

    Raises:
        RecordError: the record has no such setting, or several and none is named.
    """
    return figures(sweep_of(record, setting, blind), margin=margin)


def figures(sweep: Sweep, *, margin: float = MARGIN) -> CurveFigures:
    """Every figure of `sweep`; see `curve`."""
    columns, base = column_scores(sweep.scores), floor(sweep)
    cells = _cells(sweep, columns, base)
    whole = _whole(sweep, columns, base, cells, margin)
    complete = len(columns.clusters) - columns.left_out
    return CurveFigures(
        sweep=sweep,
        floor=base,
        cells=cells,
        **whole,
        classes=class_figures(sweep),
        n=complete,
        left_out=columns.left_out,
        margin=margin,
        seed=seed_of(columns.aligned()) if complete else None,
    )


def _cells(sweep: Sweep, columns: Columns, base: Floor) -> tuple[CellFigures, ...]:
    level = 1 - 0.05 / len(sweep.cells)
    found = []
    for index, (cell, look) in enumerate(zip(sweep.cells, looks(sweep), strict=True)):
        reason = flaw(cell, "accuracy")
        column = columns.pick([index])
        scored: Figure = Withheld(reason) if reason else bounded(column, [1], accuracy)
        gained: Figure = Withheld(reason) if reason else gain(column, [1.0], base, level=level)
        found.append(CellFigures(cell, scored, gained, look, index in sweep.trained))
    return tuple(found)


def _whole(
    sweep: Sweep, columns: Columns, base: Floor, cells: Sequence[CellFigures], margin: float
) -> dict[str, Any]:
    """Figures over all resolutions, by the name of their field; withheld where a cell is flawed."""
    if sweep.flaw is not None:
        no = Withheld(sweep.flaw)
        return {"figures": dict.fromkeys(FIGURES, no), "noise": {}, "knee": no, "choice": no}
    grid = Grid(sweep.edges, -1 if sweep.reference is None else sweep.reference)
    paired = columns.aligned()
    noise = noise_floors(paired, grid, seed=seed_of(paired), permutations=PERMUTATIONS)
    drawn = resampled(paired)
    unearned = _at_floor(cells, base)
    return {
        "figures": _figures(sweep, columns, grid, base, cells),
        "noise": noise,
        "knee": unearned or _knee(drawn, grid, noise["excess_ace"], columns.left_out),
        "choice": unearned or choose(columns, margin),
    }


def _at_floor(cells: Sequence[CellFigures], base: Floor) -> Withheld | None:
    """Why nothing is recommended: no resolution is shown to be above the floor."""
    above = (isinstance(each.gain, Interval) and each.gain.low > 0 for each in cells)
    return None if any(above) else Withheld(f"no accuracy is shown to be above the floor {base}")


def _figures(
    sweep: Sweep, columns: Columns, grid: Grid, base: Floor, cells: Sequence[CellFigures]
) -> dict[str, Figure | float]:
    unearned = _unearned(sweep, base, cells)
    found: dict[str, Figure | float] = {
        "gain": gain(columns, shape.area_weights(grid), base),
        "area": shape.area(columns, grid),
        "worst_drop": unearned or shape.worst_drop(columns, grid),
        "best_drop": shape.best_drop(columns),
        "retention": unearned or shape.retention(columns, sweep.far_end, grid.reference, base),
        "rho": shape.rho(columns, grid),
    }
    jagged = {name: shape.jaggedness(name, columns, grid) for name in ("ace", "rce", "excess_ace")}
    return found | jagged


def _unearned(sweep: Sweep, base: Floor, cells: Sequence[CellFigures]) -> Withheld | None:
    """Why no figure leans on the accuracy at the training resolution; None where some may."""
    if sweep.reference is None:
        training = sweep.record.checkpoint.training
        return Withheld(f"no resolution here is the training one ({training})")
    cell = cells[sweep.reference]
    if isinstance(cell.gain, Interval) and cell.gain.low > 0:
        return None
    return Withheld(
        f"accuracy at the training resolution ({cell.cell.resolution}) is not shown to be above "
        f"the floor {base}"
    )


def _knee(
    drawn: Resampled, grid: Grid, back_and_forth: NoiseFloor, left_out: int
) -> Knee | Withheld:
    """The knee of a curve that rises; a fit of a rise says nothing of one that falls between."""
    if left_out:
        return Withheld(f"{left_out} samples have no verdict, and a fit has no bounds for them")
    if back_and_forth.raw > back_and_forth.ceiling:
        return Withheld("accuracy falls and rises again by more than noise does")
    return fits.knee(drawn, grid)
