"""Parcels: scored samples of our tasks as lmms-eval keeps them until all are written, in bytes.

lmms-eval keeps of every sample its document, its reply, all that the task said of it, and tables
for each of these. Nearly all of it is alike from sample to sample: compressed against the first
line of the same resolution, a line of the samples file is some 300 bytes. It is made anew, the same
text, whenever somebody asks for it, and let go.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

from resolution_eval.host.compression import compressed, restored
from resolution_eval.host.slips import Slip, of_ours, watch_requests

EVALUATOR = "lmms_eval.evaluator"
POINT = ("sample", "resolution", "status", "correct", "training", "target", "prediction")
"""What curves and balanced accuracy are made from: a parcel has it at hand."""
CURVES = ("worst_drop", "area", "em_worst_drop", "em_area", "bacc@train")
"""Figures whose items are such a point."""
WHOLE = ("verdict", "attestation")
"""Figures whose items are read from the line."""
WRITTEN = ("cost", "run")
"""What stands in the line alone, and is added up nowhere."""

_FIRST: dict[tuple[str, str], bytes] = {}
"""The first line of each task and resolution, whichever thread had it."""
_SHARED: dict[str, Any] = {}
"""Items that many samples have in common: what one adds to a cell, a count."""
_SHARES = 4096
_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {}
"""Names of the figures that a sample adds to, as one object for all samples."""


class Parcel:
    """One scored sample: what lmms-eval has of a document once it is processed."""

    __slots__ = ("_data", "_figures", "_first", *POINT)

    per_sample_scores: Mapping[str, Any] = {}
    """Of repeated questions, whose samples are not packed."""

    def __init__(self, task: str, line: Mapping[str, Any], figures: tuple[str, ...]) -> None:
        said = {**line["attestation"], **line["verdict"]}
        for name in POINT:
            value = said[name]
            setattr(self, name, sys.intern(value) if type(value) is str else value)
        text = _text(line)
        first = text.encode("utf-8", "surrogatepass")
        self._first = _FIRST.setdefault((task, said["resolution"]), first)
        self._data = compressed(text, self._first)
        self._figures = figures

    def line(self) -> dict[str, Any]:
        """What the host logs of the sample; its figures alone where it logs nothing."""
        line: dict[str, Any] = json.loads(restored(self._data, self._first))
        return line

    @property
    def logged_sample(self) -> Parcel | None:
        """What the host keeps for the samples file."""
        return self

    @property
    def metrics(self) -> dict[str, Any]:
        """What the host keeps for each figure."""
        line = self.line()
        return {name: self._kept(name, line) for name in self._figures}

    def _kept(self, figure: str, line: Mapping[str, Any]) -> Any:
        if figure in WRITTEN:
            return None
        return self if figure in CURVES + WHOLE else _shared(line[figure])

    def item(self, figure: str) -> dict[str, Any]:
        """What the sample adds to a figure."""
        if figure in CURVES:
            return {name: getattr(self, name) for name in POINT}
        item: dict[str, Any] = self.line()[figure]
        return item


class _Unlogged(Parcel):
    """A scored sample of a run that writes no samples file."""

    __slots__ = ()

    @property
    def logged_sample(self) -> None:
        """Nothing is kept for the samples file."""
        return None


def _text(value: Any) -> str:
    from lmms_eval.utils import handle_non_serializable

    # as the host writes a line
    return json.dumps(value, default=handle_non_serializable, ensure_ascii=False)


def _shared(item: Any) -> Any:
    """An equal item that was met before, if one of a few was."""
    if len(_SHARED) >= _SHARES:
        _SHARED.clear()
    return _SHARED.setdefault(_text(item), item)


class Contents(list[Any]):
    """A list of parcels that is read as what is in them: each time made anew.

    What is no parcel is read as it is.
    """

    def __init__(self, items: Iterable[Any], figure: str | None = None) -> None:
        """`figure` is what is read of each parcel; the whole line where it is None."""
        super().__init__(items)
        self._figure = figure

    def _read(self, item: Any) -> Any:
        if not isinstance(item, Parcel):
            return item
        return item.line() if self._figure is None else item.item(self._figure)

    def __iter__(self) -> Iterator[Any]:
        return map(self._read, super().__iter__())

    def __getitem__(self, place: Any) -> Any:
        kept = super().__getitem__(place)
        return list(map(self._read, kept)) if isinstance(place, slice) else self._read(kept)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)


def pack_samples() -> None:
    """Teach lmms-eval, where it is loaded, to keep requests and samples of our tasks so; another
    run's first lines are like none of this one.
    """
    _FIRST.clear()
    evaluator = sys.modules.get(EVALUATOR)
    if evaluator is None:
        return
    from lmms_eval.api.task import ConfigurableTask
    from lmms_eval.evaluator_utils import TaskOutput

    watch_requests(ConfigurableTask)
    if not hasattr(evaluator._process_document_results, "__wrapped__"):
        _pack(evaluator)
    if not hasattr(TaskOutput.calculate_aggregate_metric, "__wrapped__"):
        _open(TaskOutput)


def _pack(evaluator: Any) -> None:
    """Has what the host finds of a document be packed at once, and its reply let go."""
    original = evaluator._process_document_results

    @wraps(original)
    def process(item: Any, *, task: Any, **named: Any) -> Any:
        scored = original(item, task=task, **named)
        figures = tuple(scored.metrics)
        if not of_ours(task) or scored.per_sample_scores or "verdict" not in figures:
            return scored
        kind = _Unlogged if scored.logged_sample is None else Parcel
        line = scored.metrics if scored.logged_sample is None else scored.logged_sample
        for request in item[2] if len(task._filters) == 1 else ():
            if isinstance(request, Slip):
                request.let_go()
        return kind(task.config.task, line, _NAMES.setdefault(figures, figures))

    evaluator._process_document_results = process


def _open(task_output: Any) -> None:
    """Has the host read what is in the parcels, once it has those of all ranks."""
    original = task_output.calculate_aggregate_metric

    @wraps(original)
    def calculate(self: Any, *given: Any, **named: Any) -> Any:
        if of_ours(self.task):
            self.logged_samples = Contents(self.logged_samples)
            for (figure, filter_key), items in self.sample_metrics.items():
                if figure in CURVES + WHOLE:
                    self.sample_metrics[figure, filter_key] = Contents(items, figure)
        return original(self, *given, **named)

    task_output.calculate_aggregate_metric = calculate
