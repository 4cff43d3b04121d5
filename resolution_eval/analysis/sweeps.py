"""Sweeps: the cells of one record that make one curve, and the names they are shown under."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from resolution_eval.analysis import soundness
from resolution_eval.evidence.ladder import Step, weakest
from resolution_eval.ground.errors import RecordError
from resolution_eval.records import Cell, Record
from resolution_eval.records.answer_table import Scores, resolution_order
from resolution_eval.records.schema import BlindControl
from resolution_eval.resolution import TrainingResolution, label, parse_resolution

Setting = tuple[str, str, str]
"""Scheme, filter and answer mode: the cells of one setting make one curve."""


def step_of(cells: Iterable[Cell]) -> Step | None:
    """The weakest step of the cells that are not mismatched; None where there is none."""
    return weakest(cell.step for cell in cells if cell.step != "mismatched")


@dataclass(frozen=True, eq=False)
class Sweep:
    """One checkpoint on one task in one setting (scheme, filter, answer mode), all resolutions."""

    name: str
    """Unique among the sweeps shown together."""
    record: Record
    cells: tuple[Cell, ...]
    """In order of resolution, each resolution once."""
    unseen: tuple[Record, ...] = ()
    """The task's blind runs: the answers that the record's blind controls count."""

    @property
    def resolutions(self) -> tuple[str, ...]:
        """Labels of the resolutions, native last."""
        return tuple(cell.resolution for cell in self.cells)

    @property
    def edges(self) -> tuple[int, ...]:
        """Edge in pixels of each resolution, strictly ascending; native, and µm per pixel, are the
        sources' mean.

        Where the sources are smaller than a number asked for, native comes right after it: both
        showed the model the same pixels.
        """
        edges: list[int] = []
        for cell in self.cells:
            parsed = parse_resolution(cell.resolution)
            edge = parsed if isinstance(parsed, int) else round(cell.source_edge or 0)
            edges.append(max(edge, edges[-1] + 1 if edges else 1))
        return tuple(edges)

    @cached_property
    def scores(self) -> Scores:
        """Verdicts of every sample in every cell."""
        return self.record.answers.scores([cell.key for cell in self.cells])

    @property
    def targets(self) -> dict[str, str]:
        """The right answer of every sample."""
        return dict(zip(self.scores.samples, self.scores.targets, strict=True))

    @property
    def reference(self) -> int | None:
        """Index of the training resolution's cell; None where the sweep does not hold it."""
        training = TrainingResolution.parse(self.record.checkpoint.training)
        resolution = training.reference([parse_resolution(name) for name in self.resolutions])
        return None if resolution is None else self.resolutions.index(label(resolution))

    @property
    def chance(self) -> float | None:
        """The chance level, where known; a question that is open, or has no options, has none."""
        known = None if self.optionless else self.record.controls.chance
        return None if self.setting[2] == "open" else known

    @property
    def optionless(self) -> bool:
        """Whether these are the few closed questions without options of a run that ranked them."""
        scheme, filter, mode = self.setting
        settings = {cell.key.setting for cell in self.record.cells}
        return mode == "generate" and (scheme, filter, "rank") in settings

    @property
    def far_end(self) -> int:
        """Index of the end away from training: the lowest, or the last if only that is away."""
        last = len(self.cells) - 1
        return last if 0 in self.trained and last not in self.trained else 0

    @property
    def trained(self) -> frozenset[int]:
        """Indices of every resolution trained at: all members of a mixed training."""
        training = TrainingResolution.parse(self.record.checkpoint.training)
        members = {label(member) for member in training.members}
        indices = {i for i, name in enumerate(self.resolutions) if name in members}
        return frozenset(indices if self.reference is None else {*indices, self.reference})

    @property
    def flaw(self) -> str | None:
        """Why figures over the whole curve are withheld; None where every cell is sound."""
        reasons = (soundness.flaw(cell, "curve") for cell in self.cells)
        if reason := next((reason for reason in reasons if reason is not None), None):
            return reason
        return None if len(self.cells) > 1 else "a curve needs two resolutions"

    @property
    def step(self) -> Step | None:
        """The step of the ladder that its weakest cell has; None where nothing was scored.

        Mismatched cells are left aside: they enter nothing that the step is of.
        """
        return step_of(self.cells)

    @property
    def setting(self) -> Setting:
        """Scheme, filter and answer mode."""
        return self.cells[0].key.setting

    def control(self, cell: Cell) -> tuple[BlindControl, Record | None] | None:
        """The blind control of `cell`, with the record of its answers where that is here."""
        control = next((one for one in self.record.controls.blind if one.key == cell.key), None)
        if control is None or control.accuracy is None:
            return None
        runs = (
            run for run in self.unseen if run.environment.results_sha256 == control.results_sha256
        )
        return control, next(runs, None)


@dataclass(frozen=True, eq=False)
class TaskSweeps:
    """All sweeps of one task."""

    task: str
    title: str
    sweeps: tuple[Sweep, ...]

    @property
    def resolutions(self) -> tuple[str, ...]:
        """Every resolution that a sweep has, native last."""
        names = {name for sweep in self.sweeps for name in sweep.resolutions}
        return tuple(sorted(names, key=resolution_order))

    @property
    def chance(self) -> float | None:
        """The task's chance level, where known."""
        known = (sweep.chance for sweep in self.sweeps if sweep.chance is not None)
        return next(known, None)


def by_task(records: Sequence[Record]) -> tuple[TaskSweeps, ...]:
    """The records' sweeps, tasks in order of name; sweeps keep the records' order."""
    tasks: dict[str, list[Record]] = {}
    for record in records:
        tasks.setdefault(record.task, []).append(record)
    return tuple(
        TaskSweeps(task, mine[0].dataset.title or task, _sweeps(mine))
        for task, mine in sorted(tasks.items())
    )


def _controls(records: Sequence[Record]) -> tuple[Record, ...]:
    """The blind runs that control another record; a blind run of nothing is shown for itself."""
    named = {control.results_sha256 for record in records for control in record.controls.blind}
    return tuple(
        record
        for record in records
        if record.blind is not None and record.environment.results_sha256 in named
    )


def sweep_of(record: Record, setting: Setting | None, blind: Sequence[Record] = ()) -> Sweep:
    """The record's sweep in `setting`; None is the only one that it has.

    `blind` are runs that may hold the answers of the record's blind controls; a whole collection,
    the record in it, will do.

    Raises:
        RecordError: the record has no such setting, or several where none is named.
    """
    others = [run for run in blind if run is not record] if record.blind is None else []
    sweeps = [each for each in _sweeps([record, *others]) if each.record is record]
    mine = [each for each in sweeps if setting in (None, each.setting)]
    if len(mine) != 1:
        known = ", ".join("/".join(each.setting) for each in sweeps)
        raise RecordError(
            f"{record.label} on {record.task} has the settings {known}; name one of them"
        )
    return mine[0]


def _sweeps(records: Sequence[Record]) -> tuple[Sweep, ...]:
    parts, unseen = [], _controls(records)
    for record in records:
        if any(record is each for each in unseen):
            continue
        settings: dict[Setting, list[Cell]] = {}
        for cell in record.cells:
            settings.setdefault(cell.key.setting, []).append(cell)
        parts += [(record, tuple(cells)) for cells in settings.values()]
    names = _names(parts)
    return tuple(
        Sweep(name=name, record=record, cells=cells, unseen=unseen)
        for name, (record, cells) in zip(names, parts, strict=True)
    )


Part = tuple[Record, tuple[Cell, ...]]

_DISTINCTIONS: tuple[Callable[[Part], str], ...] = (
    lambda part: part[0].checkpoint.name or "",
    lambda part: part[1][0].scheme,
    lambda part: part[1][0].filter,
    lambda part: part[1][0].answer_mode,
    lambda part: part[0].environment.date,
)


def _names(parts: Sequence[Part]) -> list[str]:
    """The checkpoints' labels, with what tells apart those that would be the same."""
    blinds = ["" if record.blind is None else f" · {record.blind}" for record, _ in parts]
    names = [record.label + blind for (record, _), blind in zip(parts, blinds, strict=True)]
    for distinction in _DISTINCTIONS:
        counts = Counter(names)
        pairs = list(zip(parts, names, strict=True))
        groups = {
            name: {distinction(part) for part, mine in pairs if mine == name} for name in counts
        }
        names = [
            f"{name} · {distinction(part)}" if len(groups[name]) > 1 else name
            for part, name in pairs
        ]
    return [
        name if names.count(name) == 1 else f"{name} · {names[:i].count(name) + 1}"
        for i, name in enumerate(names)
    ]
