"""A canvas: shapes given by formulas become pixels, each the mean of many points inside it."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Shape = Callable[[Floats, Floats], Floats]
"""A function of x (right) and y (down), in pixels from the shape's centre."""
Centre = tuple[float, float]
"""x and y, in pixels from the image's upper left corner."""

FINE = 8
"""Fewest points per pixel and axis."""
ACROSS = 192
"""Fewest points across a shape: small ones get more points per pixel."""


def coverage(shape: Shape, side: int, centre: Centre, reach: float) -> Floats:
    """Mean of `shape` over every pixel of a square image of `side` px; 0 beyond `reach` px."""
    fine = max(FINE, ceil(ACROSS / (2 * reach)))
    x, y = centre
    left, right = _span(x, reach, side)
    top, bottom = _span(y, reach, side)
    image = np.zeros((side, side))
    if left >= right or top >= bottom:
        return image
    columns = left + (np.arange((right - left) * fine) + 0.5) / fine - x
    rows = top + (np.arange((bottom - top) * fine) + 0.5) / fine - y
    values = np.broadcast_to(
        shape(columns[None, :], rows[:, None]), (len(rows), len(columns))
    ).astype(np.float64)
    blocks = values.reshape(bottom - top, fine, right - left, fine)
    image[top:bottom, left:right] = blocks.mean(axis=(1, 3))
    return image


def _span(centre: float, reach: float, side: int) -> tuple[int, int]:
    return max(0, floor(centre - reach)), min(side, ceil(centre + reach))


def clouds(side: int, random: RandomState, waves: int = 24) -> Floats:
    """Smooth random light and dark, mean 0 and variance 1: plane waves, long ones the strongest."""
    rows, columns = np.mgrid[:side, :side] / side
    image = np.zeros((side, side))
    for _ in range(waves):
        cycles = np.exp(random.uniform(np.log(0.7), np.log(12)))
        angle, phase = random.uniform(0, 2 * np.pi, 2)
        along = columns * np.cos(angle) + rows * np.sin(angle)
        image += np.cos(2 * np.pi * cycles * along + phase) / np.sqrt(cycles)
    spread: Floats = (image - image.mean()) / image.std()
    return spread


def placed(side: int, reach: float, quadrant: int, random: RandomState) -> Centre:
    """A centre, x and y in pixels, anywhere in the quadrant that keeps `reach` px to the border.

    Of a shape that is too large for one quadrant the centre leans towards it.
    """
    room = max(0.0, side / 2 - reach - 1)
    gap = min(reach, room)
    across, down = random.uniform(0, 1, 2)
    offset_x, offset_y = (_offset(share, gap, room) for share in (across, down))
    return (
        side / 2 + (offset_x if quadrant % 2 else -offset_x),
        side / 2 + (offset_y if quadrant // 2 else -offset_y),
    )


def _offset(share: float, gap: float, room: float) -> float:
    """Distance from the middle: beyond `gap` where there is room for it, up to `room`."""
    least = gap if gap < room else 0.0
    return least + share * (room - least)


def quantised(image: Floats) -> NDArray[np.uint8]:
    """Grey levels as 8 bits."""
    pixels: NDArray[np.uint8] = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return pixels
