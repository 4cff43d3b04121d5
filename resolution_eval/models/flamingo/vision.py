"""Images into the latents that the language model attends to, at any grid of whole patches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from resolution_eval.models.flamingo.bundle import FlamingoBundle
from resolution_eval.models.flamingo.config import FlamingoConfig


@dataclass(frozen=True, eq=False)
class EncodedImages:
    """A batch of encoded images, and what entered the encoder to make them."""

    latents: Float[Tensor, "batch images latents width"]
    grid: tuple[int, int]
    """Height and width in pixels of the tensor that entered the patch convolution."""
    visual_tokens: int
    """Tokens per image that entered the perceiver."""


def encode(
    bundle: FlamingoBundle, pixels: Float[Tensor, "batch 3 height width"], *, train: bool = False
) -> EncodedImages:
    """Latents of normalised `pixels`, whose height and width set the encoder's grid.

    The position embeddings are resampled to the grid, once per grid. `train` lets gradients flow to
    the vision encoder, its position embeddings included, which open_flamingo itself keeps frozen;
    without it only the perceiver can get gradients.

    Raises:
        ValueError: height or width is not a multiple of the patch.
    """
    height, width = pixels.shape[-2:]
    if height % bundle.patch or width % bundle.patch:
        raise ValueError(
            f"pixels are {height}x{width}, which is no whole number of {bundle.patch} px patches; "
            "resize the image to a multiple of the patch first"
        )
    with _observed(bundle.model) as seen:
        with torch.set_grad_enabled(train and torch.is_grad_enabled()):
            tokens = patch_tokens(bundle, pixels.to(bundle.device, bundle.dtype))
        latents = bundle.model.perceiver(tokens[:, None, None])
    return EncodedImages(latents, seen.grid, seen.visual_tokens)


def normalise(
    pixels: UInt8[Tensor, "batch 3 height width"], config: FlamingoConfig
) -> Float[Tensor, "batch 3 height width"]:
    """Pixels from 0..255 as the encoder takes them, on the device that they are on."""
    mean, std = (
        torch.tensor(values, device=pixels.device).view(3, 1, 1)
        for values in (config.mean, config.std)
    )
    return (pixels.float() / 255 - mean) / std


def features(
    bundle: FlamingoBundle, pixels: Float[Tensor, "batch 3 height width"]
) -> tuple[Float[Tensor, "batch patches width"], tuple[int, int]]:
    """The patch tokens, with gradients, and height and width in pixels of what entered."""
    with _observed(bundle.model) as seen:
        tokens = patch_tokens(bundle, pixels.to(bundle.device, bundle.dtype))
    return tokens, seen.grid


def joined(encoded: Sequence[EncodedImages]) -> EncodedImages:
    """Several images before one text, in order; grid and visual tokens are the last one's."""
    latents = torch.cat([one.latents for one in encoded], dim=1)
    return EncodedImages(latents, encoded[-1].grid, encoded[-1].visual_tokens)


def patch_tokens(bundle: FlamingoBundle, pixels: Tensor) -> Tensor:
    """The vision encoder's patch tokens, its position table moved to the grid of `pixels`."""
    vision = bundle.model.vision_encoder
    grid = (pixels.shape[-2] // bundle.patch, pixels.shape[-1] // bundle.patch)
    table = bundle.positions.table(vision.positional_embedding, tuple(vision.grid_size), grid)
    outputs = torch.func.functional_call(vision, {"positional_embedding": table}, (pixels,))
    tokens: Tensor = outputs[1]
    return tokens


@dataclass
class _Seen:
    grids: list[tuple[int, int]] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    @property
    def grid(self) -> tuple[int, int]:
        (grid,) = self.grids
        return grid

    @property
    def visual_tokens(self) -> int:
        (tokens,) = self.tokens
        return tokens

    def pixels(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        height, width = inputs[0].shape[-2:]
        self.grids.append((int(height), int(width)))

    def features(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        images, frames, tokens = inputs[0].shape[1:4]
        self.tokens.append(int(images * frames * tokens))


@contextmanager
def _observed(model: nn.Module) -> Iterator[_Seen]:
    """Record the shapes that enter the patch convolution and the perceiver."""
    seen = _Seen()
    with (
        model.vision_encoder.conv1.register_forward_pre_hook(seen.pixels),  # type: ignore[union-attr]
        model.perceiver.register_forward_pre_hook(seen.features),  # type: ignore[union-attr]
    ):
        yield seen
