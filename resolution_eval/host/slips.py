"""Slips: requests of our tasks as lmms-eval keeps them until the last sample is scored.

lmms-eval's own `Instance` has tables, lists and copies of its own for every request. Requests of
one task differ in the document and the prompt: the rest stands here once for all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RequestForm:
    """What all requests of one task have in common."""

    request_type: str
    task: str
    split: str
    generation: Mapping[str, Any]
    visual: Callable[..., Any]
    more: Mapping[str, Any]
    """The task's own metadata."""

    def arguments(self, text: str, doc_id: int) -> tuple[Any, ...]:
        """As the host builds them; the generation arguments are the caller's own, who may pop."""
        own = copy.deepcopy(self.generation)
        return text, own, self.visual, doc_id, self.task, self.split

    def metadata(self, doc_id: int) -> dict[str, Any]:
        """As the host builds it."""
        return {"task": self.task, "doc_id": doc_id, "repeats": 1, "split": self.split, **self.more}


class _Replies(list[Any]):
    """The replies, or token counts, of a slip, which is told what is appended."""

    def __init__(self, slip: Slip, name: str, items: list[Any]) -> None:
        super().__init__(items)
        self._slip, self._name = slip, name

    def append(self, item: Any) -> None:
        super().append(item)
        self._slip.note(self._name, self)


class _Filtered(dict[str, Any]):
    """What each filter left of a slip's replies; the slip is told what is set."""

    def __init__(self, slip: Slip, items: Mapping[str, Any]) -> None:
        super().__init__(items)
        self._slip = slip

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._slip.note("filtered_resps", self)


def _attribute(name: str, made: Callable[[Any], Any]) -> Any:
    """An attribute as the host set it, or as `made` makes it each time."""

    def read(slip: Slip) -> Any:
        return slip.changes[name] if slip.changes and name in slip.changes else made(slip)

    def change(slip: Slip, value: Any) -> None:
        # of every request the host sets the arguments that it has just read
        if name != "arguments" or value != slip.arguments:
            slip.changes = {**(slip.changes or {}), name: value}

    return property(read, change)


class Slip:
    """One request that is asked once: all that lmms-eval looks for on an `Instance`."""

    __slots__ = ("_filter", "_reply", "_text", "changes", "doc_id", "form")

    idx, repeats, doc = 0, 1, None

    def __init__(self, form: RequestForm, text: str, doc_id: int) -> None:
        self.form, self._text, self.doc_id = form, text, doc_id
        self.let_go()

    def let_go(self) -> None:
        """Forget the reply, and whatever was set: the sample is scored."""
        self._reply: str | None = None
        self._filter: str | None = None
        """Name of the filter that left the reply as it is."""
        self.changes: dict[str, Any] | None = None
        """What the host set to something else than what is made here."""

    def __copy__(self) -> Slip:
        twin = Slip(self.form, self._text, self.doc_id)
        twin._reply, twin._filter, twin.changes = self._reply, self._filter, self.changes
        return twin

    request_type = property(lambda self: self.form.request_type)
    task_name = property(lambda self: self.form.task)
    metadata = _attribute("metadata", lambda self: self.form.metadata(self.doc_id))
    arguments = _attribute("arguments", lambda self: self.form.arguments(self._text, self.doc_id))
    args = property(lambda self: self.arguments)
    resps = _attribute("resps", lambda self: _Replies(self, "resps", self._kept()))
    token_counts = _attribute("token_counts", lambda self: _Replies(self, "token_counts", []))
    filtered_resps = _attribute(
        "filtered_resps",
        lambda self: _Filtered(self, {} if self._filter is None else {self._filter: self._reply}),
    )

    def _kept(self) -> list[Any]:
        return [] if self._reply is None else [self._reply]

    @property
    def raw_filtered_resps(self) -> dict[str, Any]:
        if self.changes is None or "raw" not in self.changes:
            self.changes = {**(self.changes or {}), "raw": {}}
        raw: dict[str, Any] = self.changes["raw"]
        return raw

    def note(self, name: str, items: Any) -> None:
        """Keep what a list or a table holds now: as little as tells it."""
        if name == "resps" and len(items) == 1 and isinstance(items[0], str):
            self._reply = items[0]
        elif name == "filtered_resps" and len(items) == 1 and self._reply in items.values():
            (self._filter,) = items
        elif name != "token_counts" or any(count is not None for count in items):
            self.changes = {**(self.changes or {}), name: items}


def of_ours(task: Any) -> bool:
    """Whether a task of lmms-eval is one of ours."""
    return "card" in (getattr(getattr(task, "config", None), "metadata", None) or {})


def watch_requests(task_class: Any) -> None:
    """Have the requests that a class of lmms-eval's tasks builds for tasks of ours be slips."""
    original = task_class.construct_requests
    if hasattr(original, "__wrapped__"):
        return
    last: list[RequestForm] = []

    @wraps(original)
    def construct_requests(self: Any, *given: Any, **named: Any) -> Any:
        request = original(self, *given, **named)
        if not of_ours(self) or request.repeats != 1 or len(request.arguments) != 6:
            return request
        text, generation, visual, doc_id, task, split = request.arguments
        own = {"task", "doc_id", "repeats", "split"}
        form = RequestForm(
            request_type=request.request_type,
            task=task,
            split=split,
            generation=generation,
            visual=visual,
            more={key: value for key, value in request.metadata.items() if key not in own},
        )
        if last != [form]:
            last[:] = [form]
        return Slip(last[0], text, doc_id)

    task_class.construct_requests = construct_requests
