"""What a base sends to a server and what it is answered, watched at its HTTP client.

Nothing of a header or an address is kept beyond the process's memory: they hold keys.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from unittest.mock import patch

from resolution_eval.ground.errors import ModelError
from resolution_eval.ground.notation import NotationError, json_value
from resolution_eval.models.providers.usage import error_within, free, no_text_of, sound, unsound
from resolution_eval.models.wrapped.exchange import LATE, Exchange, begun, elsewhere, never_left
from resolution_eval.models.wrapped.journal import Journal
from resolution_eval.models.wrapped.pauses import Pauses
from resolution_eval.models.wrapped.spending import Spending

CLIENTS = (
    ("httpx", "Client"),
    ("httpx", "AsyncClient"),
    ("httpx2", "Client"),
    ("httpx2", "AsyncClient"),
    ("requests", "Session"),
)
"""HTTP clients of the packages that lmms-eval's models use, and whose `send` is watched."""
LOST = {
    **dict.fromkeys(("DecodingError", "ContentDecodingError"), "unreadable"),
    **dict.fromkeys(("RemoteProtocolError", "ChunkedEncodingError", "IncompleteRead"), "truncated"),
}
"""Words for an answer that came and cannot be read, by the error's name."""
LACKING = {"Timeout": "timeout", "TooManyRedirects": "redirected"}
"""Words for why no answer came, by a part of the error's name."""
SILENT = "without sending a response"
"""What httpx says of a server that hung up before any answer, by an error of those."""
BOM = b"\xef\xbb\xbf"
"""A mark before a text in UTF-8, which a reader of JSON may pass over (RFC 8259, 8.1)."""
WORDS = {429: "rate limited", **dict.fromkeys(LATE, "timeout")}
"""What a status says in one word; otherwise that the request was refused."""
LONG_ID = 16
"""Fewest characters of an id that comes once; Ollama's are `chatcmpl-` and three digits."""
SHOWN = 120
"""Characters of an unreadable answer that a fault quotes."""
_SENDING: ContextVar[bool] = ContextVar("sending", default=False)
"""Whether a question is being sent: a client that follows a redirect asks no second one."""


@dataclass
class Channel:
    """The way to a server: its earlier answers, the pauses it asks for, and what may be spent."""

    journal: Journal = field(default_factory=lambda: Journal(None))
    pauses: Pauses = field(default_factory=Pauses)
    spending: Spending = field(default_factory=Spending)
    given: dict[str, str] = field(default_factory=dict)
    """Digests of the answers of this run, and of the requests that they answered."""

    def gave_before(self, exchange: Exchange, answer: Mapping[str, Any]) -> bool:
        """Whether this very answer, its id included, was given to another request."""
        if len(str(answer.get("id") or "")) < LONG_ID:
            return False
        told = json.dumps(answer, sort_keys=True, default=str)
        asked = exchange.digest
        return self.given.setdefault(sha256(told.encode()).hexdigest(), asked) != asked


@contextmanager
def watched(exchanges: list[Exchange], channel: Channel) -> Iterator[None]:
    """Notes every question that is sent to a server meanwhile, and its answer.

    A question that the journal holds an answer to is not sent, nor one that the budget has no room
    for; one to a server that asked for a pause waits with all others.
    """
    with ExitStack() as stack:
        for package, name in CLIENTS:
            if package not in sys.modules:
                continue
            client = getattr(importlib.import_module(package), name, None)
            if client is not None:
                watching = _watching_async if name.startswith("Async") else _watching
                noting = watching(client.send, exchanges, channel)
                stack.enter_context(patch.object(client, "send", noting))
        yield


def _watching(
    send: Callable[..., Any], exchanges: list[Exchange], channel: Channel
) -> Callable[..., Any]:
    def watching(client: Any, request: Any, **options: Any) -> Any:
        exchange = None if _SENDING.get() else begun(request, exchanges)
        if exchange is None:
            return send(client, request, **options)
        if (kept := _kept(exchange, request, channel.journal)) is not None:
            return kept
        held = channel.spending.reserve(exchange)
        if held is None:
            return _unasked(exchange, request, channel.spending)
        with _under_way(exchange, held, channel.spending):
            sent = channel.pauses.wait(exchange.url)
            response = send(client, request, **options)
            return _ended(exchange, request, response, channel, sent)

    return watching


def _watching_async(
    send: Callable[..., Any], exchanges: list[Exchange], channel: Channel
) -> Callable[..., Any]:
    async def watching(client: Any, request: Any, **options: Any) -> Any:
        exchange = None if _SENDING.get() else begun(request, exchanges)
        if exchange is None:
            return await send(client, request, **options)
        if (kept := _kept(exchange, request, channel.journal)) is not None:
            return kept
        held = await channel.spending.reserve_async(exchange)
        if held is None:
            return _unasked(exchange, request, channel.spending)
        with _under_way(exchange, held, channel.spending):
            sent = await channel.pauses.wait_async(exchange.url)
            response = await send(client, request, **options)
            return _ended(exchange, request, response, channel, sent)

    return watching


@contextmanager
def _under_way(exchange: Exchange, held: int, spending: Spending) -> Iterator[None]:
    """A question is sent, for which so many tokens are held, until its answer is noted or lost."""
    token = _SENDING.set(True)
    try:
        yield
    except Exception as error:
        _lost(exchange, error)
        raise
    finally:
        spending.settle(held, exchange)
        _SENDING.reset(token)  # raises where a coroutine is closed in another context


def _package(request: Any) -> str:
    """Name of the package that a request is of."""
    return type(request).__module__.partition(".")[0]


def _httpx(request: Any) -> Any | None:
    """The package of a request, where it is one of which responses can be built here."""
    name = _package(request)
    return sys.modules[name] if name.startswith("httpx") else None


def _unasked(exchange: Exchange, request: Any, spending: Spending) -> Any:
    """The response in place of one that the budget has no room for."""
    exchange.kind, exchange.fault = "budget", spending.ended
    package = _httpx(request)
    if package is None:
        raise ModelError(str(spending.ended))
    return package.Response(402, json={"error": {"message": spending.ended}}, request=request)


def _kept(exchange: Exchange, request: Any, journal: Journal) -> Any:
    """The response that an earlier run was given, in the class of the client's package, as one that
    costs nothing; None where there is none, or the package is not one that builds them.
    """
    package = _httpx(request)
    if journal.asks_nothing and package is None:
        raise ModelError(f"batch= cannot hold back what a base asks by {_package(request)}")
    if package is None:
        return None
    answer = journal.take(exchange.url, exchange.body, exchange.headers)
    if answer is None:
        return None
    exchange.status, exchange.answer = 200, answer
    return package.Response(200, json=free(answer), request=request)


def _ended(exchange: Exchange, request: Any, response: Any, channel: Channel, sent: float) -> Any:
    """Notes the answer to what was sent then, or why it is none; as the base shall read it."""
    channel.pauses.note(exchange.url, response.status_code, response.headers, sent)
    exchange.status = int(response.status_code)
    fault = _fault(exchange, response, channel)
    if fault is not None:
        exchange.kind, exchange.fault = fault
        return response
    assert exchange.answer is not None
    channel.journal.keep(exchange.url, exchange.body, exchange.answer)
    package = _httpx(request)
    if package is None or not unsound(exchange.answer):
        return response
    return package.Response(exchange.status, json=sound(exchange.answer), request=request)


def _fault(exchange: Exchange, response: Any, channel: Channel) -> tuple[str, str] | None:
    """Why a response holds no answer, in one word and in a sentence; None where it holds one."""
    if (other := elsewhere(exchange.url, str(response.url))) is not None:
        return "redirected", f"{other} answered in place of the server that was asked"
    if response.history and response.request.method != "POST":
        return "redirected", (
            f"status {response.history[0].status_code} sent the question on, and the client asked "
            "again by GET, without the question: let base_url= name the place it was sent to"
        )
    data: bytes = response.content.removeprefix(BOM)
    status = int(response.status_code)
    if status >= 300:
        return WORDS.get(status, "refused request"), _refused(status, data)
    if not data.strip():
        return "empty", f"status {status}, and nothing else"
    try:
        answer = json_value(data)
    except NotationError as error:
        kind = str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()
        return _unread(data, kind, status, error)
    if not isinstance(answer, dict):
        return "unreadable", f"JSON that is no object (status {status}): {str(answer)[:SHOWN]}"
    if (within := error_within(answer)) is not None:
        return "refused request", f"an error by status {status}: {within[:SHOWN]}"
    if (wrong := no_text_of(answer)) is not None:
        return "unreadable", f"an answer in another form (status {status}): {wrong[:SHOWN]}"
    if channel.gave_before(exchange, answer):
        return "repeated answer", (
            "the very answer, with its id, that another question was given: a cache between here "
            "and the server may have answered"
        )
    exchange.answer = answer
    return None


def _refused(status: int, data: bytes) -> str:
    """What a server says by a status that is none of an answer."""
    try:
        shown = str(json_value(data))
    except NotationError:
        shown = repr(data[:SHOWN].decode("utf-8", "replace")) if data.strip() else "nothing else"
    billed = ", and the request may have been billed" if status in LATE else ""
    return f"status {status}: {shown[:SHOWN]}{billed}"


def _unread(data: bytes, kind: str, status: int, error: NotationError) -> tuple[str, str]:
    shown = data[:SHOWN].decode("utf-8", "replace")
    if kind != "application/json":
        return "not JSON", f"{kind or 'text'} in place of JSON (status {status}): {shown!r}"
    if not error.message.startswith("not JSON"):
        return "unreadable", f"an answer that is not read ({error}): {shown!r}"
    if _cut(error.__cause__):
        return "truncated", f"an answer that ends early (status {status}): {shown!r}"
    return "not JSON", f"an answer that is called JSON and is none ({error}): {shown!r}"


def _cut(error: BaseException | None) -> bool:
    """Whether a text is no JSON since it ends early."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")


def _lost(exchange: Exchange, error: Exception) -> None:
    """Notes that no answer came, or none that can be read; the server may have billed one."""
    if exchange.fault is None:
        name = type(error).__name__
        came = "" if SILENT in str(error) else LOST.get(name, "")
        exchange.kind = came or next(
            (word for part, word in LACKING.items() if part in name), "no connection"
        )
        exchange.unsent = never_left(error)
        said = "an answer came that cannot be read" if came else "no answer came"
        billed = "" if exchange.unsent else ", and the request may have been billed"
        exchange.fault = f"{name}: {said}{billed}"
