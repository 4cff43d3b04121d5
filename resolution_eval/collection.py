"""A collection of records: what one or several runs said, as curves, tables and a chart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from resolution_eval.analysis import CurveFigures, TaskSweeps, by_task, figures
from resolution_eval.ground.errors import UsageError, suggest
from resolution_eval.records import Record

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd


class Collection(Sequence[Record]):
    """Records in the order in which they were read, blind runs among them."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = tuple(records)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> Collection: ...
    def __getitem__(self, place: int | slice) -> Record | Collection:
        if isinstance(place, slice):
            return Collection(self._records[place])
        return self._records[place]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"Collection of {len(self)}: " + ", ".join(map(_title, self))

    @property
    def blind(self) -> Collection:
        """The runs without the image, which control the others."""
        return Collection(record for record in self if record.blind is not None)

    @property
    def only(self) -> Record:
        """The one record that was shown images.

        Raises:
            UsageError: there is none, or there are several.
        """
        return only(self, "the collection")

    def select(self, *, checkpoint: str | None = None, task: str | None = None) -> Collection:
        """The records of a checkpoint, of a task, or of both.

        `checkpoint` is the label that tables show, or the whole name.

        Raises:
            UsageError: no record has that label, or that task.
        """
        labels = {name for record in self for name in _names(record)}
        _known("checkpoint", checkpoint, labels)
        _known("task", task, {record.task for record in self})
        return Collection(
            record
            for record in self
            if (checkpoint is None or checkpoint in _names(record)) and task in (None, record.task)
        )

    @cached_property
    def studies(self) -> tuple[tuple[TaskSweeps, tuple[CurveFigures, ...]], ...]:
        """The curves by task, with every figure of each; blind runs are in the curves' controls."""
        return tuple((task, tuple(map(figures, task.sweeps))) for task in by_task(self))

    @property
    def curves(self) -> tuple[CurveFigures, ...]:
        """The curves of all tasks: one for each record and setting."""
        return tuple(curve for _, mine in self.studies for curve in mine)

    def to_frame(self) -> pd.DataFrame:
        """One row for each cell; the columns are described in `frames.cell_frame`."""
        from resolution_eval.frames import cell_frame

        return cell_frame(self.curves)

    def samples_frame(self) -> pd.DataFrame:
        """One row for each answer; the columns are described in `frames.sample_frame`."""
        from resolution_eval.frames import sample_frame

        return sample_frame(self.curves)

    def plot(self, task: str | None = None) -> alt.LayerChart:
        """The report's chart of accuracy against resolution, for one task.

        Raises:
            UsageError: there is no such task; or there are several, and none is named.
        """
        import altair as alt

        from resolution_eval.report.charts import STATIC_WIDTH, curve_chart
        from resolution_eval.report.content import marks, points

        sweeps, curves = self._study(task)
        drawn = curve_chart(points(curves), sweeps.resolutions, sweeps.chance, marks(curves))
        return alt.LayerChart.from_dict({**drawn, "width": STATIC_WIDTH})

    def _study(self, task: str | None) -> tuple[TaskSweeps, Sequence[CurveFigures]]:
        named = {each[0].task: each for each in self.studies}
        _known("task", task, named)
        if task is None and len(named) != 1:
            raise UsageError(f"a chart is of one task, and here are {_listed(named)}; name one")
        return named[task] if task is not None else next(iter(named.values()))


def only(records: Sequence[Record], where: object) -> Record:
    """The one record among those in `where`; a blind run beside the run it controls is no second.

    Raises:
        UsageError: there is none, or there are several.
    """
    shown = [record for record in records if record.blind is None] or records
    if len(shown) != 1:
        raise UsageError(
            f"{where} holds {len(shown)} records ({', '.join(map(_title, shown))}); name one "
            "record's file"
        )
    return shown[0]


def _title(record: Record) -> str:
    return f"{record.label} on {record.task}"


def _names(record: Record) -> Iterator[str]:
    yield record.label
    if record.checkpoint.name is not None:
        yield record.checkpoint.name


def _known(kind: str, name: str | None, names: Iterable[Any]) -> None:
    """Refuse a name that no record has."""
    if name is not None and name not in names:
        raise UsageError(f"no record of the {kind} {name!r}; {suggest(name, names)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
