"""Slips: requests of our tasks as lmms-eval keeps them until the last sample is scored.

lmms-eval's own `Instance` has tables, lists and copies of its own for every request. Requests of
one task differ in the document and the prompt: the rest stands here once for all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from resolution_eval.host.reply_texts import FoldedReplies, begin_replies

_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {}
"""Names of filters, as one object for all requests."""


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


class _Replies(FoldedReplies):
    """The replies of a slip, which is told what is appended."""

    __slots__ = ("_slip",)

    def __init__(self, slip: Slip, replies: Iterable[bytes]) -> None:
        list.__init__(self, replies)
        self._slip = slip

    def append(self, text: Any) -> None:
        if self or not isinstance(text, str):
            self._slip.resps = [*self, text]
        else:
            super().append(text)
            (self._slip.reply,) = list.__iter__(self)


class _Counts(list[Any]):
    """No token counts: a slip is told of the first that is one."""

    __slots__ = ("_slip",)

    def __init__(self, slip: Slip) -> None:
        super().__init__()
        self._slip = slip

    def append(self, count: Any) -> None:
        super().append(count)
        if count is not None:
            self._slip.token_counts = list(self)


class _Filtered(dict[str, Any]):
    """What each filter left of a slip's replies; the slip is told what is set."""

    def __init__(self, slip: Slip, items: Iterable[tuple[str, Any]]) -> None:
        super().__init__(items)
        self._slip = slip

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if list(self.values()) == list(self._slip.resps):
            self._slip.filters = _NAMES.setdefault(names := tuple(self), names)
        else:
            self._slip.filtered_resps = self


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

    __slots__ = ("_text", "changes", "doc_id", "filters", "form", "reply")

    idx, repeats, doc = 0, 1, None

    def __init__(self, form: RequestForm, text: str, doc_id: int) -> None:
        self.form, self._text, self.doc_id = form, text, doc_id
        self.let_go()

    def let_go(self) -> None:
        """Forget the reply, and whatever was set: the sample is scored."""
        self.reply: bytes | None = None
        self.filters: tuple[str, ...] = ()
        """Name of the filter that left the reply as it is."""
        self.changes: dict[str, Any] | None = None
        """What the host set to something else than what is made here."""

    def __copy__(self) -> Slip:
        twin = Slip(self.form, self._text, self.doc_id)
        twin.reply, twin.filters, twin.changes = self.reply, self.filters, self.changes
        return twin

    request_type = property(lambda self: self.form.request_type)
    task_name = property(lambda self: self.form.task)
    metadata = _attribute("metadata", lambda self: self.form.metadata(self.doc_id))
    arguments = _attribute("arguments", lambda self: self.form.arguments(self._text, self.doc_id))
    args = property(lambda self: self.arguments)
    resps = _attribute(
        "resps", lambda self: _Replies(self, () if self.reply is None else (self.reply,))
    )
    token_counts = _attribute("token_counts", _Counts)
    filtered_resps = _attribute(
        "filtered_resps", lambda self: _Filtered(self, zip(self.filters, self.resps, strict=False))
    )

    @property
    def raw_filtered_resps(self) -> dict[str, Any]:
        if self.changes is None or "raw" not in self.changes:
            self.changes = {**(self.changes or {}), "raw": {}}
        raw: dict[str, Any] = self.changes["raw"]
        return raw


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
            begin_replies()
        return Slip(last[0], text, doc_id)

    task_class.construct_requests = construct_requests
