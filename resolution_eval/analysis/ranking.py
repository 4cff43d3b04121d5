"""Ranking: models over the data sets that all of them were scored on; used by `rank` and board.

A model's score is the mean of its gains over the floor, data sets weighing the same within a
modality and modalities the same. Ranks come from the models' paired differences, on the samples
that all of them were asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from resolution_eval.analysis.curve import CurveFigures, figures
from resolution_eval.analysis.sampling import Columns, column_scores, resampled
from resolution_eval.analysis.shape import area_weights
from resolution_eval.analysis.sweeps import Sweep, by_task
from resolution_eval.errors import RecordError
from resolution_eval.records import Record
from resolution_eval.statistics.curves import FloatArray, Grid, Withheld
from resolution_eval.statistics.hierarchy import Part, pool, ranks, weights
from resolution_eval.statistics.intervals import Interval

Identity = tuple[str, str, str, str]
"""A checkpoint's name, and scheme, filter and answer mode."""


@dataclass(frozen=True)
class Place:
    """One model's mean over the tasks and its rank among the others."""

    model: str
    score: Interval
    """Mean gain over the floor."""
    area: Interval
    """Mean accuracy over the resolutions, beside it."""
    rank: Interval | None
    """Its place by score, and the places that the differences to the others leave; None where the
    model is not shown to look."""
    looks: bool | None


@dataclass(frozen=True)
class Ranking:
    """Models by score, best first, those without a rank last."""

    places: tuple[Place, ...]
    tasks: Mapping[str, int]
    """Tasks in the mean, and how many samples all models share on each."""
    left_out: Mapping[str, str]
    """Tasks that are not in the mean, and why."""


def ranking(records: Sequence[Record]) -> Ranking:
    """The models of `records`, over the tasks where all have the same sound sweep.

    Raises:
        RecordError: fewer than two models, a model twice on a task, or no task that all share.
    """
    curves: dict[str, dict[Identity, Sweep]] = {}
    for task in by_task(records):
        for sweep in task.sweeps:
            if sweep.record.blind is not None:
                continue
            mine = curves.setdefault(task.task, {})
            if mine.setdefault(identity(sweep), sweep) is not sweep:
                raise RecordError(
                    f"{sweep.record.label} is there twice on {task.task}; name one run of each"
                )
    models = sorted({model for mine in curves.values() for model in mine})
    if len(models) < 2:
        raise RecordError(f"a ranking needs two models, found {len(models)}")
    left_out = {
        task: reason for task, mine in curves.items() if (reason := _obstacle(mine, models))
    }
    kept = {task: mine for task, mine in curves.items() if task not in left_out}
    if not kept:
        raise RecordError(f"no task has all models: {left_out}")
    entrants = {
        _title(model, models): tuple(figures(mine[model]) for mine in kept.values())
        for model in models
    }
    shared = {
        task: _shared([column_scores(s.scores) for s in mine.values()])
        for task, mine in kept.items()
    }
    return Ranking(places(entrants), shared, left_out)


def places(entrants: Mapping[str, Sequence[CurveFigures]]) -> tuple[Place, ...]:
    """The entrants by score, each with its curves, one per task and the same tasks for all.

    Raises:
        RecordError: an entrant has no score: a curve of it is withheld.
    """
    scored = {name: _mean(curves, "gain") for name, curves in entrants.items()}
    looking = {name: _looks(curves) for name, curves in entrants.items()}
    ranked = [name for name in entrants if looking[name] is not False]
    found = dict(zip(ranked, _ranks([entrants[name] for name in ranked]), strict=True))
    every = [
        Place(name, scored[name], _mean(curves, "area"), found.get(name), looking[name])
        for name, curves in entrants.items()
    ]
    order = sorted(ranked, key=lambda name: -scored[name].estimate)
    return tuple(sorted((_placed(each, order, scored) for each in every), key=_order))


def _placed(place: Place, order: Sequence[str], scored: Mapping[str, Interval]) -> Place:
    """The place with its rank's estimate: one more than the entrants with a higher score."""
    if place.rank is None:
        return place
    ahead = sum(scored[name].estimate > place.score.estimate + 1e-12 for name in order)
    return replace(place, rank=replace(place.rank, estimate=1.0 + ahead))


def _order(place: Place) -> tuple[bool, float, str]:
    return place.rank is None, -place.score.estimate, place.model


def _looks(curves: Sequence[CurveFigures]) -> bool | None:
    """Whether the entrant looks on any of its tasks; None where no control says so."""
    known = [curve.looks for curve in curves if curve.looks is not None]
    return any(known) if known else None


def _mean(curves: Sequence[CurveFigures], name: str) -> Interval:
    """The mean of a figure over the curves; that of a single one is the curve's own."""
    found = []
    for curve in curves:
        value = curve.figures[name]
        if not isinstance(value, Interval):
            reason = value.reason if isinstance(value, Withheld) else "it has no interval"
            raise RecordError(f"{name} of {curve.name} is withheld: {reason}")
        found.append(value)
    return combined(found, shares(curves))


def shares(curves: Sequence[CurveFigures]) -> tuple[float, ...]:
    """What each curve counts: modalities weigh the same, and the data sets within each."""
    none = np.zeros((1, 1))
    return weights(
        [Part(_data(c), _modality(c), none[0], none, 1, 1, i) for i, c in enumerate(curves)]
    )


def _data(curve: CurveFigures) -> str:
    record = curve.sweep.record
    return f"{record.task} {' '.join(curve.sweep.setting)}"


def _modality(curve: CurveFigures) -> str:
    return curve.sweep.record.dataset.modality or "unknown"


def combined(found: Sequence[Interval], shares: Sequence[float]) -> Interval:
    """Weighted sum of independent estimates, its interval from theirs (positive weights).

    Source: Zou and Donner 2008, Statistics in Medicine 27, doi:10.1002/sim.3095.
    """
    if len(found) == 1:
        return found[0]
    pairs = list(zip(found, shares, strict=True))
    value = sum(share * each.estimate for each, share in pairs)
    below = np.sqrt(sum((share * (each.estimate - each.low)) ** 2 for each, share in pairs))
    above = np.sqrt(sum((share * (each.high - each.estimate)) ** 2 for each, share in pairs))
    return replace(
        found[0],
        estimate=value,
        low=float(value - below),
        high=float(value + above),
        n=sum(each.n for each in found),
        clusters=sum(each.clusters for each in found),
        method="mover",
    )


def _ranks(entrants: Sequence[Sequence[CurveFigures]]) -> tuple[Interval, ...]:
    """Every entrant's rank interval, from resamples that all share."""
    if len(entrants) == 0:
        return ()
    tasks = zip(*entrants, strict=True)
    return ranks(pool([_part(list(curves)) for curves in tasks]))


def _part(curves: Sequence[CurveFigures]) -> Part:
    """Every entrant's gain on one task, and in resamples that all share."""
    columns = [column_scores(curve.sweep.scores) for curve in curves]
    floors = [curve.floor for curve in curves]
    wide = Columns([], columns[0].clusters)
    for mine, base in zip(columns, floors, strict=True):
        wide = wide.beside(mine)
        if base.columns is not None:
            wide = wide.beside(base.columns)
    drawn = resampled(wide.aligned())

    def gains(rows: FloatArray) -> FloatArray:
        found, start = [], 0
        for curve, base in zip(curves, floors, strict=True):
            width = len(curve.cells)
            line = np.array(area_weights(Grid(curve.sweep.edges)))
            area = rows[:, start : start + width] @ line
            start += width
            level: FloatArray | float = base.value
            if base.columns is not None:
                level = rows[:, start]
                start += 1
            found.append((area - level) / (1 - level))
        return np.stack(found, axis=1)

    return Part(
        dataset=_data(curves[0]),
        modality=_modality(curves[0]),
        estimates=gains(drawn.accuracy[None, :])[0],
        draws=gains(drawn.draws),
        n=drawn.n,
        clusters=drawn.clusters,
        seed=drawn.seed,
    )


def identity(sweep: Sweep) -> Identity:
    """What makes two sweeps those of one model."""
    return sweep.record.checkpoint.name or sweep.record.label, *sweep.setting


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


def _shared(columns: Sequence[Columns]) -> int:
    wide = columns[0]
    for other in columns[1:]:
        wide = wide.beside(other)
    return len(wide.clusters)
