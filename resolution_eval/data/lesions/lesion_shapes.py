"""Lesion shapes: formulas in pixels from the centre, each 1 at its densest."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
from numpy.random import RandomState

from resolution_eval.data.plates.canvas import Centre, Floats, coverage

PITCH = 2.5
"""Distance between neighbouring calcifications, over their diameter."""


def nodule(side: int, centre: Centre, size: float, random: RandomState) -> Floats:
    """A round shadow of diameter `size`, its outer third soft."""

    def inside(x: Floats, y: Floats) -> Floats:
        edge = np.clip((np.hypot(x, y) / (size / 2) - 2 / 3) * 3, 0, 1)
        faded: Floats = 0.5 + 0.5 * np.cos(np.pi * edge)
        return np.where(np.hypot(x, y) < size / 2, faded, 0.0)

    return coverage(inside, side, centre, size / 2)


def dot(side: int, centre: Centre, size: float, random: RandomState) -> Floats:
    """A sharp round dot of diameter `size`."""

    def inside(x: Floats, y: Floats) -> Floats:
        return (np.hypot(x, y) < size / 2).astype(np.float64)

    return coverage(inside, side, centre, size / 2)


def cluster(side: int, centre: Centre, size: float, random: RandomState, *, count: int) -> Floats:
    """`count` (1 to 4) sharp specks of diameter `size` on corners of a square, turned at random."""
    turn, first = random.uniform(0, 2 * pi), random.randint(4)
    image = np.zeros((side, side))
    reach = PITCH * size / 2**0.5
    for corner in range(first, first + count):
        angle = turn + corner * pi / 2
        place = (centre[0] + reach * cos(angle), centre[1] + reach * sin(angle))
        image += dot(side, place, size, random)
    return image


def mitosis(side: int, centre: Centre, size: float, random: RandomState) -> Floats:
    """A dense plate `size` long and a third as wide, with a ragged edge, turned at random."""
    turn, phase, other = random.uniform(0, 2 * pi, 3)

    def inside(x: Floats, y: Floats) -> Floats:
        along = (x * np.cos(turn) + y * np.sin(turn)) / (size / 2)
        across = (y * np.cos(turn) - x * np.sin(turn)) / (size / 6)
        angle = np.arctan2(across, along)
        ragged = 0.85 + 0.1 * np.sin(7 * angle + phase) + 0.05 * np.sin(11 * angle + other)
        return np.asarray(np.hypot(along, across) < ragged, dtype=np.float64)

    return coverage(inside, side, centre, size / 2)
