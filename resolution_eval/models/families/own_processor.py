"""What should enter of an image, and what a checkpoint's own processor makes of it unasked."""

from __future__ import annotations

from typing import Any

from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.inputs import prepare
from resolution_eval.models.families.parts import ForetoldGrid, Parts
from resolution_eval.resolution import Size

QUESTION = "Which of these does the image show?"
Key = tuple[str, bool, int, Size]
_KNOWN: dict[Key, tuple[Any, ForetoldGrid]] = {}
"""The processor is kept beside what it makes, so that no other gets its number."""


def foretold(family: Family, parts: Parts, drawn: Size) -> ForetoldGrid:
    """What should enter of an image that is drawn at the size `drawn`."""
    if family.asks_processor:
        return processed(family, parts, drawn)
    return ForetoldGrid((drawn.height, drawn.width), family.visual_tokens(parts, drawn))


def processed(family: Family, parts: Parts, size: Size) -> ForetoldGrid:
    """Grid, visual tokens and images of an image of this size, read from the processor's tensors.

    Only sizes decide, so one image stands for all of one size.

    Raises:
        ModelError: the processor's tensors do not say.
    """
    key = family.name, family.own, id(parts.processor), size
    if key not in _KNOWN:
        _KNOWN[key] = parts.processor, _looked(family, parts, size)
    return _KNOWN[key][1]


def _looked(family: Family, parts: Parts, size: Size) -> ForetoldGrid:
    from PIL.Image import effect_noise

    image = effect_noise((size.width, size.height), 60).convert("RGB")
    prompt = family.prompt(parts, QUESTION, image=True)
    inputs = prepare(family, parts, prompt, image)
    (received,) = family.received(parts, size, family.entering(inputs), 1)
    (tokens,) = family.counted_tokens(parts, inputs)
    return ForetoldGrid(received.grid, tokens, received.images)
