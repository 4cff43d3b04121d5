"""An exchange: one question that is sent to a server, with its images, and what came back.

Nothing of a header or an address is kept beyond the process's memory: they hold keys.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from resolution_eval.evidence.attestation import Sent
from resolution_eval.ground.notation import json_table
from resolution_eval.models.providers.usage import refusal_of

STANDARD = str.maketrans("-_", "+/")
"""From the alphabet for addresses, in which google-genai writes images, to the usual one."""

UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "NewConnectionError")
"""Errors of a request that never left, of httpx, requests and urllib3."""

LATE = (408, 499, 504, 524)
"""Statuses of a question that was taken and whose answer was not waited for: it may be billed."""


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
    unsent: bool = False
    """Whether the request never left, so that nothing can be billed for it."""

    @property
    def digest(self) -> str:
        """What it is known by in a journal."""
        return digest_of(self.url, self.body)

    @property
    def explained(self) -> bool:
        """Whether the server's word, or its silence, tells why there is no answer."""
        return self.fault is not None or refusal_of(self.answer or {}) is not None

    def without_images(self) -> dict[str, Any]:
        """The same request without its images, answered by one token."""
        body: dict[str, Any] = _stripped(self.body)
        for name, least in (("max_tokens", 1), ("max_completion_tokens", 16)):
            if name in body:
                body[name] = least
        if isinstance(body.get("generationConfig"), dict):
            body["generationConfig"] = {**body["generationConfig"], "maxOutputTokens": 1}
        return {name: value for name, value in body.items() if name != "stream"}


def digest_of(url: str, body: Mapping[str, Any]) -> str:
    """What a request is known by; the address's query is no part of it."""
    said = json.dumps([url.partition("?")[0], body], sort_keys=True)
    return sha256(said.encode()).hexdigest()


def elsewhere(asked: str, answered: str) -> str | None:
    """The machine at the address that answered, where it is not the one that was asked.

    Example:
        >>> elsewhere("https://a.org/v1/chat", "https://b.org/v1"), elsewhere("http://a", "http://a:9")
        ('b.org', None)
    """
    wanted, answering = urlsplit(asked).hostname, urlsplit(answered).hostname
    return None if wanted == answering else f"{answering}"


def never_left(error: Exception) -> bool:
    """Whether a client's error says that its request was never sent.

    Of requests, a `ConnectionError` may be one or the other: urllib3's reason, within it, tells.
    """
    within = getattr(error.args[0], "reason", None) if error.args else None
    kinds = {kind.__name__ for each in (error, within) for kind in type(each).__mro__}
    return not kinds.isdisjoint(UNSENT)


def begun(request: Any, exchanges: list[Exchange]) -> Exchange | None:
    """The exchange that `request` begins; None where it asks no question."""
    content = _content(request)
    body = json_table(content) if isinstance(content, str | bytes) else None
    if body is None or not {"messages", "contents", "input"} & set(body):
        return None
    exchange = Exchange(str(request.url), dict(request.headers), body)
    exchange.images = list(images_of(body))
    exchange.text = "\n".join(_texts(body))
    exchanges.append(exchange)
    return exchange


def _content(request: Any) -> Any:
    """The body of a client's request; None of one that is sent piece by piece, as files are."""
    try:
        return getattr(request, "content", None) or getattr(request, "body", None)
    except RuntimeError:  # httpx's, of a body that was not read
        return None


def images_of(node: Any) -> Iterator[Sent]:
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
    padded = text + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(padded.translate(STANDARD), validate=True)
    except (binascii.Error, ValueError):
        return None


def _sent(data: bytes) -> Sent:
    """What the bytes of an image are; 0 x 0 where they are none."""
    from PIL import Image

    width, height, kind = 0, 0, "unknown"
    with suppress(OSError), Image.open(io.BytesIO(data)) as image:
        width, height, kind = image.width, image.height, str(image.format)
    digest = sha256(data).hexdigest()
    return Sent(width=width, height=height, format=kind, bytes=len(data), sha256=digest)


def placeholder(path: str, model: str, text: str) -> dict[str, Any]:
    """An answer that nobody reads, of `text`, in the form of the provider at the path asked."""
    if path.endswith("/messages"):
        return {
            "id": "0",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
    if path.endswith(":generateContent"):
        turn = {"role": "model", "parts": [{"text": text}]}
        return {"candidates": [{"content": turn, "finishReason": "STOP"}]}
    message = {"role": "assistant", "content": text}
    return {
        "id": "0",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
    }


def _stripped(node: Any) -> Any:
    """A request without the parts that hold an image."""
    if isinstance(node, dict):
        return {name: _stripped(value) for name, value in node.items()}
    if isinstance(node, list):
        kept = (each for each in node if not isinstance(each, dict) or _image_bytes(each) is None)
        return [_stripped(each) for each in kept]
    return node
