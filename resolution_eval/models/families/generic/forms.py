"""The form in which an unknown processor takes a question with an image: mark, list, arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.chat import NO_TEMPLATE, places, template_of
from resolution_eval.models.families.generic.family import GenericFamily
from resolution_eval.models.families.generic.foreign import FOREIGN, reason_of
from resolution_eval.models.families.generic.tower import pixel_tensors
from resolution_eval.models.families.generic.trial import Bench
from resolution_eval.models.families.own_processor import QUESTION
from resolution_eval.models.families.parts import Parts
from resolution_eval.resolution import Size

SHOWN = Size(336, 224)
"""Size of the image that a form is tried with."""
IMAGE_IDS = ("image_token_id", "image_token_index", "image_patch_id")
"""Names that configurations give to the token in an image's place."""
TYPES: Mapping[str, Any] = {"return_mm_token_type_ids": True}
"""What some processors must be asked for by name, and their models need."""


def spoken(bench: Bench) -> GenericFamily:
    """A family with the form in which the processor takes one image.

    Raises:
        ModelError: it takes none, for the reason that it gave first.
    """
    parts = bench.parts
    if template_of(parts.processor) is None and not parts.plain:
        raise ModelError(NO_TEMPLATE)
    name = str(parts.config.model_type)
    first = GenericFamily(name=name, model_types=(name,), own=True)
    reasons: list[str] = []
    for family in _forms(parts, first):
        try:
            inputs = bench.process(family, SHOWN)
        except FOREIGN as error:
            reasons.append(reason_of(error))
            continue
        if pixel_tensors(inputs):
            return replace(family, token=_token(parts, family, inputs))
        reasons.append("it makes no pixels of it")
    raise ModelError(f"its processor takes no question with an image ({reasons[0]})")


def _forms(parts: Parts, first: GenericFamily) -> Iterator[GenericFamily]:
    marks = dict.fromkeys([*places(parts.processor, ("boi_token", "image_token")), "", "<image>"])
    nothing: Mapping[str, Any] = {}
    for more in (nothing, TYPES):
        for mark in marks:
            for nested in (True, False):
                yield replace(first, mark=mark, nested=nested, more=more)


def _token(parts: Parts, family: GenericFamily, inputs: Mapping[str, Any]) -> int | None:
    """The token whose number follows the image, the configuration's own where it has one."""
    ids = inputs.get("input_ids")
    if ids is None:
        return None
    flat = ids[0].tolist()
    told = [getattr(parts.config, name, None) for name in IMAGE_IDS]
    told += [getattr(parts.processor, "image_token_id", None)]
    for number in told:
        if isinstance(number, int) and flat.count(number) > 0:
            return number
    prompt = family.prompt(parts, QUESTION, image=False)
    plain = parts.processor.tokenizer(prompt)["input_ids"]
    counts = {number: flat.count(number) - plain.count(number) for number in set(flat)}
    most = max(counts, key=counts.__getitem__)
    return most if counts[most] > 1 else None
