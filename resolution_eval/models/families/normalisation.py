"""Images as bytes until they are on the device, and made there what the processor would make them.

A processor turns every byte into a float32 of its own: most of its time, and four times the bytes
to copy. Whether a byte's value, less a mean and over a deviation of its channel, is all that it
does to it is tried on the images themselves, once for each grid: where a single number differs by
more than rounding, the processor goes on doing it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

PIXELS = "pixel_values"
BYTES = {"do_rescale": False, "do_normalize": False}
"""Arguments of a processor's call that leave bytes as they are."""
ROUNDING = 2e-6
"""How far two float32 of some units may differ by the order of operations."""

Layout = Literal["planes", "major", "minor"]
"""Where the channels are: before height and width; the slowest of a row's numbers; the fastest."""


@dataclass(frozen=True)
class Normalisation:
    """What is done to each byte: less `mean`, over `std`, both of its channel and of 0 to 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: Layout

    def applied(self, pixels: Tensor) -> Tensor:
        """The bytes in float32, normalised on the device that they are on."""
        channels = len(self.mean)
        shapes = {"planes": (channels, 1, 1), "major": (channels, 1), "minor": (channels,)}
        shape = shapes[self.layout]
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=pixels.device).view(shape)
            for values in (self.mean, self.std)
        )
        if self.layout == "planes":
            return (pixels.float() - mean) / std
        parted = (channels, -1) if self.layout == "major" else (-1, channels)
        rows = pixels.float().reshape(*pixels.shape[:-1], *parted)
        return ((rows - mean) / std).flatten(-2)


def normalisation(processor: Any, raw: Tensor, wanted: Tensor) -> Normalisation | None:
    """What makes `wanted` of the bytes `raw` by a processor's settings; None where nothing does."""
    if raw.dtype != torch.uint8 or raw.shape != wanted.shape:
        return None
    scale = float(processor.rescale_factor) if processor.do_rescale else 1.0
    own = bool(processor.do_normalize)
    mean = tuple(float(value) / scale for value in (processor.image_mean if own else (0.0,) * 3))
    std = tuple(float(value) / scale for value in (processor.image_std if own else (1.0,) * 3))
    for layout in _layouts(raw, len(mean)):
        candidate = Normalisation(mean, std, layout)
        if torch.allclose(candidate.applied(raw), wanted.float(), rtol=0.0, atol=ROUNDING):
            return candidate
    return None


def _layouts(raw: Tensor, channels: int) -> list[Layout]:
    """Those that a tensor of this shape can have."""
    layouts: list[Layout] = []
    if raw.ndim >= 3 and raw.shape[-3] == channels:
        layouts.append("planes")
    if raw.shape[-1] % channels == 0:
        layouts += ["major", "minor"]
    return layouts


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and torch.equal(one, other)
    return bool(one == other)


@dataclass
class Bytes:
    """What was found by the sizes of a prompt's images, shared by all that prepare for a family."""

    known: dict[Any, Normalisation | None] = field(default_factory=dict)

    def tried(
        self, key: Any, made: Callable[..., dict[str, Any]], processor: Any
    ) -> dict[str, Any]:
        """The tensors that `made` makes of a prompt, in bytes where that comes to the same."""
        if key not in self.known:
            wanted = made()
            self.known[key] = self._found(wanted, made, processor)
            if self.known[key] is None:
                return wanted
        return made() if self.known[key] is None else made(**BYTES)

    @staticmethod
    def _found(
        wanted: dict[str, Any], made: Callable[..., dict[str, Any]], processor: Any
    ) -> Normalisation | None:
        """None also of a processor whose call takes no such arguments, or says too little."""
        try:
            raw = made(**BYTES)
            others = wanted.keys() - {PIXELS}
            same = all(_equal(raw[name], wanted[name]) for name in others)
            return normalisation(processor, raw[PIXELS], wanted[PIXELS]) if same else None
        except Exception:  # noqa: BLE001  (a processor raises what it likes; its own way stays)
            return None

    @property
    def normalisation(self) -> Normalisation | None:
        """The one that was found; a checkpoint has one."""
        return next((one for one in self.known.values() if one is not None), None)
