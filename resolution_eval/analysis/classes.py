"""Classes: sensitivity and specificity of every class at each resolution, and what each loses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from resolution_eval.analysis.comparison import difference
from resolution_eval.analysis.floor import accuracy
from resolution_eval.analysis.sampling import Columns, Figure, bounded
from resolution_eval.analysis.soundness import flaw
from resolution_eval.analysis.sweeps import Sweep
from resolution_eval.records.cells import MAX_CLASSES
from resolution_eval.statistics.curves import Withheld


@dataclass(frozen=True)
class ClassFigures:
    """One class: how much of it is found, and how much else is not taken for it."""

    target: str
    n: int
    sensitivity: tuple[Figure, ...]
    """Per resolution, of the samples of the class the share answered right."""
    specificity: tuple[Figure, ...]
    """Per resolution, of the other samples the share not answered with the class."""
    loss: Figure
    """Sensitivity at the training resolution (else the last) less that at the far end."""


def class_figures(sweep: Sweep) -> tuple[ClassFigures, ...]:
    """Every class, the largest loss first; none for a task without classes."""
    targets = sorted(set(sweep.scores.targets))
    if sweep.setting[2] == "open" or not 1 < len(targets) <= MAX_CLASSES:
        return ()
    said = [_said(sweep, index) for index in range(len(sweep.cells))]
    found = [_class(sweep, said, target) for target in targets]
    return tuple(sorted(found, key=_by_loss))


def _by_loss(found: ClassFigures) -> tuple[float, str]:
    loss = found.loss
    return (1.0 if isinstance(loss, Withheld) else -loss.estimate, found.target)


def _said(sweep: Sweep, index: int) -> dict[str, tuple[str | None, bool]]:
    """Prediction of every scored sample of a cell, and whether it counted as right."""
    answers = sweep.record.answers
    names = ("sample", "prediction", "correct")
    sample, prediction, correct = (answers.column(name) for name in names)
    return {
        sample[row]: (prediction[row], bool(correct[row]))
        for row in answers.groups()[sweep.cells[index].key]
        if correct[row] is not None
    }


def _class(
    sweep: Sweep, said: list[dict[str, tuple[str | None, bool]]], target: str
) -> ClassFigures:
    targets = dict(zip(sweep.scores.samples, sweep.scores.targets, strict=True))
    clusters = dict(zip(sweep.scores.samples, sweep.scores.clusters, strict=True))
    of_it = {name: clusters[name] for name in targets if targets[name] == target}
    others = {name: clusters[name] for name in targets if targets[name] != target}
    right = [{s: float(ok) for s, (_, ok) in cell.items() if s in of_it} for cell in said]
    apart = [{s: float(p != target) for s, (p, _) in cell.items() if s in others} for cell in said]
    share = partial(_share, sweep)
    return ClassFigures(
        target=target,
        n=len(of_it),
        sensitivity=tuple(share(i, Columns([c], of_it)) for i, c in enumerate(right)),
        specificity=tuple(share(i, Columns([c], others)) for i, c in enumerate(apart)),
        loss=_loss(sweep, Columns(right, of_it)),
    )


def _share(sweep: Sweep, index: int, column: Columns) -> Figure:
    if not column.values[0]:
        return Withheld("no sample of the class has a verdict")
    reason = flaw(sweep.cells[index], "accuracy")
    return Withheld(reason) if reason else bounded(column, [1], accuracy)


def _loss(sweep: Sweep, columns: Columns) -> Figure:
    if sweep.flaw is not None:
        return Withheld(sweep.flaw)
    reference = len(sweep.cells) - 1 if sweep.reference is None else sweep.reference
    return difference(columns.pick([sweep.far_end, reference]))
