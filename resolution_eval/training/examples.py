"""Examples: a split's images at one resolution, rendered once as the adapter renders them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, UInt8
from loguru import logger
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from resolution_eval.errors import DataError, ImageError
from resolution_eval.flamingo import FlamingoConfig
from resolution_eval.images import decode, render, resize
from resolution_eval.resolution import Resolution, Size, patch_size_fit
from resolution_eval.sources import Sample, Source
from resolution_eval.training.plan import Augmentation


@dataclass(frozen=True, eq=False)
class Group:
    """Samples whose images have one grid, so that a batch can hold any of them."""

    samples: tuple[Sample, ...]
    pixels: UInt8[Tensor, "samples 3 height width"]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def grid(self) -> Size:
        """Size of the images in pixels."""
        return Size(self.pixels.shape[3], self.pixels.shape[2])


Examples = tuple[Group, ...]
"""A split at one resolution: one group per grid."""


@dataclass(frozen=True, eq=False)
class ExampleBatch:
    """Some samples of one grid, and their images."""

    samples: tuple[Sample, ...]
    pixels: UInt8[Tensor, "batch 3 height width"]


def load(
    source: Source,
    split: str,
    resolutions: Sequence[Resolution],
    *,
    patch: int,
    filter: str,
    limit: int | None = None,
    progress: bool = True,
) -> dict[Resolution, Examples]:
    """The split's images at every resolution, in memory, in 8 bits; each is decoded once.

    They are rendered and brought to whole patches as at inference. Images that cannot be decoded
    are left out, with a warning that names them. `limit` takes the first so many.

    Raises:
        DataError: the split is unknown or empty, or none of its images can be decoded.
    """
    found: dict[Resolution, dict[Size, list[tuple[Sample, Image]]]]
    found = {resolution: defaultdict(list) for resolution in resolutions}
    samples = source.samples(split)[:limit]
    for sample in tqdm(samples, desc=f"images ({split})", disable=not progress, leave=False):
        for resolution, view in _views(source, sample, resolutions, patch, filter):
            found[resolution][Size(*view.size)].append((sample, view))
    if not all(found.values()):
        raise DataError(f"none of the {len(samples)} images of the {split} split can be decoded")
    return {resolution: _groups(grids) for resolution, grids in found.items()}


def _views(
    source: Source, sample: Sample, resolutions: Sequence[Resolution], patch: int, filter: str
) -> Iterator[tuple[Resolution, Image]]:
    """The sample's image at every resolution; nothing where it cannot be decoded."""
    try:
        image = decode(source.read(sample.image)).image
    except ImageError as error:
        logger.warning(f"left out of training: {sample.id} ({error})")
        return
    for resolution in resolutions:
        rendered = render(image, resolution, filter)
        yield resolution, resize(rendered, patch_size_fit(Size(*rendered.size), patch), filter)


def _groups(grids: dict[Size, list[tuple[Sample, Image]]]) -> Examples:
    return tuple(
        Group(
            tuple(sample for sample, _ in members),
            torch.from_numpy(np.stack([np.asarray(image) for _, image in members]))
            .permute(0, 3, 1, 2)
            .contiguous(),
        )
        for members in grids.values()
    )


@dataclass(eq=False)
class Shelf:
    """Examples of one data set, kept so that several training runs render them once."""

    source: Source
    patch: int
    filter: str
    kept: dict[tuple[str, int | None, Resolution], Examples] = field(default_factory=dict)

    def load(
        self,
        split: str,
        resolutions: Sequence[Resolution],
        *,
        limit: int | None = None,
        progress: bool = True,
    ) -> dict[Resolution, Examples]:
        """As the function `load`, from what is kept where it is there.

        Raises:
            DataError: as `load`.
        """
        missing = [r for r in resolutions if (split, limit, r) not in self.kept]
        if missing:
            found = load(
                self.source,
                split,
                missing,
                patch=self.patch,
                filter=self.filter,
                limit=limit,
                progress=progress,
            )
            self.kept.update({(split, limit, r): found[r] for r in missing})
        return {r: self.kept[split, limit, r] for r in resolutions}


def count(examples: Examples) -> int:
    """Number of samples."""
    return sum(map(len, examples))


def largest_grid(splits: Mapping[Resolution, Examples]) -> Size:
    """The size in pixels of the largest images, by area."""
    grids = (group.grid for examples in splits.values() for group in examples)
    return max(grids, key=lambda size: size.pixels)


def draw_batch(examples: Examples, size: int, random: torch.Generator) -> ExampleBatch:
    """`size` samples of one group, drawn with replacement; every sample is equally likely."""
    weights = torch.tensor([float(len(group)) for group in examples])
    group = examples[int(torch.multinomial(weights, 1, generator=random))]
    chosen = torch.randint(len(group), (size,), generator=random)
    return ExampleBatch(tuple(group.samples[i] for i in chosen.tolist()), group.pixels[chosen])


def in_order(examples: Examples, size: int) -> Iterator[ExampleBatch]:
    """Every sample once, in batches of at most `size`."""
    for group in examples:
        for start in range(0, len(group), size):
            part = slice(start, start + size)
            yield ExampleBatch(group.samples[part], group.pixels[part])


def normalise(
    pixels: UInt8[Tensor, "batch 3 height width"], config: FlamingoConfig
) -> Float[Tensor, "batch 3 height width"]:
    """Pixels from 0..255 as the encoder takes them, as the adapter does."""
    mean = torch.tensor(config.mean).view(3, 1, 1)
    std = torch.tensor(config.std).view(3, 1, 1)
    return (pixels.float() / 255 - mean) / std


def augment(
    pixels: UInt8[Tensor, "batch 3 height width"],
    plan: Augmentation,
    random: torch.Generator,
) -> UInt8[Tensor, "batch 3 height width"]:
    """The images, each changed at random as the plan says.

    Raises:
        ValueError: images that are not square are to be transposed.
    """
    if plan.greyscale:
        pixels = _some(pixels, _grey, plan.greyscale, random)
    if plan.flips:
        pixels = _some(pixels, lambda images: images.flip(3), 0.5, random)
        pixels = _some(pixels, lambda images: images.flip(2), 0.5, random)
    if plan.transposition:
        height, width = pixels.shape[2:]
        if height != width:
            raise ValueError(f"only square images are transposed; these have {width}x{height} px")
        pixels = _some(pixels, lambda images: images.transpose(2, 3), 0.5, random)
    if plan.stain:
        pixels = _stained(pixels, plan.stain, random)
    return _shifted(pixels, plan.shift, random) if plan.shift else pixels


def _some(
    pixels: Tensor, change: Callable[[Tensor], Tensor], probability: float, random: torch.Generator
) -> Tensor:
    chosen = torch.rand(len(pixels), generator=random) < probability
    return torch.where(chosen.view(-1, 1, 1, 1), change(pixels), pixels)


def _stained(images: Tensor, most: float, random: torch.Generator) -> Tensor:
    """Each image with its channels' optical densities scaled, and all of them bent, at random."""
    scale = 1 + most * (2 * torch.rand(len(images), 3, 1, 1, generator=random) - 1)
    bend = 1 + most * (2 * torch.rand(len(images), 1, 1, 1, generator=random) - 1)
    density = -(images.float().add(1) / 256).log()
    changed = (-(density.pow(bend) * scale)).exp() * 256 - 1
    return changed.round().clamp(0, 255).to(images.dtype)


def _shifted(images: Tensor, most: int, random: torch.Generator) -> Tensor:
    """Each image moved by up to `most` pixels along each axis."""
    height, width = images.shape[2:]
    padded = functional.pad(images.float(), (most,) * 4, mode="reflect").to(images.dtype)
    places = torch.randint(2 * most + 1, (len(images), 2), generator=random).tolist()
    return torch.stack(
        [
            image[:, top : top + height, left : left + width]
            for image, (top, left) in zip(padded, places, strict=True)
        ]
    )


def _grey(images: Tensor) -> Tensor:
    """The mean of the three channels in each of them."""
    mean = images.float().mean(1, keepdim=True).round()
    return mean.to(images.dtype).expand_as(images)
