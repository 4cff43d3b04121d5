"""Augmentation: training images changed at random, as the plan says."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional

from resolution_eval.training.plan import Augmentation


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
