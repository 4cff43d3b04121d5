"""Scores: the curves of a record, with intervals, made from its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from resolution_eval.analysis.sampling import column_scores
from resolution_eval.analysis.sweeps import Sweep, by_task
from resolution_eval.board.rerun import Key
from resolution_eval.board.schema import BlindPoint, Curve, Estimate, Point, Repeat
from resolution_eval.board.submission import Claim, Facts
from resolution_eval.cards import TaskCard, task_cards
from resolution_eval.records import Cell, Record
from resolution_eval.statistics import floors, intervals
from resolution_eval.statistics.curves import Grid, Withheld
from resolution_eval.statistics.floors import Floor
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.resampling import Resampled, resample

RESAMPLES = 2_000
"""Of every bootstrap; the third digit of an interval's end can move by one or two."""


@dataclass(frozen=True, eq=False)
class Given:
    """A record with what lies beside it."""

    record: Record
    path: Path
    facts: Facts
    trained: Mapping[str, str]
    """Data set to the model that was trained on it: this one, its base, and so on back."""
    repeats: Mapping[Key, Repeat]
    """By (task, scheme, filter, answer mode, resolution)."""


Setting = tuple[str, str, str]
"""Scheme, filter and answer mode."""


def curves(given: Given) -> dict[Setting, Curve]:
    """The record's curves by setting.

    Where options are ranked, the few closed questions without options are answered by generation:
    they are in the record, and in no curve.
    """
    (task,) = by_task([given.record])
    settings = {sweep.cells[0].key.setting for sweep in task.sweeps}
    return {
        sweep.cells[0].key.setting: _curve(sweep, given)
        for sweep in task.sweeps
        if not _without_options(sweep.cells[0].key.setting, settings)
    }


def _without_options(setting: Setting, settings: Set[Setting]) -> bool:
    scheme, filter, mode = setting
    return mode == "generate" and (scheme, filter, "rank") in settings


def _curve(sweep: Sweep, given: Given) -> Curve:
    record, card = sweep.record, _card(sweep)
    first = sweep.cells[0]
    drawn, why = _drawn(sweep)
    area = _area(sweep, drawn)
    worst, kept = _against_training(sweep, drawn)
    return Curve(
        dataset=card.name,
        title=card.title,
        modality=card.modality,
        licence=card.licence,
        citation=card.citation,
        task=record.task,
        form="open" if first.answer_mode == "open" else "closed",
        answer_mode=first.answer_mode,
        training=record.checkpoint.training,
        reference=None if sweep.reference is None else sweep.resolutions[sweep.reference],
        chance=sweep.chance,
        contaminated=contaminated(record.dataset.name, given),
        points=tuple(_point(sweep, number, given) for number in range(len(sweep.cells))),
        area=area,
        worst_drop=worst,
        retention=kept,
        withheld=why or (None if area else missing(sweep)),
        n=max(cell.n for cell in sweep.cells),
        clusters=len(set(sweep.scores.clusters)),
        hardware=_machine(record),
        peak_memory=record.environment.peak_memory,
        throughput=record.environment.samples_per_second,
        versions=tuple(sorted(record.environment.versions.items())),
        date=record.environment.date,
        record_path=given.path,
        record_sha256=hashlib.sha256(given.path.read_bytes()).hexdigest(),
        record=record,
    )


def _card(sweep: Sweep) -> TaskCard:
    """The card of the data set: what a record says of it (the modality that weighs) is not taken.

    There is one: the checks refuse a record on any other data set.
    """
    return task_cards()[sweep.record.dataset.name]


def _machine(record: Record) -> str | None:
    hardware = record.environment.hardware
    return None if hardware is None else hardware.summary


def contaminated(dataset: str, given: Given) -> str | None:
    """Why a data set's cells are marked, or None: it was trained on, by the model or its base.

    A declared name is that of the data set, or `NAME:SPLIT` of one split of it.
    """
    for name, model in sorted(given.trained.items()):
        known, _, split = name.partition(":")
        if known == dataset:
            what = f"the {split} split of this data set" if split else "this data set"
            who = "trained" if model == given.facts.model else f"its base {model} was trained"
            return f"{who} on {what}"
    return None


def missing(sweep: Sweep) -> str | None:
    """Which of the card's resolutions the sweep lacks, in words; None where it has them all."""
    wanted = (str(r) for r in _card(sweep).resolutions)
    lacking = [name for name in wanted if name not in sweep.resolutions]
    return f"the sweep lacks {', '.join(lacking)}" if lacking else None


def _seed(sweep: Sweep) -> int:
    """One seed per task and setting: data sets are independent, a rebuilt board is the same."""
    name = f"{sweep.record.task} {sweep.cells[0].answer_mode}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


def _drawn(sweep: Sweep) -> tuple[Resampled | None, str | None]:
    if sweep.flaw is not None:
        return None, sweep.flaw
    paired = column_scores(sweep.scores).aligned()
    return resample(paired, seed=_seed(sweep), resamples=RESAMPLES), None


def _area(sweep: Sweep, drawn: Resampled | None) -> Estimate | None:
    """The area over the card's resolutions only, so that it is the same figure for every model."""
    if drawn is None or missing(sweep) is not None:
        return None
    wanted = {str(r) for r in _card(sweep).resolutions}
    columns = [i for i, name in enumerate(sweep.resolutions) if name in wanted]
    grid = Grid(tuple(sweep.edges[i] for i in columns))
    return _estimate(intervals.figure("area", drawn.pick(columns), grid))


def _against_training(
    sweep: Sweep, drawn: Resampled | None
) -> tuple[Estimate | None, Estimate | None]:
    """Worst drop, and retention at the far end; None where no point is the training resolution."""
    if drawn is None or sweep.reference is None:
        return None, None
    worst = intervals.figure("worst_drop", drawn, Grid(sweep.edges, sweep.reference))
    if sweep.chance is None:
        return _estimate(worst), None
    kept = floors.retention(drawn, sweep.far_end, sweep.reference, Floor(sweep.chance))
    return _estimate(worst), None if isinstance(kept, Withheld) else _estimate(kept)


def _estimate(interval: Interval) -> Estimate:
    return Estimate(interval.estimate, interval.low, interval.high)


def _accuracy(sweep: Sweep, cell: Cell) -> Estimate | None:
    """Accuracy over the samples scored in this cell."""
    column = column_scores(sweep.record.answers.scores([cell.key]))
    if not column.values[0]:
        return None
    drawn = resample(column.aligned(), seed=_seed(sweep), resamples=RESAMPLES)
    return _estimate(intervals.accuracies(drawn)[0])


def _point(sweep: Sweep, number: int, given: Given) -> Point:
    cell = sweep.cells[number]
    first = cell.grids[0] if cell.grids else None
    return Point(
        resolution=cell.resolution,
        edge=sweep.edges[number],
        status=cell.status,
        accuracy=_accuracy(sweep, cell),
        balanced_accuracy=cell.balanced_accuracy,
        f1=cell.f1,
        n=cell.n,
        scored=cell.scored,
        correct=cell.correct,
        failed=cell.failed,
        missing=cell.missing,
        unparseable=cell.unparseable,
        mismatched=cell.mismatched,
        unattested=cell.unattested,
        capped=cell.capped,
        grid=_size(first.height, first.width) if first else None,
        expected_grid=_size(first.expected_height, first.expected_width) if first else None,
        grids=len(cell.grids),
        tokens=cell.visual_tokens.mean if cell.visual_tokens else None,
        throughput=cell.cost.samples_per_second if cell.cost else None,
        evidence=cell.evidence,
        blind=_blind(sweep.record, cell),
        claimed=_claimed(given.facts.claims, sweep.record.task, cell),
        repeat=given.repeats.get((sweep.record.task, *cell.key.setting, cell.resolution)),
    )


def _size(height: int | None, width: int | None) -> tuple[int, int] | None:
    return None if height is None or width is None else (height, width)


def _blind(record: Record, cell: Cell) -> BlindPoint | None:
    """The blind control at this resolution, where the record holds one with a score."""
    for control in record.controls.blind:
        if control.key == cell.key and control.accuracy is not None:
            return BlindPoint(control.kind, control.n - control.failed, control.accuracy)
    return None


def _claimed(claims: Sequence[Claim], task: str, cell: Cell) -> float | None:
    found = [
        claim.accuracy
        for claim in claims
        if (claim.task, claim.scheme, claim.resolution) == (task, cell.scheme, cell.resolution)
    ]
    return found[0] if found else None
