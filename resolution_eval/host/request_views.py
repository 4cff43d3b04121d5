"""Requests of our tasks as lmms-eval keeps them, in a tenth of the memory.

lmms-eval makes an `Instance` for each request, with tables, lists and copies of its own, and keeps
all of them until the last sample is scored. Those of one task differ in the document and the text:
the rest is here once for all of them, and a reply is bytes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lmms_eval.api.instance import Instance

from resolution_eval.ground.compact import CODECS, Held

REPLY = "reply"
"""Kind of what is held: an adapter's reply."""

SAME: dict[str, tuple[tuple[str, None], ...]] = {}
"""What a filter that took the first reply left, by its name: one object for all requests."""


@dataclass(frozen=True)
class Shared:
    """What all requests of one task have in common."""

    request_type: str
    task: str
    split: str
    repeats: int
    generation: Mapping[str, Any]
    visual: Callable[..., Any]
    more: Mapping[str, Any]
    """The task's own metadata."""


class RequestView(Instance):  # type: ignore[misc]
    """One request: an `Instance` whose attributes are made when they are asked for."""

    __slots__ = (
        "_arguments",
        "_counts",
        "_filtered",
        "_metadata",
        "_raw",
        "_replies",
        "_text",
        "doc_id",
        "shared",
    )

    idx = 0
    doc = None

    def __init__(self, shared: Shared, text: str, doc_id: int) -> None:
        self.shared, self._text, self.doc_id = shared, text, doc_id
        self._replies: tuple[Held, ...] = ()
        self._filtered: tuple[tuple[str, Held | None], ...] = ()
        self._counts: list[Any] | None = None
        self._raw: dict[str, Any] | None = None
        self._metadata: dict[str, Any] | None = None
        self._arguments: tuple[Any, ...] | None = None

    def let_go(self) -> None:
        """Forget the replies: the sample is scored."""
        self._replies, self._filtered, self._raw, self._counts = (), (), None, None

    @property
    def request_type(self) -> str:
        return self.shared.request_type

    @property
    def task_name(self) -> str:
        return self.shared.task

    @property
    def repeats(self) -> int:
        return self.shared.repeats

    @property
    def arguments(self) -> tuple[Any, ...]:
        """As the host builds them; the generation arguments are the caller's own, who may pop."""
        if self._arguments is not None:
            return self._arguments
        shared = self.shared
        generation = copy.deepcopy(shared.generation)
        return (self._text, generation, shared.visual, self.doc_id, shared.task, shared.split)

    @arguments.setter
    def arguments(self, value: tuple[Any, ...]) -> None:
        # the host sets what it has just read of every request
        self._arguments = None if value == self.arguments else value

    @property
    def args(self) -> tuple[Any, ...]:
        return self.arguments

    @property
    def metadata(self) -> dict[str, Any]:
        if self._metadata is not None:
            return self._metadata
        shared = self.shared
        own = {"task": shared.task, "doc_id": self.doc_id, "repeats": shared.repeats}
        return {**own, "split": shared.split, **shared.more}

    @metadata.setter
    def metadata(self, value: dict[str, Any]) -> None:
        self._metadata = value

    @property
    def resps(self) -> list[str]:
        """The replies; what is appended is kept."""
        return _Replies(self)

    @resps.setter
    def resps(self, value: list[str]) -> None:
        self._replies = tuple(CODECS[REPLY].encode(each) for each in value)

    @property
    def filtered_resps(self) -> dict[str, Any]:
        """What each filter left; what is set is kept."""
        return _FilteredReplies(self)

    @property
    def raw_filtered_resps(self) -> dict[str, Any]:
        if self._raw is None:
            self._raw = {}
        return self._raw

    @property
    def token_counts(self) -> list[Any]:
        """What was counted; nothing is kept of requests of which nobody counted."""
        return _Counts(self) if self._counts is None else self._counts

    @token_counts.setter
    def token_counts(self, value: list[Any]) -> None:
        self._counts = value or None


class _Replies(list[str]):
    """The replies of one request."""

    def __init__(self, request: RequestView) -> None:
        super().__init__(CODECS[REPLY].decode(each) for each in request._replies)
        self._request = request

    def append(self, text: str) -> None:
        super().append(text)
        self._request._replies += (CODECS[REPLY].encode(text),)


class _FilteredReplies(dict[str, Any]):
    """What each filter left of one request's replies."""

    def __init__(self, request: RequestView) -> None:
        super().__init__()
        self._request = request
        for name, held in request._filtered:
            first = request._replies[0] if held is None else held
            super().__setitem__(name, CODECS[REPLY].decode(first))

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        held, request = CODECS[REPLY].encode(value), self._request
        if request._replies and held == request._replies[0] and not request._filtered:
            request._filtered = SAME.setdefault(name, ((name, None),))
        else:
            others = tuple(pair for pair in request._filtered if pair[0] != name)
            request._filtered = (*others, (name, held))


class _Counts(list[Any]):
    """No counts yet: the first that is one is kept."""

    def __init__(self, request: RequestView) -> None:
        super().__init__()
        self._request = request

    def append(self, count: Any) -> None:
        super().append(count)
        if count is not None:
            self._request._counts = self


def lean(requests: Any, last: Shared | None = None) -> Any:
    """The request that a task of ours built, as a view; anything else as it is.

    `last` is what the request before it shared: the same object serves where nothing differs.
    """
    if type(requests) is not Instance or len(requests.arguments) != 6 or requests.idx != 0:
        return requests
    text, generation, visual, doc_id, name, split = requests.arguments
    own = {"task", "doc_id", "repeats", "split"}
    shared = Shared(
        request_type=requests.request_type,
        task=name,
        split=split,
        repeats=requests.repeats,
        generation=generation,
        visual=visual,
        more={key: value for key, value in requests.metadata.items() if key not in own},
    )
    return RequestView(last if last == shared else shared, text, doc_id)
