"""Confusion: how each class is told from the others at every resolution, and what it loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from resolution_eval.analysis.ranked import RankedChoices
from resolution_eval.analysis.sampling import Columns, Figure, accuracy, column_scores, difference
from resolution_eval.analysis.soundness import flaw
from resolution_eval.analysis.sweeps import Sweep
from resolution_eval.records.cells import MAX_CLASSES
from resolution_eval.statistics.curves import FloatArray, Withheld
from resolution_eval.statistics.discrimination import balanced
from resolution_eval.statistics.intervals import Interval


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """One class: how much of it is found, and how much else is not taken for it."""

    target: str
    n: int
    sensitivity: tuple[Figure, ...]
    """Per resolution, of the samples of the class the share answered right."""
    specificity: tuple[Figure, ...]
    """Per resolution, of the other samples the share not answered with the class."""
    auroc: tuple[Figure, ...]
    """Per resolution, by the class's probability; empty where choices were not ranked."""
    average_precision: tuple[Figure, ...]
    """The same where there are two classes: a finding, and its absence."""
    loss: Figure
    """Sensitivity at the training resolution (else the last) less that at the far end."""


def has_classes(sweep: Sweep) -> bool:
    """Whether the sweep's questions are a classification."""
    return sweep.setting[2] != "open" and 1 < len(set(sweep.scores.targets)) <= MAX_CLASSES


def balanced_accuracies(sweep: Sweep) -> tuple[Figure | None, ...]:
    """Per resolution the mean recall over the classes; None for a task without classes."""
    if not has_classes(sweep):
        return (None,) * len(sweep.cells)
    return tuple(_balanced(sweep, index) for index in range(len(sweep.cells)))


def _balanced(sweep: Sweep, index: int) -> Figure:
    if reason := flaw(sweep.cells[index], "accuracy"):
        return Withheld(reason)
    column = sweep.scores.correct[:, index]
    known = ~np.isnan(column)
    recall = _mean_recall(sweep, column, known)
    if known.all():
        return recall
    every = np.ones_like(known)
    ends = [_mean_recall(sweep, np.where(known, column, end), every) for end in (0.0, 1.0)]
    low, high = min(end.low for end in ends), max(end.high for end in ends)
    return replace(recall, low=low, high=high, left_out=int((~known).sum()))


def _mean_recall(sweep: Sweep, column: FloatArray, known: NDArray[np.bool_]) -> Interval:
    places = np.flatnonzero(known)
    targets = [sweep.scores.targets[i] for i in places]
    return balanced(targets, column[known], [sweep.scores.clusters[i] for i in places])


def class_figures(
    sweep: Sweep, ranked: Sequence[RankedChoices | Withheld]
) -> tuple[ClassFigures, ...]:
    """Every class, the largest loss first; none for a task without classes."""
    if not has_classes(sweep):
        return ()
    said = _said(sweep)
    targets = sorted(set(sweep.scores.targets))
    classes = (_class(sweep, said, ranked, target) for target in targets)
    return tuple(sorted(classes, key=_by_loss))


def _by_loss(figures: ClassFigures) -> tuple[float, str]:
    loss = figures.loss
    return (1.0 if isinstance(loss, Withheld) else -loss.estimate, figures.target)


Said = dict[str, str | None]
"""Prediction of every scored sample of a cell."""


def _said(sweep: Sweep) -> list[Said]:
    """The cells' predictions, in order of resolution."""
    answers = sweep.record.answers
    sample, prediction, correct = map(answers.column, ("sample", "prediction", "correct"))
    groups = answers.groups()
    return [
        {sample[row]: prediction[row] for row in groups[cell.key] if correct[row] is not None}
        for cell in sweep.cells
    ]


def _class(
    sweep: Sweep, said: Sequence[Said], ranked: Sequence[RankedChoices | Withheld], target: str
) -> ClassFigures:
    every, targets = column_scores(sweep.scores), sweep.targets
    mine = {name: one for name, one in every.clusters.items() if targets[name] == target}
    others = {name: one for name, one in every.clusters.items() if targets[name] != target}
    right = Columns([{s: column[s] for s in mine} for column in every.values], mine)
    apart = [{s: float(cell[s] != target) if s in cell else None for s in others} for cell in said]
    told = any(isinstance(each, RankedChoices) for each in ranked)
    two = told and len(set(targets.values())) == 2
    return ClassFigures(
        target=target,
        n=len(mine),
        sensitivity=_shares(sweep, right),
        specificity=_shares(sweep, Columns(apart, others)),
        auroc=tuple(
            each if isinstance(each, Withheld) else each.auroc(target) for each in ranked if told
        ),
        average_precision=tuple(
            each if isinstance(each, Withheld) else each.average_precision(target)
            for each in ranked
            if two
        ),
        loss=_loss(sweep, right),
    )


def _shares(sweep: Sweep, columns: Columns) -> tuple[Figure, ...]:
    reasons = [flaw(cell, "accuracy") for cell in sweep.cells]
    return tuple(
        Withheld(reason) if reason else accuracy(columns.pick([index]))
        for index, reason in enumerate(reasons)
    )


def _loss(sweep: Sweep, columns: Columns) -> Figure:
    if sweep.flaw is not None:
        return Withheld(sweep.flaw)
    reference = len(sweep.cells) - 1 if sweep.reference is None else sweep.reference
    return difference(columns.pick([sweep.far_end, reference]))
