"""What a base sends to a server and what it is answered, watched at its HTTP client.

Nothing of a header or an address is kept beyond the process's memory: they hold keys.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from unittest.mock import patch

from resolution_eval.evidence.attestation import Sent
from resolution_eval.ground.notation import json_value
from resolution_eval.models.wrapped.journal import Journal
from resolution_eval.models.wrapped.pauses import Pauses

CLIENTS = (
    ("httpx", "Client"),
    ("httpx", "AsyncClient"),
    ("httpx2", "Client"),
    ("httpx2", "AsyncClient"),
    ("requests", "Session"),
)
"""HTTP clients of the packages that lmms-eval's models use, and whose `send` is watched."""
SHOWN = 120
"""Characters of an unreadable answer that a fault quotes."""


@dataclass
class Exchange:
    """One request that holds a question, and what came back."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    images: list[Sent] = field(default_factory=list)
    text: str = field(default="", repr=False)
    """All texts of the request, one after the other."""
    status: int | None = None
    """HTTP status; None where no answer came."""
    answer: dict[str, Any] | None = field(default=None, repr=False)
    fault: str | None = None
    """Why there is no answer that can be read."""
    kind: str = ""
    """The same in one word."""

    def without_images(self) -> dict[str, Any]:
        """The same request without its images, answered by one token."""
        body: dict[str, Any] = _stripped(self.body)
        for name, least in (("max_tokens", 1), ("max_completion_tokens", 16)):
            if name in body:
                body[name] = least
        return {name: value for name, value in body.items() if name != "stream"}


@contextmanager
def watched(exchanges: list[Exchange], journal: Journal, pauses: Pauses) -> Iterator[None]:
    """Notes every question that is sent to a server meanwhile, and its answer.

    A question that the `journal` holds an answer to is not sent; one to a server that asked for a
    pause waits with all others.
    """
    with ExitStack() as stack:
        for package, name in CLIENTS:
            if package not in sys.modules:
                continue
            client = getattr(importlib.import_module(package), name, None)
            if client is not None:
                watching = _watching_async if name.startswith("Async") else _watching
                noting = watching(client.send, exchanges, journal, pauses)
                stack.enter_context(patch.object(client, "send", noting))
        yield


def _watching(
    send: Callable[..., Any], exchanges: list[Exchange], journal: Journal, pauses: Pauses
) -> Callable[..., Any]:
    def watching(client: Any, request: Any, **options: Any) -> Any:
        exchange = _begun(request, exchanges)
        try:
            response = _kept(exchange, request, journal)
            if response is None:
                sent = pauses.wait(str(request.url))
                response = send(client, request, **options)
                _noted(response, str(request.url), sent, pauses)
                _ended(exchange, response, journal)
        except Exception as error:
            _lost(exchange, error)
            raise
        return response

    return watching


def _watching_async(
    send: Callable[..., Any], exchanges: list[Exchange], journal: Journal, pauses: Pauses
) -> Callable[..., Any]:
    async def watching(client: Any, request: Any, **options: Any) -> Any:
        exchange = _begun(request, exchanges)
        try:
            response = _kept(exchange, request, journal)
            if response is None:
                sent = await pauses.wait_async(str(request.url))
                response = await send(client, request, **options)
                _noted(response, str(request.url), sent, pauses)
                _ended(exchange, response, journal)
        except Exception as error:
            _lost(exchange, error)
            raise
        return response

    return watching


def _noted(response: Any, url: str, sent: float, pauses: Pauses) -> None:
    """Heeds the pause that the server asks for."""
    pauses.note(url, int(response.status_code), response.headers, sent)


def _begun(request: Any, exchanges: list[Exchange]) -> Exchange | None:
    """The exchange that `request` begins; None where it asks no question."""
    content = getattr(request, "content", None) or getattr(request, "body", None)
    try:
        body = json_value(content) if content else None
    except (ValueError, TypeError):
        return None
    if not isinstance(body, dict) or not {"messages", "contents", "input"} & set(body):
        return None
    exchange = Exchange(str(request.url), dict(request.headers), body)
    exchange.images = list(_images(body))
    exchange.text = "\n".join(_texts(body))
    exchanges.append(exchange)
    return exchange


def _kept(exchange: Exchange | None, request: Any, journal: Journal) -> Any:
    """The response that an earlier run was given, in the class of the client's package; None where
    there is none, or the package is not one that builds them.
    """
    package = sys.modules[type(request).__module__.partition(".")[0]]
    if exchange is None or not package.__name__.startswith("httpx"):
        return None
    answer = journal.take(exchange.url, exchange.body)
    if answer is None:
        return None
    exchange.status, exchange.answer = 200, answer
    return package.Response(200, json=answer, request=request)


def _ended(exchange: Exchange | None, response: Any, journal: Journal) -> None:
    """Notes the answer, or why it is none."""
    if exchange is None:
        return
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
        return
    if exchange.status >= 400 or not isinstance(answer, dict):
        exchange.kind = "rate limited" if exchange.status == 429 else "refused request"
        exchange.fault = f"status {exchange.status}: {str(answer)[:SHOWN]}"
        return
    exchange.answer = answer
    journal.keep(exchange.url, exchange.body, answer)


def _lost(exchange: Exchange | None, error: Exception) -> None:
    """Notes that no answer came; the server may have billed one."""
    if exchange is not None and exchange.fault is None:
        name = type(error).__name__
        exchange.kind = "timeout" if "Timeout" in name else "no connection"
        exchange.fault = f"{name}: no answer came, and the request may have been billed"


def _images(node: Any) -> Iterator[Sent]:
    """Every image in a request, in order: data URLs, and Anthropic's and Gemini's own forms."""
    for _, value in _leaves(node):
        if isinstance(value, bytes):
            yield _sent(value)


def _texts(node: Any) -> Iterator[str]:
    for key, value in _leaves(node):
        if isinstance(value, str) and key in ("text", "content", "system"):
            yield value


def _leaves(node: Any, key: str = "") -> Iterator[tuple[str, str | bytes]]:
    """Texts with the keys they stand under, images decoded."""
    if isinstance(node, dict):
        data = _image_bytes(node)
        if data is not None:
            yield "image", data
            return
        for name, value in node.items():
            yield from _leaves(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value, key)
    elif isinstance(node, str):
        yield key, node


def _image_bytes(node: Mapping[str, Any]) -> bytes | None:
    """The image that a part of a request holds."""
    if node.get("type") == "image_url":
        held = node.get("image_url")
        address = held.get("url") if isinstance(held, dict) else held
        return _decoded(str(address).partition("base64,")[2])
    if node.get("type") == "image" and isinstance(node.get("source"), dict):
        return _decoded(node["source"].get("data"))
    inline = node.get("inlineData") or node.get("inline_data")
    return _decoded(inline.get("data")) if isinstance(inline, dict) else None


def _decoded(text: Any) -> bytes | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _sent(data: bytes) -> Sent:
    """What the bytes of an image are; 0 x 0 where they are none."""
    from PIL import Image, UnidentifiedImageError

    width, height, kind = 0, 0, "unknown"
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height, kind = image.width, image.height, str(image.format)
    except (UnidentifiedImageError, OSError):
        pass
    digest = sha256(data).hexdigest()
    return Sent(width=width, height=height, format=kind, bytes=len(data), sha256=digest)


def _stripped(node: Any) -> Any:
    """A request without the parts that hold an image."""
    if isinstance(node, dict):
        return {name: _stripped(value) for name, value in node.items()}
    if isinstance(node, list):
        kept = (each for each in node if not isinstance(each, dict) or _image_bytes(each) is None)
        return [_stripped(each) for each in kept]
    return node
