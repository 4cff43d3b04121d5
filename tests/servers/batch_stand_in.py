"""The stand-in with the batch services of OpenAI, Anthropic and Gemini, as pages show them."""

from __future__ import annotations

import json
import re
from typing import Any

from stand_in import StandIn, _Handler, _read

LOST = "lost"
"""A fault: the first request of the first batch has no answer."""


class BatchStandIn(StandIn):
    """`ready` says whether batches have ended."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ready = False
        self.files: dict[str, str] = {}
        self.batches: list[list[tuple[str, dict[str, Any]]]] = []
        """Names and bodies of each batch's requests."""
        self.keys: list[str] = []
        """What each call brought as its key."""
        self.odd: Any = ...
        """In the place of each outcome, where it is set."""
        self.results_at = ""
        """Where Anthropic's results are said to be, if not here."""

    def answered(self, number: int) -> list[tuple[str, dict[str, Any] | None]]:
        """Names and answers of a batch, last first, as services do not keep the order."""
        found = []
        for place, (name, body) in enumerate(self.batches[number]):
            lost = LOST in self.faults and number == place == 0
            found.append((name, None if lost else self.answer(body)))
        return found[::-1]

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """One answer, in the form of the question."""
        if "contents" in body:
            return {
                "modelVersion": "gemini-3-pro-preview",
                "candidates": [{"content": {"role": "model", "parts": [{"text": "A"}]}}],
                "usageMetadata": {"promptTokenCount": 1130},
            }
        asked = _read(body)
        told = self.usage(asked) or {}
        if "max_completion_tokens" not in body and "system" in body:
            return {
                "model": body["model"],
                "content": [{"type": "text", "text": "A"}],
                "usage": {"input_tokens": told["prompt_tokens"], "output_tokens": 1},
            }
        return {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": self.reply(asked)},
                }
            ],
            "usage": told,
        }


class _BatchHandler(_Handler):
    server: BatchStandIn

    def do_POST(self) -> None:  # noqa: N802  (as http.server calls it)
        server = self.server
        if not re.search(r"/files$|/batches$|:batchGenerateContent$", self.path):
            super().do_POST()
            return
        self._key()
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/files"):
            server.files["file-1"] = data.decode()
            assert 'name="purpose"' in server.files["file-1"]
            self._json({"id": "file-1", "purpose": "batch"})
            return
        asked = json.loads(data)
        server.batches.append(self._requests(asked))
        if "name lost" in server.faults:
            self.close_connection = True
            return
        if "name absent" in server.faults:
            self._json({"status": "validating"})
            return
        self._json(self._state(len(server.batches) - 1))

    def _requests(self, asked: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        if "input_file_id" in asked:
            assert asked["endpoint"] == "/v1/chat/completions"
            assert asked["completion_window"] == "24h"
            text = self.server.files[asked["input_file_id"]]
            lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"custom')]
            assert {(line["method"], line["url"]) for line in lines} == {
                ("POST", "/v1/chat/completions")
            }
            return [(line["custom_id"], line["body"]) for line in lines]
        if "batch" in asked:
            inlined = asked["batch"]["input_config"]["requests"]["requests"]
            return [(each["metadata"]["key"], each["request"]) for each in inlined]
        return [(each["custom_id"], each["params"]) for each in asked["requests"]]

    def do_GET(self) -> None:  # noqa: N802
        self._key()
        number = int((re.search(r"(\d+)(/results|/content)?$", self.path) or [0, "0"])[1])
        if self.path.endswith("/content"):
            good = [pair for pair in self.server.answered(number) if pair[1] is not None]
            self._lines(
                {"custom_id": name, "response": self._shown(body), "error": None}
                for name, body in good
            )
        elif self.path.endswith("/results"):
            self._lines(
                {
                    "custom_id": name,
                    "result": {"type": "expired"}
                    if body is None
                    else {"type": "succeeded", "message": self._shown(body, "message")},
                }
                for name, body in self.server.answered(number)
            )
        else:
            self._json(self._state(number))

    def _shown(self, body: Any, place: str = "response") -> Any:
        """An outcome, or what stands in its place."""
        told = body if place == "message" else {"status_code": 200, "body": body}
        return told if self.server.odd is ... else self.server.odd

    def _state(self, number: int) -> dict[str, Any]:
        ready = self.server.ready
        if "v1beta" in self.path:
            told: dict[str, Any] = {"name": f"batches/{number}"}
            state = "BATCH_STATE_SUCCEEDED" if ready else "BATCH_STATE_RUNNING"
            if not ready:
                return {**told, "metadata": {"state": state}}
            each = [  # in the order of the requests, without their keys, as was reported
                {"response": body} if body is not None else {"error": {"code": 13}}
                for _, body in self.server.answered(number)[::-1]
            ]
            each = each if self.server.odd is ... else [self.server.odd for _ in each]
            response = {"inlinedResponses": {"inlinedResponses": each}}
            return {**told, "done": True, "metadata": {"state": state}, "response": response}
        if "/messages/" in self.path:
            place = self.server.results_at or f"{self.server.url}/messages/batches/{number}/results"
            return {
                "id": str(number),
                "processing_status": "ended" if ready else "in_progress",
                "results_url": place if ready else None,
            }
        return {
            "id": f"batch_{number}",
            "status": "completed" if ready else "in_progress",
            "output_file_id": f"file-out-{number}" if ready else None,
            "error_file_id": None,
        }

    def _key(self) -> None:
        names = ("Authorization", "x-api-key", "x-goog-api-key")
        found = [self.headers[name] for name in names if self.headers[name]]
        self.server.keys.append(found[0] if found else "")

    def _lines(self, documents: Any) -> None:
        plain = "as text" not in self.server.faults
        lines = [json.dumps(each, ensure_ascii=plain) + "\n" for each in documents]
        self._send(200, "".join(lines).encode(), "application/jsonl" if plain else "text/plain")


BatchStandIn.handler = _BatchHandler
