"""Optotypes: rings, letters E, pairs of dots and gratings, as formulas in pixels from their centre.

A ring's stroke is dark between two light bands that outweigh it to nothing, so that ring and gap
have the mean brightness of their ground and vanish together where the grid is too coarse. A plain
ring never vanishes: its gap is betrayed by the brightness of one side, at any resolution. (So are
letter E and dots, which are here as controls.) Balanced strokes: Howland, Ginsburg and Campbell
1978, "High-pass spatial frequency letters", Vision Research 18, 1063.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from resolution_eval.data.plates.canvas import Centre, Floats, Shape, coverage

RING = 10.0
"""Outer diameter of a ring over its detail: the stroke and gap are two details wide, five of them
make the ring."""
RADIUS = 0.16
"""Radius of a grating's window, over the image's edge."""
FLAT = 0.7
"""Share of that radius within which the contrast is full; it falls to nothing as a cosine."""


def ring(side: int, centre: Centre, detail: float, turn: float) -> Floats:
    """A balanced Landolt ring with its gap at `turn` (radians, clockwise from the right).

    The darkest value is -1 and the sum 0. One detail is half the period of its stroke: dark over
    one detail, light over half of one on either side.
    """
    stroke, middle = 2 * detail, 4 * detail

    def band(least: float, most: float) -> Shape:
        def inside(x: Floats, y: Floats) -> Floats:
            along = x * np.cos(turn) + y * np.sin(turn)
            across = y * np.cos(turn) - x * np.sin(turn)
            off = np.abs(np.hypot(x, y) - middle)
            gap = (along > 0) & (np.abs(across) < stroke / 2)
            return np.asarray((off >= least) & (off < most) & ~gap, dtype=np.float64)

        return inside

    reach = RING / 2 * detail
    dark = coverage(band(0, detail / 2), side, centre, reach)
    light = coverage(band(detail / 2, detail), side, centre, reach)
    balanced: Floats = light * (dark.sum() / light.sum()) - dark
    return balanced


def letter(side: int, centre: Centre, detail: float, turn: float) -> Floats:
    """A dark letter E, its arms towards `turn` (radians, clockwise from the right).

    A detail is the width of an arm, half the arms' period.
    """

    def inside(x: Floats, y: Floats) -> Floats:
        along = (x * np.cos(turn) + y * np.sin(turn)) / detail
        across = (y * np.cos(turn) - x * np.sin(turn)) / detail
        box = (np.abs(along) < 2.5) & (np.abs(across) < 2.5)
        spine = along < -1.5
        arm = (np.abs(across) < 0.5) | (np.abs(across) > 1.5)
        return np.asarray(box & (spine | arm), dtype=np.float64)

    return -coverage(inside, side, centre, 3.6 * detail)


def dots(side: int, centre: Centre, detail: float, turn: float) -> Floats:
    """Two dark dots in a line along `turn`; dots and the gap between them are one detail wide."""

    def inside(x: Floats, y: Floats) -> Floats:
        along = np.abs(x * np.cos(turn) + y * np.sin(turn))
        across = y * np.cos(turn) - x * np.sin(turn)
        return np.asarray(np.hypot(along - detail, across) < detail / 2, dtype=np.float64)

    return -coverage(inside, side, centre, 1.6 * detail)


def grating(side: int, centre: Centre, detail: float, turn: float, phase: float) -> Floats:
    """Stripes across `turn` (radians from the right) in a round, soft window, 1 at most and 0 as a
    sum, exactly. A detail is half the period: one stripe.
    """
    radius = RADIUS * side

    def window(x: Floats, y: Floats) -> Floats:
        edge = np.clip((np.hypot(x, y) / radius - FLAT) / (1 - FLAT), 0, 1)
        faded: Floats = 0.5 + 0.5 * np.cos(np.pi * edge)
        return faded

    def stripes(x: Floats, y: Floats) -> Floats:
        along = x * np.cos(turn) + y * np.sin(turn)
        waves: Floats = window(x, y) * np.sin(np.pi * along / detail + phase)
        return waves

    covered = coverage(window, side, centre, radius)
    waves = coverage(stripes, side, centre, radius)
    level: Floats = waves - covered * (waves.sum() / covered.sum())
    return level


Optotype = Callable[[int, tuple[float, float], float, float], Floats]
