"""Scored samples of our tasks as lmms-eval keeps them until it writes them: as bytes.

lmms-eval keeps of every sample all that its task said of it, twice, a copy of the document, and the
reply, and hands them over when the last one is scored. Here they are compact lists, which make a
sample when it is written and let it go.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import ItemsView, Mapping
from dataclasses import replace
from functools import wraps
from types import ModuleType
from typing import Any

from resolution_eval.ground.compact import CODECS, CompactList, Held

EVALUATOR = "lmms_eval.evaluator"
SAMPLE = "sample"
"""Kind of what is held: a line of the samples file."""


def install() -> None:
    """Teach lmms-eval, where it is loaded, to keep requests and samples of our tasks compactly."""
    module = sys.modules.get(EVALUATOR)
    if module is None or hasattr(module, "keeps_resolution_eval_compactly"):
        return
    module.keeps_resolution_eval_compactly = True  # type: ignore[attr-defined]
    _keep_requests()
    _keep_samples(module)
    _keep_lists()


def ours(task: Any) -> bool:
    """Whether a task of lmms-eval is one of ours."""
    return "card" in (getattr(getattr(task, "config", None), "metadata", None) or {})


def _keep_requests() -> None:
    from lmms_eval.api.task import ConfigurableTask

    from resolution_eval.host.request_views import RequestView, Shared, lean

    own = ConfigurableTask.construct_requests
    last: Shared | None = None

    @wraps(own)
    def construct_requests(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal last
        found = own(self, *given, **named)
        view = lean(found, last) if ours(self) else found
        last = view.shared if isinstance(view, RequestView) else None
        return view

    ConfigurableTask.construct_requests = construct_requests


def _keep_samples(module: ModuleType) -> None:
    from resolution_eval.host.request_views import RequestView

    own = module._process_document_results

    @wraps(own)
    def process(item: Any, *, task: Any, **named: Any) -> Any:
        processed = own(item, task=task, **named)
        if not ours(task):
            return processed
        made = replace(
            processed,
            metrics=Figures.of(processed.metrics, task.aggregation()),
            logged_sample=_logged(processed.logged_sample),
        )
        if len(task._filters) == 1:
            for request in item[2]:
                if isinstance(request, RequestView):
                    request.let_go()
        return made

    module._process_document_results = process  # type: ignore[attr-defined]


def _logged(sample: dict[str, Any] | None) -> Held | None:
    """The line of a sample, as bytes."""
    if sample is None:
        return None
    # a reply as it was before tags were taken out of it is a text, otherwise one of a list
    replies = [list(each) if isinstance(each, list) else each for each in sample["resps"]]
    return CODECS[SAMPLE].encode({**sample, "resps": replies})


class Figures:
    """What one sample adds to each figure, as bytes; what enters none is left out."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: tuple[Held, ...]) -> None:
        self._names, self._values = names, values

    @classmethod
    def of(cls, metrics: Mapping[str, Any], figures: Mapping[str, Any]) -> Figures:
        """Those of a sample's metrics that the task adds up."""
        names = tuple(name for name in metrics if name in figures)
        values = tuple(CODECS[name].encode(metrics[name]) for name in names)
        return cls(_NAMES.setdefault(names, names), values)

    def items(self) -> ItemsView[str, Held]:
        """Name and bytes of each."""
        return dict(zip(self._names, self._values, strict=True)).items()


_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {}


class FigureLists(defaultdict[tuple[str, str], Any]):
    """What all samples add to each figure, by its name and filter."""

    def __missing__(self, key: tuple[str, str]) -> CompactList:
        self[key] = made = CompactList.of(key[0])
        return made


def _keep_lists() -> None:
    """Has the host's lists of samples and of figures be compact, for tasks of ours."""
    from lmms_eval.evaluator_utils import TaskOutput

    begin = TaskOutput.__init__

    @wraps(begin)
    def made(self: Any, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        if ours(self.task):
            self.logged_samples = CompactList.of(SAMPLE)
            self.sample_metrics = FigureLists()

    TaskOutput.__init__ = made
