"""Every figure of a sweep with its 95 % interval, from `resolution_eval.statistics`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from resolution_eval.records import Record, Scores
from resolution_eval.records.cells import MAX_CLASSES
from resolution_eval.report.blind import Look, looks
from resolution_eval.report.sampling import (
    RESAMPLES,
    SEED,
    Columns,
    clusters_of,
    column_scores,
    resampled,
)
from resolution_eval.report.sizes import Sizes, sizes
from resolution_eval.report.sweeps import Sweep, TaskSweeps, by_task
from resolution_eval.statistics import fits, intervals
from resolution_eval.statistics.curves import Grid, Withheld
from resolution_eval.statistics.fits import Knee
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.noise import NoiseFloor, noise_floors
from resolution_eval.statistics.resampling import Resampled, resample

PERMUTATIONS = 500
"""Of a noise floor."""

Figure = Interval | Withheld


FIGURES = ("worst_drop", "retention", "area", "rho", "ace", "rce", "excess_ace")
"""Figures of a curve, in the order of their rows; retention is that at the far end."""


@dataclass(frozen=True)
class ClassLoss:
    """Accuracy of one class at each resolution, and its loss from the reference to the far end."""

    target: str
    n: int
    accuracy: tuple[float | None, ...]
    loss: Figure


@dataclass(frozen=True, eq=False)
class Estimates:
    """What the answers of one sweep say."""

    accuracy: tuple[Interval | None, ...]
    """Per cell, over its scored samples; None where there is none."""
    figures: Mapping[str, Figure]
    """Figures of the whole curve by name."""
    floors: Mapping[str, NoiseFloor]
    """What noise alone gives the figures that it can only raise; empty where withheld."""
    knee: Knee | Withheld
    cheapest: str | Withheld
    """Label of the lowest resolution that the best one is not shown to beat."""
    classes: tuple[ClassLoss, ...]
    """Largest loss first; empty for a task without classes."""
    looks: tuple[Look | None, ...]
    """Per cell, against the same checkpoint without the image; None where there is no control."""


@dataclass(frozen=True, eq=False)
class Study:
    """One task's sweeps, each with its estimates."""

    task: TaskSweeps
    estimated: tuple[tuple[Sweep, Estimates], ...]

    @cached_property
    def sizes(self) -> tuple[Sizes, ...]:
        """Figures by size of the sweeps whose answers say what had to be seen."""
        found = (sizes(sweep) for sweep, _ in self.estimated)
        return tuple(one for one in found if one is not None)


def study(records: Sequence[Record]) -> tuple[Study, ...]:
    """The records' sweeps by task, estimated."""
    return tuple(
        Study(task, tuple((sweep, estimate(sweep)) for sweep in task.sweeps))
        for task in by_task(records)
    )


def estimate(sweep: Sweep) -> Estimates:
    """The figures of `sweep`, resampled by cluster, the same resample at every resolution."""
    scores = sweep.scores
    accuracy, classes = _accuracies(scores), _classes(sweep, scores)
    seen = looks(sweep, accuracy)
    if sweep.flaw is not None:
        withheld = Withheld(sweep.flaw)
        figures: dict[str, Figure] = dict.fromkeys(FIGURES, withheld)
        return Estimates(accuracy, figures, {}, withheld, withheld, classes, seen)
    paired = column_scores(scores).aligned()
    drawn = resample(paired, seed=SEED, resamples=RESAMPLES)
    grid = Grid(sweep.edges, -1 if sweep.reference is None else sweep.reference)
    floors = noise_floors(paired, grid, seed=SEED, permutations=PERMUTATIONS)
    return Estimates(
        accuracy=accuracy,
        figures=_figures(sweep, drawn, grid),
        floors=floors,
        knee=_knee(drawn, grid, floors["excess_ace"]),
        cheapest=sweep.resolutions[sweep.edges.index(fits.cheapest(drawn, grid))],
        classes=classes,
        looks=seen,
    )


def _accuracies(scores: Scores) -> tuple[Interval | None, ...]:
    """Intervals over all samples scored in each cell, paired where those are the same."""
    if len(scores.samples) and scores.complete.all():
        return intervals.accuracies(resampled(column_scores(scores)))
    single = ([column] for column in column_scores(scores).values)
    return tuple(
        intervals.accuracies(resampled(Columns(column, clusters_of(scores))))[0]
        if column[0]
        else None
        for column in single
    )


def _knee(drawn: Resampled, grid: Grid, back_and_forth: NoiseFloor) -> Knee | Withheld:
    """The knee of a curve that rises; a fit of a rise says nothing of one that falls between."""
    if back_and_forth.raw > back_and_forth.ceiling:
        return Withheld("accuracy falls and rises again by more than noise does")
    return fits.knee(drawn, grid)


def _figures(sweep: Sweep, drawn: Resampled, grid: Grid) -> dict[str, Figure]:
    figures: dict[str, Figure] = {
        name: intervals.figure(name, drawn, grid) for name in FIGURES if name != "retention"
    }
    training = sweep.record.checkpoint.training
    missing = Withheld(f"no resolution here is the training one ({training})")
    if sweep.reference is None:
        figures["worst_drop"] = missing
    return {**figures, "retention": _retention(sweep, drawn, missing)}


def _retention(sweep: Sweep, drawn: Resampled, missing: Withheld) -> Figure:
    """Retention at the end of the sweep that is farther from training."""
    chance = sweep.chance
    if sweep.reference is None:
        return missing
    if chance is None:
        return Withheld("there is no chance level, or it is not known")
    return intervals.retention(drawn, sweep.far_end, sweep.reference, chance=chance)


def _classes(sweep: Sweep, scores: Scores) -> tuple[ClassLoss, ...]:
    targets = sorted(set(scores.targets))
    if sweep.cells[0].answer_mode == "open" or not 1 < len(targets) <= MAX_CLASSES:
        return ()
    losses = [_class_loss(sweep, scores, target) for target in targets]
    return tuple(sorted(losses, key=_by_loss))


def _by_loss(loss: ClassLoss) -> tuple[float, str]:
    figure = loss.loss
    return (1.0 if isinstance(figure, Withheld) else -figure.estimate, loss.target)


def _class_loss(sweep: Sweep, scores: Scores, target: str) -> ClassLoss:
    columns = column_scores(scores, target)
    means = tuple(
        sum(column.values()) / len(column) if column else None for column in columns.values
    )
    return ClassLoss(
        target=target,
        n=scores.targets.count(target),
        accuracy=means,
        loss=_loss(sweep, columns),
    )


def _loss(sweep: Sweep, columns: Columns) -> Figure:
    """Accuracy at the training resolution (else the last) minus that at the far end."""
    reference = -1 if sweep.reference is None else sweep.reference
    pair = Columns([columns.values[sweep.far_end], columns.values[reference]], columns.clusters)
    if sweep.flaw is not None:
        return Withheld(sweep.flaw)
    return intervals.contrast(resampled(pair), (-1, 1))
