"""Fields: grounds that look a little like an organ, before anything is found in them.

They are formulas, no images of anyone. A field never depends on the answer.
"""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState

from resolution_eval.data.plates.canvas import Floats, clouds

NOISE = 4.0
"""Standard deviation of every field's noise, in grey levels."""


def _axes(side: int) -> tuple[Floats, Floats]:
    """x and y of every pixel's centre, from -1 to 1."""
    rows, columns = (np.mgrid[:side, :side] + 0.5) / side * 2 - 1
    return columns, rows


def chest(side: int, random: RandomState) -> Floats:
    """Two dark fields beside a light middle, crossed by bands like ribs; grey."""
    x, y = _axes(side)
    tilt, shift = random.uniform(-0.15, 0.15, 2)
    lungs = np.minimum(
        *(np.hypot((x - place) / 0.42, (y - shift / 3) / 0.92) for place in (-0.5, 0.5))
    )
    inside = 1 / (1 + np.exp((lungs - 1) * 12))
    ribs = np.cos(2 * np.pi * (random.uniform(2.2, 2.8) * (y + 0.35 * x**2 + tilt * x) + shift))
    grey = 150 - 55 * inside + 7 * ribs * inside + 6 * clouds(side, random)
    return np.repeat(grey[..., None], 3, axis=2)


def breast(side: int, random: RandomState) -> Floats:
    """Cloudy tissue; grey."""
    grey = 105 + 14 * clouds(side, random) + 5 * clouds(side, random)
    return np.repeat(grey[..., None], 3, axis=2)


def fundus(side: int, random: RandomState) -> Floats:
    """An orange disc that darkens to its edge, with curved vessels."""
    x, y = _axes(side)
    radius = np.hypot(x, y)
    light = 1 - 0.35 * radius**2
    for _ in range(4):
        angle, bend = random.uniform(0, 2 * np.pi), random.uniform(-0.5, 0.5)
        along = x * np.cos(angle) + y * np.sin(angle)
        across = y * np.cos(angle) - x * np.sin(angle) - bend * along**2
        light = light - 0.10 * np.exp(-((across / 0.035) ** 2)) * (along > -0.2)
    light = light + 0.03 * clouds(side, random)
    return np.asarray(light[..., None] * np.array([205.0, 112.0, 62.0]))


def tissue(side: int, random: RandomState) -> Floats:
    """Pink tissue with pale round nuclei."""
    image = np.empty((side, side, 3))
    image[:] = (214.0, 158.0, 190.0)
    image += 9 * clouds(side, random)[..., None] * np.array([0.7, 1.0, 0.7])
    x, y = _axes(side)
    for _ in range(26):
        centre_x, centre_y = random.uniform(-1, 1, 2)
        wide, tall = random.uniform(0.05, 0.075, 2)
        inside = np.hypot((x - centre_x) / wide, (y - centre_y) / tall)
        nucleus = 1 / (1 + np.exp((inside - 1) * 9))
        image -= nucleus[..., None] * np.array([34.0, 40.0, 12.0])
    return image


FIELDS = {"chest": chest, "breast": breast, "fundus": fundus, "tissue": tissue}
