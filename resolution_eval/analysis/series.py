"""Series: curves that differ in seed or prompt alone, as one with both errors in it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from resolution_eval.analysis.curve import CurveFigures
from resolution_eval.analysis.ranking import places
from resolution_eval.analysis.sampling import Columns, closed, column_scores
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.replicates import replicates


@dataclass(frozen=True, eq=False)
class RunsFigures:
    """Several curves of one checkpoint on one task in one setting."""

    curves: tuple[CurveFigures, ...]
    accuracy: tuple[Interval | None, ...]
    """Per resolution the mean over the runs, with the error of the samples and of other runs; None
    where too many samples have no verdict."""
    gain: Interval | None
    """Mean gain over the floor, with both errors; None where a curve has none."""


def runs_of_one(curves: Sequence[CurveFigures]) -> tuple[RunsFigures, ...]:
    """The groups of `curves` that differ in seed or prompt alone, two or more each."""
    groups: dict[Hashable, dict[Hashable, CurveFigures]] = {}
    for curve in curves:
        if curve.sweep.record.blind is None:
            groups.setdefault(_recipe(curve), {}).setdefault(_run(curve), curve)
    return tuple(_figures(tuple(group.values())) for group in groups.values() if len(group) > 1)


def _recipe(curve: CurveFigures) -> Hashable:
    """All that two runs of one recipe share."""
    record = curve.sweep.record
    checkpoint, run = record.checkpoint, record.environment
    return (
        *(record.task, record.task_version, record.dataset.fingerprint, run.limit),
        *(checkpoint.name, checkpoint.revision, checkpoint.adapter, checkpoint.dtype),
        *(run.generation, run.fewshot, curve.sweep.setting, curve.sweep.resolutions),
        curve.sweep.step,
    )


def _run(curve: CurveFigures) -> Hashable:
    """What two runs of one recipe differ in: a record that is there twice is one run."""
    record = curve.sweep.record
    seeds = tuple(sorted(record.environment.seeds.items()))
    return seeds, record.prompt, record.environment.option_order


def _figures(curves: tuple[CurveFigures, ...]) -> RunsFigures:
    columns = [column_scores(curve.sweep.scores) for curve in curves]
    accuracy = (
        over_runs([each.pick([index]) for each in columns], [1.0])
        for index in range(len(curves[0].cells))
    )
    scored = all(isinstance(curve.figures["gain"], Interval) for curve in curves)
    sound = scored and all(isinstance(curve.figures["area"], Interval) for curve in curves)
    gain = places({"": [curves]})[0].score if sound else None
    return RunsFigures(curves, tuple(accuracy), gain)


def over_runs(runs: Sequence[Columns], line: Sequence[float]) -> Interval | None:
    """Mean over runs of a sum of their columns, weighed by `line`, with the error of other runs.

    None with one run, or where too many samples have no verdict.
    """
    if len(runs) < 2:
        return None
    answers = reduce(Columns.beside, runs).aligned()
    if answers.withheld is not None:
        return None
    weights = list(np.kron(np.eye(len(runs)), np.array(line, dtype=np.float64)))
    low = -1.0 if min(line) < 0 else 0.0
    return replicates(closed(answers), weights, bounds=(low, 1.0))
