"""The curve of one record in one setting: every figure of it, computed here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from resolution_eval.analysis.blind_control import Look, looking, looks
from resolution_eval.analysis.confusion import ClassFigures, balanced_accuracies, class_figures
from resolution_eval.analysis.floor import CurveFloor, curve_floor
from resolution_eval.analysis.ranked import RankedChoices, ranked_choices
from resolution_eval.analysis.sampling import (
    Columns,
    Figure,
    accuracy,
    closed,
    column_scores,
    resampled,
)
from resolution_eval.analysis.soundness import flaw, lacking
from resolution_eval.analysis.sweeps import Setting, Sweep, sweep_of
from resolution_eval.records import Cell, Record
from resolution_eval.statistics import fits, floors, intervals, margin
from resolution_eval.statistics.curves import FIGURES as STATISTICS
from resolution_eval.statistics.curves import ScoreGrid, Withheld
from resolution_eval.statistics.fits import Knee
from resolution_eval.statistics.margin import MARGIN, Choice, Robustness
from resolution_eval.statistics.noise import NoiseFloor, noise_floors
from resolution_eval.statistics.resampling import Resamples

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


ERROR = 0.05
"""Of calling any accuracy of a curve above its floor that is not."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CellFigures:
    """One cell of the curve."""

    cell: Cell
    accuracy: Figure
    """Over its scored samples, those without a verdict at their worst in its ends."""
    balanced_accuracy: Figure | None
    """Mean recall over the classes; None for a task without classes."""
    gain: Figure
    """The part of what lies above the floor that is reached."""
    above: bool
    """Whether the accuracy is shown to be above the floor, all cells of the curve together."""
    brier: Figure | None
    """Of the probabilities of ranked choices; None where choices were not ranked."""
    calibration: Figure | None
    """Expected calibration error of the choice ranked first, less what noise adds."""
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
        return None if self.cell.image_tokens is None else self.cell.image_tokens.mean


@dataclass(frozen=True, eq=False, kw_only=True)
class CurveFigures:
    """What the answers of one sweep say."""

    sweep: Sweep
    floor: CurveFloor
    cells: tuple[CellFigures, ...]
    """In order of resolution."""
    figures: Mapping[str, Figure | float]
    """Figures of the whole curve by name; a bare number is one without an honest interval."""
    noise: Mapping[str, NoiseFloor]
    """What noise alone gives the figures that it can only raise; empty where withheld."""
    knee: Knee | Withheld
    choice: Choice | Withheld
    """The smallest resolution shown to lose no more than the margin against the best."""
    fewest: Choice | Withheld
    """The same by visual tokens."""
    robustness: Robustness | Withheld
    """Whether no resolution loses more than the margin."""
    n: int
    """Samples scored at every resolution: those that the figures of the curve are made of."""
    left_out: int
    """Samples that at least one resolution has no verdict on: in the intervals' ends."""
    margin: float
    """The loss of accuracy (a fraction) that counts as none."""

    @cached_property
    def classes(self) -> tuple[ClassFigures, ...]:
        """Largest loss first; empty for a task without classes. Computed when it is asked for."""
        return class_figures(self.sweep, ranked_choices(self.sweep))

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
        return self._label(self.choice)

    @property
    def chosen_by_tokens(self) -> str | None:
        """Label of the resolution chosen by visual tokens; None where none is shown."""
        return self._label(self.fewest)

    def _label(self, choice: Choice | Withheld) -> str | None:
        return None if isinstance(choice, Withheld) else self.sweep.resolutions[choice.column]

    @property
    def robust(self) -> bool:
        """Whether the whole curve is shown to be within the margin of its best."""
        return isinstance(self.robustness, Robustness) and self.robustness.shown

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
    columns = column_scores(sweep.scores)
    base = curve_floor(sweep, columns)
    cells = _cells(sweep, columns, base)
    return CurveFigures(
        sweep=sweep,
        floor=base,
        cells=cells,
        **_whole(sweep, columns, base, cells, margin),
        n=len(columns.clusters) - columns.left_out,
        left_out=columns.left_out,
        margin=margin,
    )


def _cells(sweep: Sweep, columns: Columns, base: CurveFloor) -> tuple[CellFigures, ...]:
    balanced, seen, ranked = balanced_accuracies(sweep), looks(sweep), ranked_choices(sweep)
    cells = []
    for index, (cell, choices) in enumerate(zip(sweep.cells, ranked, strict=True)):
        reason = flaw(cell, "accuracy")
        told = choices if isinstance(choices, RankedChoices) else None
        gain, above = _over_floor(cell, index, base, len(sweep.cells))
        made = CellFigures(
            cell=cell,
            accuracy=Withheld(reason) if reason else accuracy(columns.pick([index])),
            balanced_accuracy=balanced[index],
            gain=gain,
            above=above,
            brier=None if told is None else told.brier(),
            calibration=None if told is None else told.calibration(),
            look=seen[index],
            trained=index in sweep.trained,
        )
        cells.append(made)
    return tuple(cells)


def _over_floor(cell: Cell, index: int, base: CurveFloor, cells: int) -> tuple[Figure, bool]:
    """The cell's gain, and whether it is shown to be above the floor, all cells together."""
    reason = flaw(cell, "figure")
    if reason or base.interval is None:
        return Withheld(reason or "too many samples of another cell have no verdict"), False
    drawn = closed(base.columns.aligned())
    over = floors.above(drawn, index, base.floor, level=1 - ERROR / cells)
    return floors.gain(drawn, index, base.floor), over.low > 0


def _whole(
    sweep: Sweep, columns: Columns, base: CurveFloor, cells: Sequence[CellFigures], delta: float
) -> dict[str, Any]:
    """Figures over all resolutions, by the name of their field; withheld where a cell is flawed."""
    if sweep.flaw is not None or columns.left_out == len(columns.clusters):
        return _none(Withheld(sweep.flaw or "no sample has a verdict at every resolution"))
    answers = columns.aligned()
    if answers.withheld is not None:
        return _none(answers.withheld)
    drawn = resampled(answers)
    grid = ScoreGrid(sweep.edges, -1 if sweep.reference is None else sweep.reference)
    noise = noise_floors(answers, grid, seed=drawn.seed, permutations=PERMUTATIONS)
    unearned = _at_floor(cells, base)
    return {
        "figures": _figures(sweep, drawn, grid, base, cells),
        "noise": noise,
        "knee": unearned or _knee(drawn, grid, noise["excess_ace"]),
        "choice": unearned or margin.choose(drawn, grid, delta=delta),
        "fewest": unearned or _fewest(drawn, grid, cells, delta),
        "robustness": unearned or margin.robust(drawn, grid, delta=delta),
    }


def _none(why: Withheld) -> dict[str, Any]:
    names = ("knee", "choice", "fewest", "robustness")
    return {"figures": dict.fromkeys(FIGURES, why), "noise": {}, **dict.fromkeys(names, why)}


def _at_floor(cells: Sequence[CellFigures], base: CurveFloor) -> Withheld | None:
    """Why nothing is recommended: no resolution is shown to be above the floor."""
    if any(each.above for each in cells):
        return None
    return Withheld(f"no accuracy is shown to be above the floor {base}")


def _fewest(
    drawn: Resamples, grid: ScoreGrid, cells: Sequence[CellFigures], delta: float
) -> Choice | Withheld:
    tokens = [each.tokens for each in cells]
    known = [count for count in tokens if count is not None]
    if len(known) < len(tokens):
        return Withheld("visual tokens were not counted at every resolution")
    return margin.choose(drawn, grid, delta=delta, costs=known)


def _figures(
    sweep: Sweep,
    drawn: Resamples,
    grid: ScoreGrid,
    base: CurveFloor,
    cells: Sequence[CellFigures],
) -> dict[str, Figure | float]:
    by_name: dict[str, Figure | float] = {
        name: intervals.figure(name, drawn, grid) for name in FIGURES if name in intervals.METHODS
    }
    by_name["rho"] = float(STATISTICS["rho"](drawn.accuracy[None, :], grid)[0])
    if base.interval is None:
        over = Withheld("too many samples have no verdict with and without the image")
        return by_name | {"gain": over, "retention": over, "worst_drop": over}
    whole = closed(base.columns.aligned())
    by_name["gain"] = floors.gain_area(whole, grid, base.floor)
    unearned = _unearned(sweep, base, cells)
    if unearned is not None:
        return by_name | {"retention": unearned, "worst_drop": unearned}
    by_name["retention"] = floors.retention(whole, sweep.far_end, grid.reference, base.floor)
    return by_name


def _unearned(sweep: Sweep, base: CurveFloor, cells: Sequence[CellFigures]) -> Withheld | None:
    """Why no figure leans on the accuracy at the training resolution; None where some may."""
    if sweep.reference is None:
        training = sweep.record.checkpoint.training
        return Withheld(f"no resolution here is the training one ({training})")
    each = cells[sweep.reference]
    if each.above:
        return None
    return Withheld(
        f"accuracy at the training resolution ({each.cell.resolution}) is not shown to be above "
        f"the floor {base}"
    )


def _knee(drawn: Resamples, grid: ScoreGrid, back_and_forth: NoiseFloor) -> Knee | Withheld:
    """The knee of a curve that rises; a fit of a rise says nothing of one that falls between.

    Failed samples could move each accuracy by its slack, and so what lies between two by both.
    """
    unseen = 2 * float(np.maximum(*drawn.answers.slack)[: len(grid.resolutions)].sum())
    if back_and_forth.raw + unseen > back_and_forth.ceiling:
        return Withheld("accuracy falls and rises again by more than noise does")
    return fits.knee(drawn, grid)
