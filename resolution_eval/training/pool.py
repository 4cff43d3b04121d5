"""A split's images at any resolution, rendered as the adapter renders them when they are drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import UInt8
from loguru import logger
from PIL.Image import Image
from torch import Tensor
from tqdm import tqdm

from resolution_eval.data.sources import Sample, Source
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.images import decode, render, resize
from resolution_eval.resolution import Resolution, Size, budget_size

MEMORY = 4 * 2**30
"""Bytes of pixels that a pool keeps; the rest is decoded anew whenever it is drawn."""

GridOf = Callable[[Size], Size]
"""The size in pixels at which an image of some information size enters the encoder."""


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """Samples of one resolution and one grid."""

    resolution: Resolution
    grid: Size
    samples: tuple[Sample, ...]
    pixels: UInt8[Tensor, "batch 3 height width"]


@dataclass(eq=False)
class ImagePool:
    """The samples of a split whose images can be decoded."""

    source: Source
    samples: tuple[Sample, ...]
    sizes: dict[str, Size]
    """Source size of every image."""
    grid_of: GridOf
    filter: str
    memory: int = MEMORY
    _kept: dict[tuple[str, Resolution | None], Image] = field(default_factory=dict)
    _grouped: dict[Resolution, dict[Size, list[int]]] = field(default_factory=dict)

    def groups(self, resolution: Resolution) -> dict[Size, list[int]]:
        """Places of the samples by the grid that their images have at `resolution`."""
        if resolution not in self._grouped:
            places: dict[Size, list[int]] = defaultdict(list)
            for place in range(len(self.samples)):
                places[self.grid(resolution, place)].append(place)
            self._grouped[resolution] = dict(places)
        return self._grouped[resolution]

    def take(self, resolution: Resolution, grid: Size, places: Sequence[int]) -> ImageBatch:
        """The samples at `places`, which share the grid."""
        samples = tuple(self.samples[place] for place in places)
        views = [np.asarray(self._view(sample.image, resolution, grid)) for sample in samples]
        pixels = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).contiguous()
        return ImageBatch(resolution, grid, samples, pixels)

    def draw(self, resolution: Resolution, size: int, random: torch.Generator) -> list[int]:
        """Places of up to `size` samples of one grid, each sample of the pool equally likely.

        They are fewer where no more share the grid.
        """
        groups = list(self.groups(resolution).values())
        weights = torch.tensor([float(max(len(group), size)) for group in groups])
        group = groups[int(torch.multinomial(weights, 1, generator=random))]
        order = torch.randperm(len(group), generator=random)[:size]
        return [group[place] for place in order.tolist()]

    def grid(self, resolution: Resolution, place: int) -> Size:
        """The grid of the sample at `place`."""
        return self.grid_of(budget_size(self.sizes[self.samples[place].image], resolution))

    def in_order(self, resolution: Resolution, size: int) -> Iterator[tuple[Size, list[int]]]:
        """Every sample once: grids and places, at most `size` together."""
        for grid, places in self.groups(resolution).items():
            for start in range(0, len(places), size):
                yield grid, places[start : start + size]

    def stored(self, locator: str) -> Image:
        """The stored image in RGB; ImageError where it cannot be decoded."""
        return decode(self.source.read(locator)).image

    def _view(self, locator: str, resolution: Resolution, grid: Size) -> Image:
        kept = self._kept.get((locator, resolution))
        if kept is not None:
            return kept
        source = self._kept.get((locator, None))
        if source is None:
            source = self._keep(locator, None, self.stored(locator))
        rendered = render(source, resolution, self.filter)
        view = rendered if Size(*rendered.size) == grid else resize(rendered, grid, self.filter)
        return self._keep(locator, resolution, view)

    def _keep(self, locator: str, resolution: Resolution | None, image: Image) -> Image:
        size = 3 * image.width * image.height
        if size <= self.memory:
            self.memory -= size
            self._kept[locator, resolution] = image
        return image


@dataclass(eq=False)
class ImagePools:
    """The pools of one data set at the grids of one kind of model, each opened once."""

    source: Source
    grid_of: GridOf
    filter: str
    kept: dict[tuple[str, int | None], ImagePool] = field(default_factory=dict)

    def open(self, split: str, *, limit: int | None = None, progress: bool = True) -> ImagePool:
        """The split's pool, of its first `limit` samples; DataError as `open_pool`."""
        if (split, limit) not in self.kept:
            self.kept[split, limit] = open_pool(
                self.source, split, self.grid_of, filter=self.filter, limit=limit, progress=progress
            )
        return self.kept[split, limit]


def open_pool(
    source: Source,
    split: str,
    grid_of: GridOf,
    *,
    filter: str,
    limit: int | None = None,
    progress: bool = True,
) -> ImagePool:
    """The split's pool; every image is decoded once, and those that cannot be are left out.

    Raises:
        DataError: the split is unknown or empty, or none of its images can be decoded.
    """
    samples = tuple(source.samples(split)[:limit])
    pool = ImagePool(source, samples, {}, grid_of, filter)
    locators = {sample.image: sample.id for sample in samples}
    for locator, name in tqdm(
        locators.items(), desc=f"images ({split})", disable=not progress, leave=False
    ):
        try:
            image = decode(source.read(locator)).image
        except ImageError as error:
            logger.warning(f"left out of training: {name} ({error})")
            continue
        pool.sizes[locator] = Size(*image.size)
        pool._keep(locator, None, image)
    pool.samples = tuple(sample for sample in samples if sample.image in pool.sizes)
    if not pool.samples:
        raise DataError(f"none of the {len(samples)} images of the {split} split can be decoded")
    return pool
