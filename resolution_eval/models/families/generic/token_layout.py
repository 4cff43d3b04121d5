"""How a processor lays an image out in tiles, measured: every pixel shown says where it is from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from resolution_eval.resolution import Size

INSIDE = 201
"""Blue of every pixel of the image, which no processor pads with."""
WHOLE = 0.9
"""Share of the image's width and height from which a picture shows all of it."""
NEAR = 0.02
"""Share of the image's width or height within which two tiles stand in one column or row."""
Picture = Float[Tensor, "3 height width"]


@dataclass(frozen=True)
class TokenLayout:
    """Tiles in columns and rows, and pictures of the whole image beside them."""

    columns: int
    rows: int
    others: int = 0

    @property
    def images(self) -> int:
        """All pictures that enter."""
        return self.columns * self.rows + self.others


@dataclass(frozen=True)
class _Span:
    """The part of the image that a picture shows, as shares of its width and height."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def whole(self) -> bool:
        return self.right - self.left >= WHOLE and self.bottom - self.top >= WHOLE


def compass(size: Size) -> Any:
    """An image whose red is a pixel's place across, whose green its place down."""
    from PIL import Image

    across = torch.linspace(0, 255, size.width).expand(size.height, -1)
    down = torch.linspace(0, 255, size.height)[:, None].expand(-1, size.width)
    inside = torch.full_like(across, INSIDE)
    pixels = torch.stack([across, down, inside], dim=-1).round().to(torch.uint8)
    return Image.fromarray(pixels.numpy())


def measured(pictures: Sequence[Picture]) -> TokenLayout | None:
    """The layout of pictures that a processor cut from a compass; None where they are no grid."""
    spans = list(_spans(pictures))
    if len(spans) < len(pictures):
        return None
    tiles = [span for span in spans if not span.whole]
    if not tiles:
        return TokenLayout(1, 1, len(pictures) - 1)
    columns = _places([(span.left + span.right) / 2 for span in tiles])
    rows = _places([(span.top + span.bottom) / 2 for span in tiles])
    if columns * rows != len(tiles):
        return None
    return TokenLayout(columns, rows, len(pictures) - len(tiles))


def _spans(pictures: Sequence[Picture]) -> Iterator[_Span]:
    """What each picture shows; those that show nothing are left out."""
    flat = torch.cat([picture.flatten(1) for picture in pictures], dim=1).float()
    inside = _inside(flat)
    ends = list(accumulate(picture[0].numel() for picture in pictures[:-1]))
    masks = torch.tensor_split(inside, ends)
    if not all(mask.any() for mask in masks):
        return
    low, high = flat[:, inside].amin(1), flat[:, inside].amax(1)
    scale = (high - low).clamp(min=1e-6)
    for picture, mask in zip(pictures, masks, strict=True):
        own = picture.flatten(1).float()[:, mask]
        first, last = (own.amin(1) - low) / scale, (own.amax(1) - low) / scale
        yield _Span(float(first[0]), float(last[0]), float(first[1]), float(last[1]))


def _inside(pixels: Float[Tensor, "3 pixels"]) -> Tensor:
    """Which pixels are the image's: the blue whose red varies most, as padding has one colour."""
    blue = (pixels[2] * 50).round()
    counts = Counter(blue.tolist())
    common = [value for value, count in counts.items() if count >= 0.005 * blue.numel()]
    best = max(common, key=lambda value: float(pixels[0][blue == value].std(unbiased=False)))
    inside: Tensor = (blue - best).abs() <= 1
    return inside


def _places(centres: Sequence[float]) -> int:
    """Number of different places among the centres."""
    ordered = sorted(centres)
    steps = [after - before for before, after in pairwise(ordered)]
    return 1 + sum(step > NEAR for step in steps)
