"""Gratings: stripes of one period in a round, soft window, their mean that of the ground."""

from __future__ import annotations

import numpy as np

from resolution_eval.data.plates.canvas import Floats, coverage

RADIUS = 0.16
"""Radius of the window, over the image's edge."""
FLAT = 0.7
"""Share of the radius within which the contrast is full; it falls to nothing as a cosine."""


def grating(
    side: int, centre: tuple[float, float], detail: float, turn: float, phase: float
) -> Floats:
    """A grating that varies along `turn` (radians from the right), 1 at most, its sum exactly 0.

    A detail is half the period: one stripe.
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
