"""Grids as they stand in tensors: in a table of grids, in positions, or in the shape of an image.

A tensor of patches is never taken for an image: a shape counts only where it was seen to be the
size of the image that was shown, at every size that was tried.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from resolution_eval.models.families.parts import TowerGrid
from resolution_eval.resolution import Size

GRIDS = re.compile(r"grid_?(thw|hws?)s?$|spatial_shapes|t(ar)?ge?t_?sizes")
"""Names of tables of grids: frames, rows and columns, or rows and columns, of patches."""
POSITIONS = re.compile(r"(image|pixel|patch)_position_ids$|pixel_position")
"""Names of tables of each patch's column and row; -1 where there is no patch."""
CHANNELS = (1, 3)
NUMBERED = re.compile(r"flattened_patches$")
"""Names of tables of patches that begin with each patch's row and column, from 1; 0 for none."""
Kind = Literal["grids", "positions", "numbered", "image", "image, channels last", "square patches"]


@dataclass(frozen=True)
class Reading:
    """Where a grid stands among the arguments of a module, or the tensors of a processor."""

    argument: str
    kind: Kind
    patch: tuple[int, int] = (1, 1)
    """Height and width in pixels of what is counted."""

    def read(self, arguments: Mapping[str, Any]) -> list[TowerGrid]:
        """What entered of every image; nothing where the argument is absent."""
        tensor = arguments.get(self.argument)
        if not isinstance(tensor, Tensor):
            return []
        height, width = self.patch
        return [
            TowerGrid(grid=(rows * height, columns * width))
            for rows, columns in _cells(self.kind, tensor)
        ]

    def pictures(self, arguments: Mapping[str, Any]) -> list[Tensor]:
        """The images themselves (channels, height, width), where they stand there as such."""
        tensor = arguments.get(self.argument)
        if not isinstance(tensor, Tensor) or self.kind not in PICTURES:
            return []
        return [each for each in PICTURES[self.kind](tensor, self.patch[0]) if len(each) == 3]


def _cells(kind: Kind, tensor: Tensor) -> list[tuple[int, int]]:
    """Rows and columns of every image."""
    if kind == "grids":
        return [(int(row[-2]), int(row[-1])) for row in tensor.reshape(-1, tensor.shape[-1])]
    if kind == "positions":
        most = tensor.reshape(-1, *tensor.shape[-2:]).amax(1) + 1
        return [(int(rows), int(columns)) for columns, rows in most.tolist()]
    if kind == "numbered":
        places = tensor.reshape(-1, *tensor.shape[-2:])[..., :2].amax(1)
        return [(int(rows), int(columns)) for rows, columns in places.tolist()]
    if kind == "square patches":
        side = math.isqrt(tensor.shape[-2])
        return [(side, side)] * math.prod(tensor.shape[:-2])
    *images, first, second, third = tensor.shape
    size = (second, third) if kind == "image" else (first, second)
    return [size] * math.prod(images)


def _square(tensor: Tensor, patch: int) -> Tensor:
    """Images from their patches, of which each has a row of values, colours last."""
    side = math.isqrt(tensor.shape[-2])
    patches = tensor.reshape(-1, side, side, patch, patch, 3)
    return patches.permute(0, 5, 1, 3, 2, 4).reshape(-1, 3, side * patch, side * patch)


PICTURES: Mapping[Kind, Callable[[Tensor, int], Tensor]] = {
    "image": lambda tensor, _: tensor.reshape(-1, *tensor.shape[-3:]),
    "image, channels last": lambda tensor, _: tensor.reshape(-1, *tensor.shape[-3:]).permute(
        0, 3, 1, 2
    ),
    "square patches": _square,
}
"""How images are taken out of a tensor, by where the grid stands; the number is a patch's edge."""


def candidates(arguments: Mapping[str, Any]) -> Iterator[Reading]:
    """Where a grid may stand, tables before shapes."""
    tensors = {name: value for name, value in arguments.items() if isinstance(value, Tensor)}
    for name, tensor in tensors.items():
        if GRIDS.search(name) and tensor.ndim >= 2 and tensor.shape[-1] in (2, 3):
            yield Reading(name, "grids")
        if POSITIONS.search(name) and tensor.ndim >= 2 and tensor.shape[-1] == 2:
            yield Reading(name, "positions")
        if NUMBERED.search(name) and tensor.ndim >= 3 and tensor.shape[-1] > 2:
            yield Reading(name, "numbered")
    for name, tensor in tensors.items():
        if tensor.ndim < 4 or not tensor.is_floating_point():
            continue
        if tensor.shape[-3] in CHANNELS:
            yield Reading(name, "image")
        if tensor.shape[-1] in CHANNELS:
            yield Reading(name, "image, channels last")


Sighting = tuple[Size, Mapping[str, Any]]
"""The size of an image that was shown, and the arguments that entered of it."""


def common_reading(sightings: Sequence[Sighting]) -> Reading | None:
    """The reading that gives every image's size, one image each; None where there is none."""
    first_size, first = sightings[0]
    for candidate in candidates(first):
        scaled = _scaled(candidate, first_size, first)
        if scaled is None:
            continue
        if all(_agrees(scaled, size, arguments) for size, arguments in sightings):
            return scaled
    return None


def _scaled(candidate: Reading, size: Size, arguments: Mapping[str, Any]) -> Reading | None:
    """The candidate with the patch that makes its cells the image's size."""
    cells = candidate.read(arguments)
    if len(cells) != 1 or 0 in cells[0].grid:
        return None
    rows, columns = cells[0].grid
    if size.height % rows or size.width % columns:
        return None
    patch = size.height // rows, size.width // columns
    if candidate.kind.startswith("image") and patch != (1, 1):
        return None
    return Reading(candidate.argument, candidate.kind, patch)


def _agrees(reading: Reading, size: Size, arguments: Mapping[str, Any]) -> bool:
    return [one.grid for one in reading.read(arguments)] == [(size.height, size.width)]


def by_volume(arguments: Mapping[str, Any], pixels: int, patch: int) -> Reading | None:
    """A reading where no image's size is known: of a table of grids whose patches hold as many
    values as entered, or of the shape of an image that holds all of them.

    `pixels` is the number of values that entered; `patch` the edge of the configuration's patch.
    """
    for candidate in candidates(arguments):
        cells = candidate.read(arguments)
        if not cells:
            continue
        if candidate.kind.startswith("image"):
            tensor = arguments[candidate.argument]
            edge = min(cells[0].grid)
            if tensor.numel() == pixels and edge % patch == 0:
                return candidate
            continue
        if candidate.kind == "numbered":
            if arguments[candidate.argument].shape[-1] == 3 * patch * patch + 2:
                return Reading(candidate.argument, "numbered", (patch, patch))
            continue
        total = sum(rows * columns for rows, columns in (cell.grid for cell in cells))
        values = total * patch * patch * 3
        held = values and pixels % values == 0 and pixels // values <= 2
        if held or candidate.kind == "positions":
            return Reading(candidate.argument, candidate.kind, (patch, patch))
    return _squares(arguments, pixels, patch)


def _squares(arguments: Mapping[str, Any], pixels: int, patch: int) -> Reading | None:
    """Patches of square images, one image a row, where all that entered are such."""
    for name, tensor in arguments.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point() or tensor.ndim != 3:
            continue
        *_, count, values = tensor.shape
        whole = values == 3 * patch * patch and math.isqrt(count) ** 2 == count
        if whole and tensor.numel() == pixels:
            return Reading(name, "square patches", (patch, patch))
    return None
