"""Ranking: models over the tasks that all of them were scored on, with the error of mean and rank.

On every task the models are resampled together, on the samples that all of them have. Data sets
weigh the same within a modality, and modalities weigh the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from resolution_eval.errors import RecordError
from resolution_eval.records import Record
from resolution_eval.report.sampling import Columns, column_scores
from resolution_eval.report.sweeps import Sweep, by_task
from resolution_eval.statistics.curves import FIGURES, FloatArray, Grid
from resolution_eval.statistics.hierarchy import Part, means, pool, ranks
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.resampling import resample

RESAMPLES = 4000
Identity = tuple[str, str, str, str]
"""A checkpoint's name, and scheme, filter and answer mode."""


@dataclass(frozen=True)
class Place:
    """One model's mean over the tasks and its rank among the others."""

    model: str
    mean: Interval
    rank: Interval


@dataclass(frozen=True)
class Ranking:
    """Models by mean, best first."""

    figure: str
    places: tuple[Place, ...]
    tasks: Mapping[str, int]
    """Tasks in the mean, and how many samples all models share on each."""
    left_out: Mapping[str, str]
    """Tasks that are not in the mean, and why."""


def ranking(records: Sequence[Record]) -> Ranking:
    """The models of `records` by their area, over the tasks where all have the same sound sweep.

    Raises:
        RecordError: fewer than two models, a model twice on a task, or no task that all share.
    """
    sweeps: dict[str, dict[Identity, Sweep]] = {}
    for task in by_task([record for record in records if record.blind is None]):
        for sweep in task.sweeps:
            mine = sweeps.setdefault(task.task, {})
            if mine.setdefault(identity(sweep), sweep) is not sweep:
                raise RecordError(
                    f"{sweep.record.label} is there twice on {task.task}; name one run of each"
                )
    models = sorted({model for mine in sweeps.values() for model in mine})
    if len(models) < 2:
        raise RecordError(f"a ranking needs two models, found {len(models)}")
    left_out, parts, shared = {}, [], {}
    for task_name, mine in sweeps.items():
        obstacle = _obstacle(mine, models)
        if obstacle is not None:
            left_out[task_name] = obstacle
            continue
        part = _part(task_name, [mine[model] for model in models])
        parts.append(part)
        shared[task_name] = part.n
    if not parts:
        raise RecordError(f"no task has all models: {left_out}")
    found = zip(models, means(parts), ranks(pool(parts)), strict=True)
    places = [Place(_title(model, models), mean, rank) for model, mean, rank in found]
    places.sort(key=lambda place: (place.rank.estimate, place.model))
    return Ranking("area", tuple(places), shared, left_out)


def identity(sweep: Sweep) -> Identity:
    """What makes two sweeps those of one model."""
    cell = sweep.cells[0]
    name = sweep.record.checkpoint.name or sweep.record.label
    return name, cell.scheme, cell.filter, cell.answer_mode


def _title(model: Identity, models: Sequence[Identity]) -> str:
    name, *setting = model
    return name if sum(other[0] == name for other in models) == 1 else ", ".join([name, *setting])


def _obstacle(mine: Mapping[Identity, Sweep], models: Sequence[Identity]) -> str | None:
    """Why a task is not in the mean; None where it is."""
    missing = [model[0] for model in models if model not in mine]
    if missing:
        return f"not scored: {', '.join(missing)}"
    for sweep in mine.values():
        if sweep.flaw is not None:
            return f"{sweep.record.label}: {sweep.flaw}"
    sweeps = {sweep.resolutions for sweep in mine.values()}
    if len(sweeps) > 1:
        return f"other resolutions: {' and '.join(', '.join(each) for each in sorted(sweeps))}"
    prints = {sweep.record.dataset.fingerprint for sweep in mine.values()}
    return None if len(prints) == 1 else "other data (the fingerprints differ)"


def _part(task: str, sweeps: Sequence[Sweep]) -> Part:
    """Every model's area on one task, and in resamples that all models share."""
    columns = [column_scores(sweep.scores) for sweep in sweeps]
    values = [column for each in columns for column in each.values]
    answers = Columns(values, columns[0].clusters).aligned()
    seed = int.from_bytes(hashlib.sha256(task.encode()).digest()[:4])
    drawn = resample(answers, seed=seed, resamples=RESAMPLES)
    width, grid = len(sweeps[0].cells), Grid(sweeps[0].edges)

    def areas(rows: FloatArray) -> FloatArray:
        return np.stack(
            [
                FIGURES["area"](rows[:, model * width : (model + 1) * width], grid)
                for model in range(len(sweeps))
            ],
            axis=1,
        )

    record = sweeps[0].record
    return Part(
        dataset=record.dataset.name,
        modality=record.dataset.modality or "unknown",
        estimates=areas(drawn.accuracy[None, :])[0],
        draws=areas(drawn.draws),
        n=drawn.n,
        clusters=drawn.clusters,
        seed=seed,
    )
