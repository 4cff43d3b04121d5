"""What a base sends to a server and what it is answered, watched at its HTTP client.

Nothing of a header or an address is kept beyond the process's memory: they hold keys.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from resolution_eval.ground.errors import ModelError
from resolution_eval.ground.notation import json_value
from resolution_eval.models.providers.usage import free
from resolution_eval.models.wrapped.exchange import Exchange, begun
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
UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ConnectionError")
"""Errors of a request that never left."""
SHOWN = 120
"""Characters of an unreadable answer that a fault quotes."""


@dataclass
class Channel:
    """The way to a server: its earlier answers, the pauses it asks for, and what may be spent."""

    journal: Journal = field(default_factory=lambda: Journal(None))
    pauses: Pauses = field(default_factory=Pauses)
    spending: Spending = field(default_factory=Spending)


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
        exchange = begun(request, exchanges)
        if exchange is None:
            return send(client, request, **options)
        if (kept := _kept(exchange, request, channel.journal)) is not None:
            return kept
        held = channel.spending.reserve(exchange)
        if held is None:
            return _unasked(exchange, request, channel.spending)
        try:
            sent = channel.pauses.wait(str(request.url))
            response = send(client, request, **options)
            channel.pauses.note(exchange.url, response.status_code, response.headers, sent)
            return _ended(exchange, request, response, channel.journal)
        except Exception as error:
            _lost(exchange, error)
            raise
        finally:
            channel.spending.settle(held, exchange)

    return watching


def _watching_async(
    send: Callable[..., Any], exchanges: list[Exchange], channel: Channel
) -> Callable[..., Any]:
    async def watching(client: Any, request: Any, **options: Any) -> Any:
        exchange = begun(request, exchanges)
        if exchange is None:
            return await send(client, request, **options)
        if (kept := _kept(exchange, request, channel.journal)) is not None:
            return kept
        held = await channel.spending.reserve_async(exchange)
        if held is None:
            return _unasked(exchange, request, channel.spending)
        try:
            sent = await channel.pauses.wait_async(str(request.url))
            response = await send(client, request, **options)
            channel.pauses.note(exchange.url, response.status_code, response.headers, sent)
            return _ended(exchange, request, response, channel.journal)
        except Exception as error:
            _lost(exchange, error)
            raise
        finally:
            channel.spending.settle(held, exchange)

    return watching


def _package(request: Any) -> Any:
    """The package of a request, as the client's responses are of."""
    return sys.modules[type(request).__module__.partition(".")[0]]


def _unasked(exchange: Exchange, request: Any, spending: Spending) -> Any:
    """The response in place of one that the budget has no room for."""
    exchange.kind, exchange.fault = "budget", spending.ended
    package = _package(request)
    if not package.__name__.startswith("httpx"):
        raise ModelError(str(spending.ended))
    return package.Response(402, json={"error": {"message": spending.ended}}, request=request)


def _kept(exchange: Exchange, request: Any, journal: Journal) -> Any:
    """The response that an earlier run was given, in the class of the client's package, as one that
    costs nothing; None where there is none, or the package is not one that builds them.
    """
    package = _package(request)
    if journal.asks_nothing and not package.__name__.startswith("httpx"):
        raise ModelError(f"batch= cannot hold back what a base asks by {package.__name__}")
    if not package.__name__.startswith("httpx"):
        return None
    answer = journal.take(exchange.url, exchange.body, exchange.headers)
    if answer is None:
        return None
    exchange.status, exchange.answer = 200, answer
    return package.Response(200, json=free(answer), request=request)


def _ended(exchange: Exchange, request: Any, response: Any, journal: Journal) -> Any:
    """Notes the answer, or why it is none; the response as the base shall read it."""
    exchange.status = int(response.status_code)
    data: bytes = response.content
    kind = str(response.headers.get("content-type", "")).partition(";")[0].strip()
    try:
        answer = json_value(data)
    except ValueError:
        shown = data[:SHOWN].decode("utf-8", "replace")
        exchange.kind = "truncated" if kind == "application/json" else "not JSON"
        cut = "an answer that ends early" if exchange.kind == "truncated" else f"{kind or 'text'}"
        exchange.fault = f"{cut} in place of JSON (status {exchange.status}): {shown!r}"
        return response
    if exchange.status >= 400 or not isinstance(answer, dict):
        exchange.kind = "rate limited" if exchange.status == 429 else "refused request"
        exchange.fault = f"status {exchange.status}: {str(answer)[:SHOWN]}"
        return response
    exchange.answer = answer
    journal.keep(exchange.url, exchange.body, answer)
    return response


def _lost(exchange: Exchange, error: Exception) -> None:
    """Notes that no answer came; the server may have billed one."""
    if exchange.fault is None:
        name = type(error).__name__
        exchange.kind = "timeout" if "Timeout" in name else "no connection"
        exchange.unsent = name in UNSENT
        billed = "" if exchange.unsent else ", and the request may have been billed"
        exchange.fault = f"{name}: no answer came{billed}"
