"""A server on loopback that speaks OpenAI's chat completions and can be told to misbehave.

It counts images by arithmetic of its own, not by the package's rules.
"""

from __future__ import annotations

import base64
import io
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

Count = Callable[[int, int], int]
"""Image tokens of a width and a height."""


def claude(width: int, height: int, edge: int = 1568, most: int = 1568) -> int:
    """Squares of 28 px, the long edge walked down a pixel at a time until both bounds hold."""
    long, short = max(width, height), min(width, height)
    for left in range(min(long, edge), 0, -1):
        other = max(1, math.floor(short * left / long + 0.5))
        squares = math.ceil(left / 28) * math.ceil(other / 28)
        if squares <= most:
            return squares
    raise AssertionError("no size fits")


def gpt_4o(width: int, height: int) -> int:
    """85 and 170 a tile; sides are cut to whole pixels after each step."""
    wide, high = width, height
    if max(wide, high) > 2048:
        wide, high = wide * 2048 // max(width, height), high * 2048 // max(width, height)
    if min(wide, high) > 768:
        least = min(wide, high)
        wide, high = wide * 768 // least, high * 768 // least
    return 85 + 170 * (-(-max(1, wide) // 512)) * (-(-max(1, high) // 512))


def qwen(width: int, height: int) -> int:
    """As transformers' own `smart_resize` says."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    high, wide = smart_resize(height, width, 28, 3136, 12845056)
    return int(high * wide // 28**2)


def _plain(image: int) -> dict[str, Any]:
    return {"prompt_tokens_details": {"image_tokens": image, "cached_tokens": 0}}


def _vllm(image: int) -> dict[str, Any]:
    """As vLLM 0.33.0 with `--enable-prompt-tokens-details`: nothing of images without one."""
    held = {"multimodal_tokens": {"image": image}} if image else {}
    return {"prompt_tokens_details": {"cached_tokens": 0, **held}}


def _sglang(image: int) -> dict[str, Any]:
    """As SGLang 0.5.23: no details where there is no image, and thinking counted beside them."""
    details = {"cached_tokens": 0, "image_tokens": image} if image else None
    return {"prompt_tokens_details": details, "reasoning_tokens": 0}


def _both(image: int) -> dict[str, Any]:
    """Two fields for one count, which disagree."""
    held = {"multimodal_tokens": {"image": image + 1}}
    return {"prompt_tokens_details": {"image_tokens": image, **held}}


USAGES: dict[str, Callable[[int], dict[str, Any]]] = {
    "plain": _plain,
    "vllm": _vllm,
    "sglang": _sglang,
    "both": _both,
}
"""How a server tells the tokens of an image, as read in the packages of those versions."""


SPOILS: dict[str, Callable[[int], Any]] = {
    "counts as text": str,
    "negative counts": lambda count: -count,
    "fractional counts": lambda count: count + 0.5,
    "immense counts": lambda count: count + 2**40,
}


def _spoilt(told: Any, faults: set[str]) -> Any:
    """The usage with every count spoilt, where that is asked for."""
    for name in faults & set(SPOILS):
        told = {
            key: _spoilt(value, faults) if isinstance(value, dict) else SPOILS[name](value)
            for key, value in told.items()
        }
    return told


@dataclass
class Received:
    """One request."""

    size: tuple[int, int] | None
    """Width and height of its image; None where it has none."""
    text: str
    body: dict[str, Any] = field(repr=False)
    sizes: tuple[tuple[int, int], ...] = ()
    """Of all its images, in order."""


class StandIn(ThreadingHTTPServer):
    """Answers `answer`, with the usage of `count`; `faults` name how it misbehaves."""

    daemon_threads = True
    handler: type[BaseHTTPRequestHandler]
    request_queue_size = 64

    def __init__(
        self,
        count: Count = qwen,
        *,
        faults: Sequence[str] = (),
        wrapping: int = 0,
        details: bool = True,
        speaks: str = "plain",
        says: Mapping[str, str] | None = None,
        reply: Callable[[Received], str] = lambda _: "A",
    ) -> None:
        super().__init__(("127.0.0.1", 0), self.handler)
        self.count, self.faults = count, set(faults)
        self.wrapping, self.details, self.reply = wrapping, details, reply
        self.speaks, self.says = speaks, dict(says or {})
        """How it tells tokens; and its own words for the model's name, the fingerprint, an error or
        a refusal."""
        self.received: list[Received] = []
        self.headers_seen: list[dict[str, str]] = []
        """By their names in lower case, of which clients write others."""
        self.refusals = 0
        """Requests answered by status 429 so far."""
        self.retry = "0"
        """`Retry-After` of those answers, in seconds."""
        self.refused_at: float | None = None
        """When the first of them was refused."""
        self.arrivals: list[float] = []
        """When each question came."""
        self.busy = self.most_busy = 0
        """Requests under way, and the most there were at once."""
        self.delay = 0.0
        self.lock = threading.Lock()
        self.total = (0, 0)
        """Prompt and image tokens of all requests so far."""
        self.answers = 0
        self.first: bytes | None = None
        """The first answer to a question, as it was sent."""
        self.shape: Callable[[dict[str, Any]], Any] = lambda document: document
        """Makes of the answer to a question what is sent; bytes as they are."""
        self.elsewhere = ""
        """Address of another machine to send questions on to."""
        self.pair = threading.Barrier(2)
        self.swapped: dict[int, dict[str, Any]] = {}
        self.previous: tuple[int, int] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def questions(self) -> list[Received]:
        """Requests with an image."""
        return [each for each in self.received if each.size is not None]

    def image_tokens(self, size: tuple[int, int] | None) -> int:
        """What it says that an image took."""
        if size is None or "dropped" in self.faults:
            return 0
        if "placeholder" in self.faults:
            return 4
        width, height = size
        if "halved" in self.faults:
            width, height = max(1, width // 2), max(1, height // 2)
        if "capped" in self.faults and width * height > 1_000_000:
            scale = math.sqrt(1_000_000 / (width * height))
            width, height = int(width * scale), int(height * scale)
        return self.count(width, height)

    def usage(self, asked: Received) -> dict[str, Any] | None:
        if "no usage" in self.faults:
            return None
        size = asked.size
        if "previous" in self.faults and size is not None:
            size, self.previous = self.previous or size, size
        others = sum(self.image_tokens(each) for each in asked.sizes[:-1])
        image = self.image_tokens(size) + others
        around = self.wrapping * len(asked.sizes or [size]) if image else 0
        prompt = 9 + len(asked.text.split()) + image + around
        times = 2 if "doubled" in self.faults else 1
        if "whole conversation" in self.faults:
            self.total = (self.total[0] + prompt, self.total[1] + image)
            prompt, image = self.total
        told: dict[str, Any] = {
            "prompt_tokens": times * prompt,
            "completion_tokens": 1,
            "total_tokens": times * prompt + 1,
        }
        if self.details:
            told |= USAGES[self.speaks](0 if "unfilled" in self.faults else times * image)
        return _spoilt(told, self.faults)

    def model_name(self, asked: str) -> str:
        if "another model" in self.faults:
            return "some/other-model-3b"
        if "changing model" in self.faults and len(self.questions) > 3:
            return f"{asked}-2026-11-20"
        return asked


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = _read(body)
        with server.lock:
            server.headers_seen.append({name.lower(): told for name, told in self.headers.items()})
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
            most = 3 if "storm" in server.faults else 1 if "one refusal" in server.faults else 0
            storm = server.refusals < most and asked.size is not None
            server.refusals += storm
            if asked.size is not None:
                server.arrivals.append(time.monotonic())
            if storm and server.refused_at is None:
                server.refused_at = time.monotonic()
            if not storm:
                server.received.append(asked)
        try:
            time.sleep(server.delay)
            if storm or "always busy" in server.faults:
                self._send(429, b'{"error": {"message": "too many requests"}}', retry=server.retry)
            elif self.path.endswith("/count_tokens"):
                told = server.usage(asked) or {}
                self._json({"input_tokens": told.get("prompt_tokens")})
            else:
                self._answer(asked)
        finally:
            with server.lock:
                server.busy -= 1

    def _answer(self, asked: Received) -> None:
        faults = self.server.faults
        if "hung up" in faults:
            self.close_connection = True
            return
        if "refused text" in faults and asked.size is None:
            self._send(400, b'{"error": {"message": "an image is needed"}}')
            return
        status = next((name for name in faults if name.startswith("status ")), None)
        if status is not None and asked.size is not None:
            self._send(int(status.removeprefix("status ")), b"")
            return
        if "late" in faults and asked.size is not None:
            time.sleep(1.5)
        if "html" in faults and asked.size is not None:
            self._send(200, b"<html><body>Sign in to the proxy</body></html>", "text/html")
            return
        if "error" in self.server.says and asked.size is not None:
            told = {"error": {"message": self.server.says["error"], "code": "invalid_api_key"}}
            self._send(401, json.dumps(told).encode())
            return
        moved = faults & {"redirect", "moved"}
        if moved and asked.size is not None:
            self.send_response(307 if "redirect" in moved else 301)
            self.send_header("Location", f"{self.server.elsewhere}/chat/completions")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if "error of status 200" in faults and asked.size is not None:
            self._send(200, b'{"error": {"message": "out of memory", "code": 500}}')
            return
        with self.server.lock:
            document = self._document(asked)
        if "swapped" in faults and asked.size is not None:
            document = self._swapped(document)
        shaped = document if asked.size is None else self.server.shape(document)
        written = shaped if isinstance(shaped, bytes) else json.dumps(shaped).encode()
        if "cached" in faults and asked.size is not None:
            written = self.server.first = self.server.first or written
        if "key twice" in faults and asked.size is not None:
            written = written.replace(b'"usage": {', b'"usage": {"prompt_tokens": 1, ', 1)
        if "gzip" in faults and asked.size is not None:
            self._send(200, written, encoding="gzip")
            return
        if "cut off" in faults and asked.size is not None:
            self._send(200, written, longer=40)
            self.close_connection = True
            return
        if "truncated" in faults and asked.size is not None:
            written = written[: len(written) // 2]
        if "not UTF-8" in faults and asked.size is not None:
            written = written.replace(b'"A"', b'"\xc4"')
        if "no JSON" in faults and asked.size is not None:
            written = written.replace(b'"choices": ', b"choices = ")
        self._send(200, written)

    def _swapped(self, document: dict[str, Any]) -> dict[str, Any]:
        """The answer of the other of two questions that are under way."""
        server = self.server
        place = server.pair.wait(20)
        server.swapped[place] = document
        server.pair.wait(20)
        other = server.swapped[1 - place]
        server.pair.wait(20)
        return other

    def _document(self, asked: Received) -> dict[str, Any]:
        faults, server = self.server.faults, self.server
        message: dict[str, Any] = {"role": "assistant", "content": server.reply(asked)}
        reason = "stop"
        if asked.size is not None and "refusal" in faults:
            message |= {"content": None, "refusal": "I cannot help with medical images."}
        if asked.size is not None and "refusal" in server.says:
            message |= {"content": None, "refusal": server.says["refusal"]}
        if asked.size is not None and "filtered" in faults:
            message["content"], reason = "", "content_filter"
        if asked.size is not None and "empty" in faults:
            message["content"] = ""
        fingerprint = "fp_1"
        if "changing fingerprint" in faults and len(server.questions) > 3:
            fingerprint = "fp_2"
        if "other fingerprint" in faults:
            fingerprint = "fp_2"
        fingerprint = server.says.get("fingerprint", fingerprint)
        server.answers += 1
        document = {
            "id": f"chatcmpl-{server.answers:016}",
            "object": "chat.completion",
            "created": 0,
            "model": server.says.get("model") or server.model_name(str(asked.body.get("model"))),
            "system_fingerprint": fingerprint,
            "choices": [{"index": 0, "finish_reason": reason, "message": message}],
        }
        usage = server.usage(asked)
        return document if usage is None else {**document, "usage": usage}

    def _json(self, document: dict[str, Any]) -> None:
        self._send(200, json.dumps(document).encode())

    def _send(
        self,
        status: int,
        data: bytes,
        kind: str = "application/json",
        retry: str | None = None,
        encoding: str | None = None,
        longer: int = 0,
    ) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data) + longer))
            if encoding is not None:
                self.send_header("Content-Encoding", encoding)
            if retry is not None:
                self.send_header("Retry-After", retry)
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client did not wait

    def log_message(self, *_: Any) -> None:
        pass


StandIn.handler = _Handler


def _read(body: dict[str, Any]) -> Received:
    texts, sizes = [], []
    for message in body.get("messages") or body["contents"]:
        content = message["content"] if "content" in message else message["parts"]
        for part in content if isinstance(content, list) else [{"text": content}]:
            data = _image(part)
            if data is None:
                texts.append(part["text"])
                continue
            with Image.open(io.BytesIO(base64.b64decode(data))) as image:
                sizes.append(image.size)
    return Received(sizes[-1] if sizes else None, "\n".join(texts), body, tuple(sizes))


def _image(part: dict[str, Any]) -> str | None:
    """The image of a part in OpenAI's, Anthropic's or Gemini's form; None where it is text."""
    if "image_url" in part:
        return str(part["image_url"]["url"]).rpartition("base64,")[2]
    held = part.get("source") or part.get("inlineData")
    return None if held is None else str(held["data"]).replace("-", "+").replace("_", "/")


@contextmanager
def running(*arguments: Any, kind: type[StandIn] = StandIn, **named: Any) -> Iterator[StandIn]:
    """A stand-in that serves until the block ends."""
    server = kind(*arguments, **named)
    often = {"poll_interval": 0.01}  # by default it ends half a second after it is told
    thread = threading.Thread(target=server.serve_forever, kwargs=often, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
