"""One image through a checkpoint's processor and a miniature of its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.generic.family import GenericFamily
from resolution_eval.models.families.generic.foreign import FOREIGN, reason_of
from resolution_eval.models.families.generic.tower import entrances, noted_calls
from resolution_eval.models.families.inputs import prepare, taken
from resolution_eval.models.families.miniature import miniature
from resolution_eval.models.families.own_processor import QUESTION
from resolution_eval.models.families.parts import Parts
from resolution_eval.models.families.tower_hooks import steered
from resolution_eval.resolution import Size


@dataclass(frozen=True)
class Trial:
    """What one image became."""

    size: Size
    inputs: Mapping[str, Any]
    arguments: Mapping[str, Sequence[Mapping[str, Any]]]
    """By path of a module where the pixels enter, the arguments of its calls."""
    output: Tensor
    lengths: Mapping[str, int]
    """By path of a module, the tokens that it makes of one image."""

    def entered(self, path: str) -> dict[str, Any]:
        """The arguments of a module's calls as of one: tensors of equal shape behind each other."""
        calls = self.arguments.get(path, ())
        together = {}
        for name, value in calls[0].items() if calls else ():
            values: list[Any] = [call.get(name) for call in calls]
            if not isinstance(value, Tensor) or not value.ndim:
                together[name] = value
            elif len({each.shape[1:] for each in values if isinstance(each, Tensor)}) == 1:
                together[name] = torch.cat(values)
        return together

    def seen(self, family: GenericFamily) -> list[tuple[int, int]]:
        """Sizes of what entered the family's tower, in order of size."""
        reading, calls = family.entered, self.arguments.get(family.tower, ())
        return sorted(one.grid for call in calls if reading for one in reading.read(call))

    def made(self, family: GenericFamily) -> list[tuple[int, int]]:
        """The same, as the processor's tensors tell it."""
        return sorted(one.grid for reading in family.made for one in reading.read(self.inputs))

    @property
    def begins(self) -> bool:
        """Whether what the model wrote begins with its prompt."""
        ids = self.inputs.get("input_ids")
        if ids is None or self.output.shape[1] <= ids.shape[1]:
            return False
        return bool((self.output[:, : ids.shape[1]] == ids).all())


def noise(size: Size) -> Any:
    """An image of random pixels, always the same."""
    from PIL import Image

    generator = torch.Generator().manual_seed(size.width * 7919 + size.height)
    pixels = torch.randint(0, 256, (size.height, size.width, 3), generator=generator)
    return Image.fromarray(pixels.to(torch.uint8).numpy())


class Bench:
    """A checkpoint's parts, and a model of its type with two layers of random weights."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @cached_property
    def model(self) -> Any:
        """The miniature.

        Raises:
            ModelError: the configuration makes none.
        """
        from transformers import AutoModelForImageTextToText

        torch.manual_seed(0)
        try:
            small = miniature(self.parts.config)
            return AutoModelForImageTextToText.from_config(small).float().eval()
        except FOREIGN as error:
            raise ModelError(
                f"its model cannot be made from its configuration ({reason_of(error)})"
            ) from error

    @cached_property
    def patch(self) -> int:
        """Edge in pixels of a patch, as configuration or processor say; 14 where neither does."""
        return next((edge for owner in self._owners() if (edge := _edge(owner)) > 1), 14)

    def _owners(self) -> Iterator[Any]:
        config = self.parts.config
        yield getattr(config, "vision_config", None)
        yield config
        yield getattr(config, "vq_config", None)
        yield self.parts.processor.image_processor

    def process(self, family: GenericFamily, size: Size) -> dict[str, Any]:
        """The tensors of a question with an image, as the family has the processor make them."""
        prompt = family.prompt(self.parts, QUESTION, image=True)
        settings = family.used_settings(self.parts, size)
        return prepare(family, self.parts, prompt, noise(size), settings)

    def run(self, family: GenericFamily, size: Size) -> Trial:
        """The same, and through the model, which writes one token."""
        inputs = self.process(family, size)
        with noted_calls(self.model) as (calls, lengths), steered(family, self.model):
            entering = taken(as_entering(inputs), self.model.forward)
            output = self.model.generate(**entering, max_new_tokens=1, do_sample=False)
        output = getattr(output, "sequences", output)
        arguments = {
            path: [arguments for name, arguments in calls if name == path]
            for path in entrances(calls, inputs)
        }
        return Trial(size, inputs, arguments, output, lengths)


def _edge(owner: Any) -> int:
    """The edge of the owner's patches; 0 where it names none."""
    strides = getattr(owner, "patch_stride", None)
    if isinstance(strides, list | tuple):
        return prod(strides)  # a tower of stages, each with patches of the one before
    value: Any = getattr(owner, "patch_size", None)
    if isinstance(value, Mapping) or hasattr(value, "height"):
        value = value["height"]
    if isinstance(value, list | tuple) and value:
        value = value[0]
    return value if isinstance(value, int) else 0


def as_entering(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A processor's tensors in the miniature's precision: some make halves for whatever model."""
    return {
        name: value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in inputs.items()
    }
