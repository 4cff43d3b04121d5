"""Grounds: what optotypes lie on. A ground never depends on the answer."""

from __future__ import annotations

import numpy as np

from resolution_eval.data.plates.canvas import Floats, clouds

GROUNDS = ("plain", "noisy", "tissue")
NOISE = 6.0
"""Standard deviation of the noise of `noisy` and `tissue`, in grey levels."""
_PLAIN = np.array([128.0, 128.0, 128.0])
_TISSUE = np.array([148.0, 118.0, 138.0])


def ground(name: str, side: int, random: np.random.RandomState) -> Floats:
    """Grey levels of the ground `name`, height x width x 3."""
    image = np.empty((side, side, 3))
    image[:] = _TISSUE if name == "tissue" else _PLAIN
    if name == "tissue":
        image += 9 * clouds(side, random)[..., None] * np.array([0.6, 1.0, 0.8])
    if name != "plain":
        image += random.normal(0, NOISE, (side, side, 1))
    return image
