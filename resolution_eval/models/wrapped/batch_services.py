"""Batch services of providers: many requests handed over at once, and answered within a day.

As their pages stated it in November 2026: OpenAI (platform.openai.com/docs/guides/batch), Anthropic
(platform.claude.com/docs/en/build-with-claude/batch-processing) and Gemini
(ai.google.dev/gemini-api/docs/batch-api).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.ground.notation import json_table
from resolution_eval.models.providers.usage import table_at
from resolution_eval.models.wrapped.baselines import LENGTH, patient
from resolution_eval.models.wrapped.exchange import LATE, never_left

TAKEN = (
    "it may have taken what was handed over, and bill it: look at its list of batches before you "
    "submit again"
)
TIMEOUT = 600
"""Seconds to wait for a service; a batch is up to hundreds of megabytes."""
Outcome = tuple[int, dict[str, Any] | None, str]
"""Place of a request in its batch, its answer's JSON, and why there is none."""


@dataclass(frozen=True)
class BatchState:
    """How far a batch has come."""

    ended: bool
    told: str
    """In the service's own word."""
    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class BatchService(ABC):
    """One provider's, at the address and with the headers of a question to it."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    trust_environment: bool = True

    name = ""
    ending = ""
    """How the address of a question ends."""
    most_requests = 0
    most_bytes = 0
    """Of one batch; below the service's own limits."""

    @abstractmethod
    def submit(self, bodies: Sequence[Mapping[str, Any]]) -> str:
        """Hand requests over; the batch's id."""

    @abstractmethod
    def state(self, batch: str) -> BatchState:
        """How far it has come."""

    @abstractmethod
    def outcomes(self, state: BatchState) -> Iterator[Outcome]:
        """Every request's outcome, of a batch that ended, in any order."""

    @property
    def root(self) -> str:
        """The address without what ends it."""
        return self.url.removesuffix(self.ending)

    def ask(self, method: str, url: str, **more: Any) -> requests.Response:
        """What the service answers.

        Raises:
            ModelError: it cannot be reached, or refuses.
        """
        own = {k: v for k, v in self.headers.items() if k.lower() not in (*LENGTH, "content-type")}
        billed = method == "POST"
        try:
            with patient(trust_environment=self.trust_environment, billed=billed) as session:
                response = session.request(method, url, headers=own, timeout=TIMEOUT, **more)
        except requests.RequestException as error:
            lost = billed and not never_left(error)
            known = TAKEN if lost else "try again: nothing that was handed over is lost"
            raise ModelError(
                f"the batch service of {self.name} gave no answer ({type(error).__name__}); {known}"
            ) from error
        if response.status_code >= 400:
            taken = f"; {TAKEN}" if billed and response.status_code in LATE else ""
            raise ModelError(
                f"the batch service of {self.name} answered with status {response.status_code}: "
                f"{response.text[:200]!r}{taken}"
            )
        return response

    def document(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """The JSON object that the service answers.

        Raises:
            ModelError: it cannot be reached, refuses, or answers with something else.
        """
        response = self.ask(method, url, **more)
        told = json_table(response.content)
        if told is None:
            raise ModelError(
                f"the batch service of {self.name} answered with no JSON: {response.text[:120]!r}"
            )
        return told

    def _named(self, document: Mapping[str, Any], key: str) -> str:
        """What the service calls a thing that it took.

        Raises:
            ModelError: it does not say.
        """
        told = document.get(key)
        if not isinstance(told, str) or not told:
            raise ModelError(
                f"the batch service of {self.name} answered without {key!r}: "
                f"{str(document)[:120]!r}; look at its list of batches before you submit again"
            )
        return told


class OpenAIBatch(BatchService):
    """A file of requests, and files of outcomes."""

    name = "OpenAI"
    ending = "/chat/completions"
    most_requests, most_bytes = 50_000, 180_000_000
    _ENDED = ("completed", "failed", "expired", "cancelled")

    def submit(self, bodies: Sequence[Mapping[str, Any]]) -> str:
        """A file is sent up, and a batch made of it."""
        lines = (
            {"custom_id": name_of(i), "method": "POST", "url": "/v1/chat/completions", "body": b}
            for i, b in enumerate(bodies)
        )
        data = "".join(json.dumps(line) + "\n" for line in lines).encode()
        file = self.document(
            "POST",
            f"{self.root}/files",
            files={"file": ("requests.jsonl", data, "application/jsonl")},
            data={"purpose": "batch"},
        )
        asked = {
            "input_file_id": self._named(file, "id"),
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        return self._named(self.document("POST", f"{self.root}/batches", json=asked), "id")

    def state(self, batch: str) -> BatchState:
        """By its `status`."""
        document = self.document("GET", f"{self.root}/batches/{batch}")
        status = str(document.get("status"))
        return BatchState(status in self._ENDED, status, document)

    def outcomes(self, state: BatchState) -> Iterator[Outcome]:
        """Of both files: answers, and errors."""
        for key in ("output_file_id", "error_file_id"):
            if state.document.get(key):
                url = f"{self.root}/files/{state.document[key]}/content"
                for line in _lines(self.ask("GET", url).content):
                    response = table_at(line, "response")
                    good = response.get("status_code") == 200
                    error = line.get("error") or response.get("body")
                    yield outcome(place_of(line), response.get("body") if good else None, error)


class AnthropicBatch(BatchService):
    """A list of requests; outcomes a line each."""

    name = "Anthropic"
    ending = "/messages"
    most_requests, most_bytes = 100_000, 240_000_000

    def submit(self, bodies: Sequence[Mapping[str, Any]]) -> str:
        """All in one request."""
        asked = [{"custom_id": name_of(i), "params": b} for i, b in enumerate(bodies)]
        told = self.document("POST", f"{self.url}/batches", json={"requests": asked})
        return self._named(told, "id")

    def state(self, batch: str) -> BatchState:
        """By its `processing_status`."""
        document = self.document("GET", f"{self.url}/batches/{batch}")
        status = str(document.get("processing_status"))
        return BatchState(status == "ended", status, document)

    def outcomes(self, state: BatchState) -> Iterator[Outcome]:
        """From where the service says; the key goes to no other machine.

        Raises:
            ModelError: it names another machine.
        """
        url = str(state.document.get("results_url"))
        if urlsplit(url).netloc != urlsplit(self.url).netloc:
            raise ModelError(f"results_url is at another machine than {urlsplit(self.url).netloc}")
        for line in _lines(self.ask("GET", url).content):
            result = table_at(line, "result")
            good = result.get("type") == "succeeded"
            why = f"{result.get('type')} {result.get('error', '')}"
            yield outcome(place_of(line), result.get("message") if good else None, why)


class GeminiBatch(BatchService):
    """A list of requests; a long-running operation that ends with the list of outcomes."""

    name = "Gemini"
    ending = ":generateContent"
    most_requests, most_bytes = 10_000, 18_000_000

    def submit(self, bodies: Sequence[Mapping[str, Any]]) -> str:
        """All in one request."""
        asked = [{"request": b, "metadata": {"key": name_of(i)}} for i, b in enumerate(bodies)]
        batch = {
            "display_name": "resolution-eval",
            "input_config": {"requests": {"requests": asked}},
        }
        url = f"{self.root}:batchGenerateContent"
        return self._named(self.document("POST", url, json={"batch": batch}), "name")

    def state(self, batch: str) -> BatchState:
        """By `done`, and the state in its metadata."""
        document = self.document("GET", f"{self.root.partition('/models/')[0]}/{batch}")
        told = table_at(document, "metadata").get("state") or "running"
        return BatchState(bool(document.get("done")), str(told), document)

    def outcomes(self, state: BatchState) -> Iterator[Outcome]:
        """By their keys; in the order of the requests, where the service leaves those out."""
        output = table_at(state.document, "response") or table_at(
            table_at(state.document, "metadata"), "output"
        )
        held = table_at(output, "inlinedResponses").get("inlinedResponses")
        for number, each in enumerate(held if isinstance(held, list) else ()):
            if not isinstance(each, dict):
                continue
            key = table_at(each, "metadata").get("key")
            place = number if key is None else place_of({"custom_id": key})
            yield outcome(place, each.get("response"), each.get("error"))


SERVICES: tuple[type[BatchService], ...] = (OpenAIBatch, AnthropicBatch, GeminiBatch)


def service(
    url: str, headers: Mapping[str, str], *, trust_environment: bool = True
) -> BatchService:
    """The batch service of the provider that a question at `url` asks.

    Raises:
        UsageError: it is none that we know.
    """
    address, _, query = url.partition("?")
    for kind in SERVICES:
        if address.endswith(kind.ending) and not query:
            return kind(address, headers, trust_environment)
    raise UsageError(
        "batch= needs OpenAI's chat completions, Anthropic's messages or Gemini's generateContent; "
        f"this base asks {urlsplit(url).path}: leave batch= out"
    )


def outcome(place: int, answer: Any, why: Any) -> Outcome:
    """A request's answer, where it is a table of JSON; else why there is none."""
    if isinstance(answer, dict):
        return place, answer, ""
    return place, None, str(why or "nothing, and no reason")[:200]


def name_of(place: int) -> str:
    """A request's name in its batch.

    Example:
        >>> name_of(7), place_of({"custom_id": "q7"}), place_of({"custom_id": "other"})
        ('q7', 7, -1)
    """
    return f"q{place}"


def place_of(line: Mapping[str, Any]) -> int:
    """A request's place in its batch, by its name; -1 of a name that is not ours."""
    told = str(line.get("custom_id", ""))
    return int(told[1:]) if told[:1] == "q" and told[1:].isdecimal() else -1


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file in UTF-8, a line each; a text may hold other ends of lines.

    Raises:
        ModelError: a line is none.
    """
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        document = json_table(line)
        if document is None:
            raise ModelError(f"a batch's outcome is no JSON object: {line[:80]!r}; collect again")
        yield document
