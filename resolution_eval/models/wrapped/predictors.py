"""Who predicts what a server makes of an image: a provider's rule, or its processor's own files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.models.families import Family, family_of
from resolution_eval.models.families.chat import template_of
from resolution_eval.models.families.checkpoint import load_parts
from resolution_eval.models.families.parts import Parts
from resolution_eval.models.providers import Forecast, Rule, find_rule
from resolution_eval.models.providers.rule import Multiples
from resolution_eval.resolution import Size

Turns = Sequence[Mapping[str, Any]]
"""A conversation in the form of transformers' chat templates; an image's part has no image yet."""
LONE: Turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which?"}]}]
"""In the place of a conversation that was not seen: one image, of which the tokens are wanted."""
OWN = ("rule", "processor", "tokens_per_patch", "served_min_pixels", "served_max_pixels")
"""Arguments of reswrap that say how a server's image tokens are predicted."""


@dataclass(frozen=True)
class ByRule:
    """A rule of the library."""

    title: str
    """What is kept in the record."""
    rule: Rule
    tokens_per_patch: float | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the rule leaves open."""
        return self.rule.notes

    def forecast(self, size: Size, turns: Turns) -> Forecast:
        """As the rule says, whatever the conversation."""
        return self.rule.forecast(self.title, size, per_patch=self.tokens_per_patch)


class ByProcessor:
    """The checkpoint's own processor, run here without its weights."""

    def __init__(self, parts: Parts, limits: Mapping[str, int]) -> None:
        self.notes: tuple[str, ...] = ()
        self._parts = parts
        self._limit(limits)
        try:
            self._family: Family | None = family_of(parts.config)
        except ModelError:
            self._family = None
        told = parts.processor.image_processor.to_json_string()
        digest = sha256(told.encode()).hexdigest()[:12]
        self.title = f"processor/{type(parts.processor).__name__}@{digest}"
        self._forecast = lru_cache(maxsize=1024)(self._computed)

    def _limit(self, limits: Mapping[str, int]) -> None:
        """Set the limits in pixels that the server was told."""
        own = self._parts.processor.image_processor
        keys = {"min_pixels": "shortest_edge", "max_pixels": "longest_edge"}
        for name, value in limits.items():
            size = getattr(own, "size", None)
            if size is None or getattr(size, keys[name], None) is None:
                raise UsageError(f"the processor has no {name}; leave served_{name} out")
            own.size = type(size)(**{**dict(size), keys[name]: value})
            setattr(own, name, value)

    def forecast(self, size: Size, turns: Turns) -> Forecast:
        """As the processor makes tensors of a grey image of that size."""
        return self._forecast(size, json.dumps(turns))

    def _computed(self, size: Size, written: str) -> Forecast:
        from PIL import Image

        turns, parts = json.loads(written), self._parts
        image = Image.new("RGB", (size.width, size.height), (128, 128, 128))
        inputs = self._tensors(_filled(turns, image))
        without = self._tensors(_filled(turns, None))
        around = int(inputs["input_ids"].shape[-1]) - int(without["input_ids"].shape[-1])
        if self._family is None:
            mark = getattr(parts.processor, "image_token_id", None)
            own = int((inputs["input_ids"] == mark).sum()) if mark is not None else around
            return Forecast(rule=self.title, tokens=(own, own), wrapping=around - own)
        (count,) = self._family.counted_tokens(parts, inputs)
        (received,) = self._family.received(parts, size, self._family.entering(inputs), 1)
        height, width = received.grid
        return Forecast(
            rule=self.title,
            size=Size(width, height),
            unit=self._family.patch(parts),
            pieces=received.images,
            tokens=(count, count),
            wrapping=around - count,
        )

    def _tensors(self, turns: Any) -> Any:
        return self._parts.processor.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )


Predictor = ByRule | ByProcessor
"""Foretells what a server makes of an image."""


def _filled(turns: Any, image: Any) -> list[dict[str, Any]]:
    """The conversation with its image, or without the image's part."""
    filled = []
    for turn in turns:
        parts = [
            {**part, "image": image} if part["type"] == "image" else part
            for part in turn["content"]
            if part["type"] != "image" or image is not None
        ]
        filled.append({**turn, "content": parts})
    return filled


def predictor(model: str, told: Mapping[str, Any]) -> Predictor | None:
    """Who predicts for the served `model`, by the arguments `told`; None where nobody does.

    Raises:
        UsageError: an argument names no rule, is no number, or does not fit.
        ModelError: the processor cannot be loaded.
    """
    limits = {
        name.removeprefix("served_"): whole(name, told[name])
        for name in ("served_min_pixels", "served_max_pixels")
        if told.get(name) is not None
    }
    if told.get("processor") or (not told.get("rule") and Path(model).is_dir()):
        parts = load_parts(str(told.get("processor") or model))
        if template_of(parts.processor) is None:
            raise UsageError(
                f"{told.get('processor') or model} has no chat template, by which its prompts "
                "could be counted; name another processor=, or a rule="
            )
        return ByProcessor(parts, limits)
    named = str(told.get("rule") or model)
    entry = find_rule(named)
    if entry is None and told.get("rule"):
        raise UsageError(f"rule={named!r}: no rule names such a model; see docs/providers.md")
    if entry is None:
        return None
    title, rule = entry
    each = told.get("tokens_per_patch")
    title += "".join(f",{name}={value}" for name, value in sorted(limits.items()))
    return ByRule(title, _limited(rule, limits), None if each is None else _number(each))


def _limited(rule: Rule, limits: Mapping[str, int]) -> Rule:
    """The rule under the limits in pixels that the server was told."""
    if not limits:
        return rule
    if not isinstance(rule, Multiples):
        raise UsageError(f"the rule {rule.name} has no limits in pixels; leave served_*_pixels out")
    names = {"min_pixels": "least_pixels", "max_pixels": "most_pixels"}
    return rule.model_copy(update={names[name]: value for name, value in limits.items()})


def whole(name: str, value: Any) -> int:
    """An argument in pixels.

    Raises:
        UsageError: it is no whole number from 1.
    """
    if not str(value).isdecimal() or int(value) < 1:
        raise UsageError(f"{name}={value!r} is impossible; give pixels, a whole number from 1")
    return int(value)


def _number(value: Any) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < 1000:
        raise UsageError(f"tokens_per_patch={value!r} is impossible; give a number such as 1.62")
    return number
