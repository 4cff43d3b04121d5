"""Ranking: models over the tasks that all of them were scored on; used by `rank` and by the board.

A model's score is the mean of its gains over the floor: data sets weigh the same within a modality,
and modalities the same. Ranks come from the models' paired differences on the same samples, all at
once. A model that is not shown to look at the image has a score and no rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from resolution_eval.analysis.blind_control import any_known
from resolution_eval.analysis.curve import CurveFigures, figures
from resolution_eval.analysis.sampling import Columns, resampled
from resolution_eval.analysis.sweeps import Sweep, by_task
from resolution_eval.evidence.ladder import STEPS, Step, listed, weakest
from resolution_eval.ground.errors import RecordError
from resolution_eval.records import Record
from resolution_eval.statistics import floors, hierarchy
from resolution_eval.statistics.curves import FloatArray, ScoreGrid, Withheld
from resolution_eval.statistics.hierarchy import Part
from resolution_eval.statistics.intervals import Interval, area_weights

Identity = tuple[str, str, str, str]
"""A checkpoint's name, and scheme, filter and answer mode."""
Entrant = Sequence[Sequence[CurveFigures]]
"""What a model or recipe is ranked by: for each task, in the same order for all, its curves, one
for each run that differs in seed or prompt alone."""


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
    """Whether it is shown to look at the image on any task; None where no blind run says so."""


@dataclass(frozen=True)
class Ranking:
    """Models by score, best first, those without a rank last."""

    places: tuple[Place, ...]
    tasks: Mapping[str, int]
    """Tasks in the mean, and how many samples all models share on each."""
    left_out: Mapping[str, str]
    """Tasks that are not in the mean, and why."""
    steps: Mapping[str, Step]
    """By model, the weakest step of the ladder that it has on any of the tasks."""
    entered: tuple[Step, ...]
    """Every step that is in the mean, the strongest first: more than one only where asked for."""


def ranking(records: Sequence[Record], *, mix_steps: bool = False) -> Ranking:
    """The models of `records`, over the tasks where all have the same sound sweep.

    Models of different steps of the ladder are ranked together where `mix_steps` says so.

    Raises:
        RecordError: fewer than two models, a model twice on a task, or no task that all share.
    """
    sweeps = _sweeps(records)
    models = sorted({model for mine in sweeps.values() for model in mine})
    if len(models) < 2:
        raise RecordError(f"a ranking needs two models, found {len(models)}")
    obstacles = {task: _obstacle(mine, models, mix_steps) for task, mine in sweeps.items()}
    left_out = {task: reason for task, reason in obstacles.items() if reason is not None}
    if not mix_steps:
        left_out |= _weaker({t: mine for t, mine in sweeps.items() if t not in left_out})
    kept = {task: mine for task, mine in sweeps.items() if task not in left_out}
    if not kept:
        raise RecordError(f"no task has all models: {left_out}")
    entrants = {
        _title(model, models): [[figures(mine[model])] for mine in kept.values()]
        for model in models
    }
    shared = {task: _shared(list(mine.values())) for task, mine in kept.items()}
    steps = {
        _title(model, models): step
        for model in models
        if (step := weakest(mine[model].step for mine in kept.values())) is not None
    }
    sweep_steps = {sweep.step for mine in kept.values() for sweep in mine.values()}
    entered = tuple(step for step in reversed(tuple(STEPS)) if step in sweep_steps)
    return Ranking(places(entrants), shared, left_out, steps, entered)


def _weaker(tasks: Mapping[str, Mapping[Identity, Sweep]]) -> dict[str, str]:
    """Tasks of a weaker step of the ladder than the strongest one's, and why they are left out."""
    steps = {task: weakest(sweep.step for sweep in mine.values()) for task, mine in tasks.items()}
    best = next((step for step in reversed(tuple(STEPS)) if step in steps.values()), None)
    return {
        task: f"{step}, where other tasks are {best}; --mix-steps takes both into the mean"
        for task, step in steps.items()
        if step != best
    }


def _sweeps(records: Sequence[Record]) -> dict[str, dict[Identity, Sweep]]:
    """The sweeps by task and model; blind runs control others and are no models."""
    sweeps: dict[str, dict[Identity, Sweep]] = {}
    for task in by_task(records):
        for sweep in task.sweeps:
            if sweep.record.blind is not None:
                continue
            mine = sweeps.setdefault(task.task, {})
            if mine.setdefault(identity(sweep), sweep) is not sweep:
                raise RecordError(
                    f"{sweep.record.label} is there twice on {task.task}; name one run of each"
                )
    return sweeps


def identity(sweep: Sweep) -> Identity:
    """What makes two sweeps those of one model."""
    return sweep.record.checkpoint.name or sweep.record.label, *sweep.setting


def _title(model: Identity, models: Sequence[Identity]) -> str:
    name, *setting = model
    return name if sum(other[0] == name for other in models) == 1 else ", ".join([name, *setting])


def _obstacle(
    mine: Mapping[Identity, Sweep], models: Sequence[Identity], mix_steps: bool
) -> str | None:
    """Why a task is not in the mean; None where it is."""
    missing = [model[0] for model in models if model not in mine]
    if missing:
        return f"not scored: {', '.join(missing)}"
    for sweep in mine.values():
        if sweep.flaw is not None:
            return f"{sweep.record.label}: {sweep.flaw}"
        if len(set(sweep.scores.clusters)) < 2:
            return "its samples are one cluster, which tells no models apart"
    steps = {sweep.step for sweep in mine.values()}
    if len(steps) > 1 and not mix_steps:
        return f"{listed(steps)} are different steps of the ladder; --mix-steps ranks them together"
    sweeps = {sweep.resolutions for sweep in mine.values()}
    if len(sweeps) > 1:
        return f"other resolutions: {' and '.join(', '.join(each) for each in sorted(sweeps))}"
    prints = {sweep.record.dataset.fingerprint for sweep in mine.values()}
    return None if len(prints) == 1 else "other data (the fingerprints differ)"


def _shared(sweeps: Sequence[Sweep]) -> int:
    """Samples that all sweeps were asked."""
    return len(set(sweeps[0].scores.samples).intersection(*(s.scores.samples for s in sweeps)))


def places(entrants: Mapping[str, Entrant]) -> tuple[Place, ...]:
    """The entrants by score, those without a rank last.

    Raises:
        RecordError: an entrant has no score: a curve of it is withheld.
    """
    looking = {name: _looks(entrant) for name, entrant in entrants.items()}
    ranked = [name for name in entrants if looking[name] is not False]
    scores, areas = _means(entrants, "gain"), _means(entrants, "area")
    ranks = dict(zip(ranked, _ranks([entrants[name] for name in ranked]), strict=True))
    made = (
        Place(name, scores[name], areas[name], ranks.get(name), looking[name]) for name in entrants
    )
    return tuple(sorted(made, key=lambda p: (p.rank is None, -p.score.estimate, p.model)))


def _looks(entrant: Entrant) -> bool | None:
    """Whether the entrant looks on any of its tasks; None where no control says so."""
    return any_known(curve.looks for runs in entrant for curve in runs)


def _means(entrants: Mapping[str, Entrant], name: str) -> dict[str, Interval]:
    """Every entrant's mean of a figure; that of a single curve is the curve's own."""
    alone = {
        who: _figure(entrant[0][0], name)
        for who, entrant in entrants.items()
        if [len(runs) for runs in entrant] == [1]
    }
    others = [who for who in entrants if who not in alone]
    if not others:
        return alone
    parts, slack = _parts([entrants[who] for who in others], name)
    low = -np.inf if name == "gain" else 0.0
    means = zip(others, hierarchy.means(parts, bounds=(low, 1.0)), *slack, strict=True)
    widened = {
        who: replace(mean, low=max(mean.low - down, low), high=min(mean.high + up, 1.0))
        for who, mean, down, up in means
    }
    return alone | widened


def _figure(curve: CurveFigures, name: str) -> Interval:
    value = curve.figures[name]
    if isinstance(value, Interval):
        return value
    reason = value.reason if isinstance(value, Withheld) else "it has no interval"
    raise RecordError(f"{name} of {curve.name} is withheld: {reason}")


def _ranks(entrants: Sequence[Entrant]) -> tuple[Interval, ...]:
    """Every entrant's rank, from resamples that all share, failed samples against each."""
    if not entrants:
        return ()
    parts, slack = _parts(entrants, "gain")
    return hierarchy.ranks(hierarchy.pool(parts), slack=slack)


Slack = tuple[FloatArray, FloatArray]
"""How far each entrant's mean may lie below and above, from its samples without a verdict."""


def _parts(entrants: Sequence[Entrant], name: str) -> tuple[list[Part], Slack]:
    """The entrants' figures on every task, resampled together, and the slack of their means."""
    tasks = [list(task) for task in zip(*entrants, strict=True)]
    parts = [_part(runs, name) for runs in tasks]
    shares = hierarchy.weights(parts)
    slacks = [np.array([_slack(runs, name) for runs in task]) for task in tasks]
    whole = np.sum([w * slack for w, slack in zip(shares, slacks, strict=True)], axis=0)
    return parts, (whole[:, 0], whole[:, 1])


def _part(entrants: Sequence[Sequence[CurveFigures]], name: str) -> Part:
    """One task: every entrant's figure, the mean of its runs, and the same in resamples.

    Samples without a verdict stand in the draws with their column's mean: they add no noise, and
    their worst cases are in the slack.
    """
    curves = [curve for runs in entrants for curve in runs]
    drawn = resampled(_filled(curves).aligned())
    own = np.array([_figure(curve, name).estimate for curve in curves])
    draws = _rows(curves, drawn.draws, name)
    draws = draws - _rows(curves, drawn.accuracy[None, :], name) + own
    sizes = [len(runs) for runs in entrants]
    ends = np.cumsum(sizes)[:-1]
    groups = np.split(own, ends)
    record = curves[0].sweep.record
    return Part(
        dataset=f"{record.task} {' '.join(curves[0].sweep.setting)}",
        modality=record.dataset.modality or "unknown",
        estimates=np.array([group.mean() for group in groups]),
        draws=np.stack([each.mean(axis=1) for each in np.split(draws, ends, axis=1)], axis=1),
        n=drawn.n,
        clusters=round(drawn.effective),
        seed=drawn.seed,
        between=np.array([g.var(ddof=1) / len(g) if len(g) > 1 else 0.0 for g in groups]),
        runs=np.array(sizes),
    )


def _filled(curves: Sequence[CurveFigures]) -> Columns:
    """The curves' columns, each followed by those of its floor, without a gap."""
    every = [curve.floor.columns for curve in curves]
    shared = sorted(set(every[0].clusters).intersection(*(each.clusters for each in every)))
    values = [
        _without_gap({name: column[name] for name in shared})
        for each in every
        for column in each.values
    ]
    return Columns(values, {name: every[0].clusters[name] for name in shared})


def _without_gap(column: Mapping[str, float | None]) -> Mapping[str, float | None]:
    """The column with its mean for every sample without a verdict."""
    known = [score for score in column.values() if score is not None]
    if len(known) == len(column):
        return column
    mean = sum(known) / len(known)
    return {name: mean if score is None else score for name, score in column.items()}


def _rows(curves: Sequence[CurveFigures], rows: FloatArray, name: str) -> FloatArray:
    """The figure of every curve (rows, curves) from rows of all columns' accuracies."""
    ends = np.cumsum([len(curve.floor.columns.values) for curve in curves])[:-1]
    parts = zip(curves, np.split(rows, ends, axis=1), strict=True)
    return np.stack([_value(curve, part, name) for curve, part in parts], axis=1)


def _value(curve: CurveFigures, rows: FloatArray, name: str) -> FloatArray:
    line = area_weights(ScoreGrid(curve.sweep.edges))
    if name == "gain":
        least = 0.5 / len(curve.floor.columns.clusters)
        return floors.gains(rows, line, curve.floor.floor, least=least)
    return np.asarray(rows[:, : len(line)] @ line)


def _slack(runs: Sequence[CurveFigures], name: str) -> tuple[float, float]:
    """How far the mean of the runs may lie below and above, from samples without a verdict."""
    ends = []
    for curve in runs:
        answers = curve.floor.columns.aligned()
        (down, up), mean = answers.slack, answers.correct.mean(axis=0)
        mine = np.arange(len(mean)) < len(curve.cells)
        rows = [
            mean,
            np.where(mine, mean - down, mean + up),
            np.where(mine, mean + up, mean - down),
        ]
        middle, least, most = _value(curve, np.array(rows), name)
        ends.append((middle - least, most - middle))
    return tuple(np.mean(ends, axis=0).tolist())
