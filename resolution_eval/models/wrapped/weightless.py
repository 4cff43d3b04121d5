"""A base without weights: its own code runs, up to where its model would be asked for an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch

import torch

from resolution_eval.evidence.attestation import Sent
from resolution_eval.ground.errors import ModelError
from resolution_eval.ground.notation import json_value
from resolution_eval.models.families.parts import TowerGrid
from resolution_eval.models.wrapped.base_plan import BasePlan
from resolution_eval.models.wrapped.base_questions import BaseQuestion, ask
from resolution_eval.models.wrapped.exchange import images_of, placeholder
from resolution_eval.models.wrapped.visibility import Sight, sight_of
from resolution_eval.resolution import Size

GENERATION = {"max_new_tokens": 1, "do_sample": False}


class Hollow:
    """A model without weights, which keeps what it was asked and answers nothing."""

    asked: list[Mapping[str, Any]]

    def generate(self, **inputs: Any) -> torch.Tensor:
        self.asked.append(inputs)
        ids: torch.Tensor = inputs["input_ids"]
        return torch.cat([ids, ids[:, -1:]], dim=1)

    def to(self, *_: Any, **__: Any) -> Hollow:
        return self


@contextmanager
def hollowed() -> Iterator[None]:
    """Has transformers make every model from its configuration alone."""
    from transformers import PreTrainedModel

    def from_pretrained(cls: Any, pretrained: str, *_: Any, **arguments: Any) -> Any:
        pinned = {name: arguments[name] for name in ("revision",) if name in arguments}
        config = arguments.get("config") or cls.config_class.from_pretrained(pretrained, **pinned)
        with torch.device("meta"):
            model = cls._from_config(config)
        model.__class__ = type(cls.__name__, (Hollow, type(model)), {})
        model.asked = []
        return (model, {}) if arguments.get("output_loading_info") else model

    with patch.object(PreTrainedModel, "from_pretrained", classmethod(from_pretrained)):
        yield


class Receipt(ThreadingHTTPServer):
    """A server on this machine that answers any question, and keeps the images it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiving)
        self.received: list[Sent] = []

    @property
    def url(self) -> str:
        """Where a base shall send its requests, without the version of a provider's interface."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Receiving(BaseHTTPRequestHandler):
    server: Receipt

    def do_POST(self) -> None:
        body = json_value(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.extend(images_of(body))
        answer = placeholder(self.path.partition("?")[0], str(body.get("model")), "received")
        written = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def log_message(self, *_: Any) -> None:
        """Nothing: the doctor's report is all that is printed."""


class HollowBase:
    """A base without weights, or one whose server is a receipt."""

    def __init__(self, plan: BasePlan, receipt: Receipt | None) -> None:
        self.plan, self._receipt = plan, receipt
        with hollowed():
            self.base = plan.build()
        self.sight: Sight = sight_of(self.base)
        if self.sight.model is None and receipt is None:
            raise ModelError(
                f"{plan.title} has no model in this process and no base_url: without running it, "
                "nobody can say what it does to images; its samples would be unattested"
            )

    def show(self, image: Any) -> tuple[TowerGrid | None, int | None, Sent | None]:
        """What would enter the tower, the visual tokens, and what would be sent, of one image."""
        asked = ask(self.base, self.sight, [BaseQuestion("Which?", image, GENERATION)])
        if self._receipt is not None and self.sight.model is None:
            if len(self._receipt.received) != 1:
                sent = len(self._receipt.received)
                raise ModelError(f"{self.plan.title} sent {sent} images of one")
            return None, None, self._receipt.received.pop()
        tokens = asked.entered.tokens[0] if asked.entered.tokens else None
        return self._entering(Size(*image.size)), tokens, asked.sent.get((0, 0))

    def _entering(self, grid: Size) -> TowerGrid | None:
        asked = getattr(self.sight.model, "asked", [])
        if not asked:
            raise ModelError(f"{self.plan.title} did not ask its model for an answer")
        inputs = asked.pop()
        family, parts = self.sight.family, self.sight.parts
        if family is None or parts is None:
            return None
        (received,) = family.received(parts, grid, family.entering(inputs), 1)
        return received
