"""An ideal observer of the eye chart: what the pixels that enter an encoder say of the answer.

It has the very pixels, after the project's own rendering, knows the size, the contrast and the
noise, and does not know the place, the phase or the answer. For every answer it adds up the
likelihood of the pixels over all places and phases, and says the likeliest. No reader of the same
pixels does better, up to the fineness of its places; what it cannot tell is not in the pixels.

`cut` takes all that is finer than the grid's sampling limit (two pixels per period) out of the
stored image first, as a camera's optical low-pass filter would: then nothing is folded into wider
stripes, and the observer is limited by the sampling alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import logsumexp

from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.acuity.chart_book import AMPLITUDE, FULL, NOISE
from resolution_eval.data.plates import Plate
from resolution_eval.data.plates.canvas import Floats, Pixels, quantised
from resolution_eval.images import FILTERS, resize
from resolution_eval.resolution import Size

Spectra = NDArray[np.complex128]

ROUNDING = 1 / 12
"""Variance of rounding to whole grey levels."""
PHASES = 16
PLACES = 6
"""Most places per pixel of the grid and axis."""
QUARTERS = {2: 2, 4: 4, 8: 4}
"""Quarter turns of one choice that are choices too, by the number of choices."""
WEIGHTS = {
    "plain": np.full(3, 1 / 3),
    "noisy": np.full(3, 1 / 3),
    "tissue": np.array([7.0, -5.0, 1.0]) / 3,
}
"""Of the three channels, by ground: the sum is 1, and the clouds of tissue, which are coloured 0.6,
1.0 and 0.8, cancel.
"""
MEANS = {"plain": 128.0, "noisy": 128.0, "tissue": float(WEIGHTS["tissue"] @ (148, 118, 138))}
"""Grey level of the ground, by these weights."""


@dataclass(frozen=True)
class Entrance:
    """How a stored image of `side` px becomes the `grid` px that enter the encoder."""

    side: int
    grid: int
    filter: str = "bicubic"
    cut: bool = False
    """Whether what is beyond the grid's sampling limit is taken out first."""

    def pixels(self, image: Pixels) -> Pixels:
        """Height x width x 3 in 8 bits, as they enter."""
        size = Size(self.grid, self.grid)
        stored = Image.fromarray(self.passed(image) if self.cut else image)
        return np.asarray(resize(stored, size, self.filter))

    def passed(self, image: Pixels) -> Pixels:
        """The stored image without what is finer than the grid's sampling limit."""
        channels = [self._cutting @ image[..., c] @ self._cutting.T for c in range(3)]
        return quantised(np.stack(channels, axis=-1))

    @cached_property
    def _cutting(self) -> Floats:
        """Along one axis: the frequencies below the grid's sampling limit."""
        waves = np.fft.fft(np.eye(self.side), axis=0)
        waves[np.abs(np.fft.fftfreq(self.side)) >= self.grid / self.side / 2] = 0
        passed: Floats = np.fft.ifft(waves, axis=0).real
        return passed

    @cached_property
    def matrix(self) -> Floats:
        """The same along one axis, without rounding: a row per pixel of the grid."""
        line = Image.fromarray(np.eye(self.side, dtype=np.float32))
        across = np.asarray(line.resize((self.grid, self.side), FILTERS[self.filter]), np.float64).T
        return across @ self._cutting if self.cut else across

    def noise(self, ground: str) -> Floats:
        """Variance per frequency of what is not the optotype, of the weighted channels."""
        weights = WEIGHTS[ground]
        spread = float((weights**2).sum()) if ground == "tissue" else 1.0
        source = (0.0 if ground == "plain" else NOISE**2) + ROUNDING * spread
        passed = np.abs(np.fft.fft((self.matrix @ self.matrix.T)[self.grid // 2]))
        total: Floats = source * np.outer(passed, passed) + ROUNDING * spread
        return total


class IdealObserver:
    """Reads plates of `book` from what enters by `entrance`."""

    def __init__(self, book: AcuityBook, entrance: Entrance) -> None:
        self._book, self._entrance = book, entrance
        self._templates = lru_cache(maxsize=16)(self._drawn)

    def answer(self, plate: Plate, internal: float = 0.0) -> int:
        """Number of the choice that is likeliest.

        With `internal` noise (white, its standard deviation in grey levels of the grid's pixels),
        which it has and knows, it is as insensitive to faint things as a real reader may be.
        """
        ground = plate.detail.ground or "plain"
        entered = self._entrance.pixels(self._book.draw(plate)) @ WEIGHTS[ground] - MEANS[ground]
        random = np.random.RandomState(plate.seed ^ 1)
        entered = entered + random.normal(0, 1, entered.shape) * internal
        noise = self._entrance.noise(ground) + internal**2
        seen = np.fft.fft2(entered) / noise
        contrast = AMPLITUDE * (plate.detail.contrast or FULL)
        inside = self._inside(self._book.reach(plate.detail))
        found = []
        for templates in self._templates(plate.detail.kind, plate.detail.size, len(plate.choices)):
            waves = templates * contrast
            energy = (np.abs(waves) ** 2 / noise).sum((1, 2)) / waves[0].size
            match = np.fft.ifft2(seen * waves.conj()).real[:, inside]
            found.append(logsumexp(match - energy[:, None] / 2))
        return int(np.argmax(found))

    def _inside(self, reach: float) -> NDArray[np.bool_]:
        """Pixels of the grid around which an optotype of this reach lies within the image."""
        scale = self._entrance.grid / self._entrance.side
        most = max(0.0, self._entrance.grid / 2 - reach * scale) + 1
        near = np.abs(np.arange(self._entrance.grid) - self._entrance.grid / 2) <= most
        return np.logical_and.outer(near, near)

    def _drawn(self, kind: str, size: float, choices: int) -> list[Spectra]:
        """Per choice, the spectra of the optotype at contrast 1 at every place within a pixel of
        the grid, and in every phase. Quarter turns of one choice are the others.
        """
        quarters = QUARTERS[choices]
        drawn = [self._nuisances(kind, size, turn / choices) for turn in range(choices // quarters)]
        middle = -self._entrance.grid // 2
        return [
            np.fft.fft2(np.roll(np.rot90(one, -quarter, (1, 2)), middle, axis=(1, 2)))
            for quarter in range(quarters)
            for one in drawn
        ]

    def _nuisances(self, kind: str, size: float, turn: float) -> Floats:
        """The optotype, turned by this part of a turn, as it enters from every place and phase."""
        grating = "grating" in kind
        scale = self._entrance.side / self._entrance.grid
        steps = 2 if grating else PLACES  # a phase moves stripes as a place does
        places = self._entrance.side / 2 + np.arange(steps) / steps * scale
        phases = np.arange(PHASES) * 2 * np.pi / PHASES if grating else [0.0]
        matrix = self._entrance.matrix
        return np.stack(
            [
                matrix @ self._book.optotype(kind, size, turn, (x, y), phase) @ matrix.T
                for x, y, phase in product(places, places, phases)
            ]
        )
