"""A wrapped base before the doctor: what its own code makes of images, without weights."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from PIL.Image import Image

from resolution_eval.adapters.reswrap import OWN, SERVING
from resolution_eval.diagnosis.diagnosis_rows import (
    QUESTION,
    DiagnosisRow,
    WeightlessCheckpoint,
    new_row,
    noise,
)
from resolution_eval.evidence.attestation import Sent
from resolution_eval.images import DEFAULT_FILTER, resize
from resolution_eval.models.arguments import flag
from resolution_eval.models.families.checkpoint import known_training
from resolution_eval.models.providers import Forecast
from resolution_eval.models.wrapped.base_answers import encoding_notes
from resolution_eval.models.wrapped.base_plan import LIMITS, BasePlan, accepted, plan
from resolution_eval.models.wrapped.predictors import predictor
from resolution_eval.models.wrapped.services import CLOSED_SERVICES
from resolution_eval.models.wrapped.weightless import HollowBase, Receipt
from resolution_eval.resolution import PixelResolution, Size, budget_size

PROBES = {"min_pixels": (448 * 448, 64), "max_pixels": (112 * 112, 448)}
"""A value of each limit, and the edge in pixels of an image that it would change."""


class WrappedBase(WeightlessCheckpoint):
    """A base of lmms-eval's under `reswrap`."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        from lmms_eval.utils import simple_parse_args_string

        own = {name: arguments[name] for name in OWN if name in arguments}
        written = [f"{name}={value}" for name, value in arguments.items() if name not in own]
        given = simple_parse_args_string(",".join(written))
        made = plan(
            own.get("base"),
            given,
            force_simple=flag("force_simple", own.get("force_simple", False)),
        )
        self._until_closed = ExitStack()
        receipt = self._until_closed.enter_context(_receipt(made))
        self._plan = replace(made, arguments={**made.arguments, **_elsewhere(made, receipt)})
        self._hollow = HollowBase(self._plan, receipt)
        sight = self._hollow.sight
        self.checkpoint = made.checkpoint
        named = "unknown to us" if sight.family is None else sight.family.name
        self.family = f"{named}, base {made.title}"
        self.training = known_training(
            made.checkpoint, sight.family, sight.parts, own.get("train_resolution")
        )
        self.refusal = sight.refusal
        served = sight.model is None  # of a model in this process nobody need foretell
        told = {name: own.get(name) for name in SERVING}
        self._predictor = predictor(self.checkpoint, told) if served else None
        self.note(*self._set())
        self.ineffective = tuple(self._silent())

    def close(self) -> None:
        """Stop the server, if one runs."""
        self._until_closed.close()

    def _set(self) -> Iterator[str]:
        for name, (own, ours) in self._plan.limits.items():
            yield f"set: {name} = {ours}, in place of the base's own {own}"
        for name in self._plan.unknown:
            yield f"unknown to the base's signature, which takes any argument: {name}"
        if self._hollow.sight.model is not None:
            return
        if self._predictor is None:
            yield (
                f"unknown: no rule names {self.checkpoint!r}, and none is guessed; shown is what "
                "was sent. Name rule=MODEL or processor=FOLDER, or the samples are unattested"
            )
            return
        yield f"predicted by {self._predictor.title}"
        yield from (f"the rule: {note}" for note in self._predictor.notes)

    def _silent(self) -> Iterator[str]:
        """Limits that the base takes and that change no image."""
        for name in LIMITS:
            if name not in accepted(self._plan.maker)[0] or self._hollow.sight.family is None:
                continue
            value, edge = PROBES[name]
            image = noise(Size(edge, edge))
            told = replace(self._plan, arguments={**self._plan.arguments, name: value})
            if HollowBase(told, None).show(image)[0] == self._hollow.show(image)[0]:
                yield f"{name}: {self._plan.title} gives it to no image"

    def row(self, requested: PixelResolution, stored: Image, scheme: str) -> DiagnosisRow:
        """What an image (RGB) becomes."""
        source = Size(*stored.size)
        information = budget_size(source, requested)
        grid = self._hollow.sight.wanted_grid(self.training, scheme, information, source)
        rendered = resize(stored, information, DEFAULT_FILTER)
        received, tokens, sent = self._hollow.show(resize(rendered, grid, DEFAULT_FILTER))
        seen = None if received is None else received.grid
        expected = self._hollow.sight.expected_grid(grid)
        forecast, matches = None if seen else self._forecast(sent), seen == expected
        if forecast is not None and sent is not None:
            matches = bool(forecast.keeps(Size(sent.width, sent.height)))
        self.note(*encoding_notes([sent]))
        return new_row(
            requested,
            source,
            expected,
            grid=seen,
            visual_tokens=tokens,
            tiles=None if received is None else received.tiles,
            match=scheme == "match" and matches,
            processor_alone=None,
            sent=None if seen or sent is None else (sent.height, sent.width),
            forecast=forecast,
        )

    def _forecast(self, sent: Sent | None) -> Forecast | None:
        if self._predictor is None or sent is None:
            return None
        parts = [{"type": "image"}, {"type": "text", "text": QUESTION}]
        turns = [{"role": "user", "content": parts}]
        return self._predictor.forecast(Size(sent.width, sent.height), turns)


@contextmanager
def _receipt(made: BasePlan) -> Iterator[Receipt | None]:
    """A server in the place of the one that the base would ask; None where it asks none."""
    azure = os.environ.get("API_TYPE") == "azure"  # lmms-eval's word, read by `gpt4v` alone
    service = None if azure and made.name == "gpt4v" else CLOSED_SERVICES.get(made.name)
    if service is None and "base_url" not in accepted(made.maker)[0]:
        yield None
        return
    receipt = Receipt()
    threading.Thread(target=receipt.serve_forever, daemon=True).start()
    try:
        with nullcontext() if service is None else service.moved(receipt.url):
            yield receipt
    finally:
        receipt.shutdown()
        receipt.server_close()


def _elsewhere(made: BasePlan, receipt: Receipt | None) -> dict[str, Any]:
    """Arguments that keep a base on this machine's processor, and its requests on this machine."""
    own = accepted(made.maker)[0]
    here: dict[str, Any] = {"device": "cpu", "device_map": "cpu", "batch_size": 1}
    if receipt is not None:
        here |= {"base_url": f"{receipt.url}/v1", "api_key": "none", "max_retries": 1}
    return {name: value for name, value in here.items() if name in own}
