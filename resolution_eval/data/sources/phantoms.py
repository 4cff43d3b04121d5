"""Phantoms: generated images whose classes need coarse and fine detail at once.

So resolution matters by construction. A class is one of four shapes and one of two textures in it.
The shape is 38 px and more across, and is still seen at 16 px. The textures are waves about 4 px
long, in one direction (striped) or in two that cross (checked): the same energy at the same
frequency, a quarter cycle per pixel, which is plain at 64 px, half gone at 32 px, and above the
Nyquist limit of 24 px and 16 px, where both are one even tone.

A weak cue survives there. Striped shapes are rose and checked ones violet, but in one image of
every 15 the tones are exchanged. So whoever sees shapes and tones and no texture is right in 14 of
15 (0.933), and only the texture gives more. Position, size, direction, contrast, colour, light and
noise are nuisance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.plates.canvas import Floats
from resolution_eval.data.plates.plate import require, seed_of
from resolution_eval.data.sources.plate_source import DrawnSource
from resolution_eval.data.sources.source import ordered
from resolution_eval.ground.errors import DataError

SIDE = 64
"""Native edge of a phantom, in pixels."""
REVISION = "phantoms-1"
"""Recipe of the images below; any change of a pixel is a new revision."""
SPLITS = {"train": 4800, "val": 240, "test": 240}
"""Images per split: equally many of each class."""
CUE_PERIOD = 15
"""One image of a class in so many has the tone of the other texture."""


def _bar(x: Floats, y: Floats) -> Floats:
    return np.maximum(np.abs(x) - 0.32, np.abs(y) - 1.0)


SHAPES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "disc": lambda x, y: np.hypot(x, y) - 0.9,
    "ring": lambda x, y: np.abs(np.hypot(x, y) - 0.76) - 0.26,
    "cross": lambda x, y: np.minimum(_bar(x, y), _bar(y, x)),
    "pair": lambda x, y: np.maximum(np.abs(np.abs(x) - 0.66) - 0.34, np.abs(y) - 0.9),
}
"""Per shape, the distance to its edge (negative inside), for coordinates in units of its radius."""


TEXTURES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "striped": lambda along, across: np.sqrt(2.0) * np.sin(along),
    "checked": lambda along, across: np.sin(along) + np.sin(across),
}
"""Per texture, its pattern for two phases that run at right angles; mean 0 and variance 1 both."""

_TONES = np.array([[0.82, 0.42, 0.55], [0.50, 0.38, 0.78]])
"""Rose and violet, in the order of `TEXTURES`: red, green and blue from 0 to 1."""

CLASSES: tuple[str, ...] = tuple(f"{texture} {shape}" for shape in SHAPES for texture in TEXTURES)


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """What one image shows: its class, the tone it is stained in, and the seed of all nuisance."""

    shape: str
    texture: str
    tone: int
    seed: int

    @property
    def name(self) -> str:
        """Class of the phantom, a member of `CLASSES`."""
        return f"{self.texture} {self.shape}"


def phantom_of(split: str, index: int) -> Phantom:
    """The phantom number `index` of `split`; classes take turns, all else follows from both.

    Raises:
        DataError: there is no such split, or no such index in it.
    """
    require("phantoms have", "image", SPLITS, split, index)
    kind, turn = index % len(CLASSES), index // len(CLASSES)
    texture = kind % len(TEXTURES)
    exchanged = turn % CUE_PERIOD == CUE_PERIOD // 2
    return Phantom(
        shape=tuple(SHAPES)[kind // len(TEXTURES)],
        texture=tuple(TEXTURES)[texture],
        tone=1 - texture if exchanged else texture,
        seed=seed_of(REVISION, split, index),
    )


def draw(phantom: Phantom) -> NDArray[np.uint8]:
    """The image of `phantom`: height x width x 3, 64 px a side.

    Two phantoms with one seed differ in nothing but what their other fields say.
    """
    # RandomState: numpy promises its stream for good; a Generator's may change with a release
    random = np.random.RandomState(phantom.seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    radius = random.uniform(19, 23)
    centre_x, centre_y = SIDE / 2 + random.uniform(-6, 6, 2)
    x, y = columns - centre_x, rows - centre_y
    distance = SHAPES[phantom.shape](x / radius, y / radius) * radius
    inside = np.clip(0.5 - distance, 0, 1)
    pattern = TEXTURES[phantom.texture](*_phases(x, y, random))
    light = _light(columns / SIDE, rows / SIDE, random)
    ground = np.array([0.86, 0.80, 0.84]) + random.uniform(-0.05, 0.05, 3)
    stain = _TONES[phantom.tone] + random.uniform(-0.06, 0.06, 3)
    body = stain + random.uniform(0.11, 0.17) * pattern[..., None]
    image = light[..., None] * (ground + inside[..., None] * (body - ground))
    image += random.normal(0, random.uniform(0.015, 0.035), image.shape)
    pixels: NDArray[np.uint8] = np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
    return pixels


def _phases(x: Floats, y: Floats, random: np.random.RandomState) -> tuple[Floats, Floats]:
    """Phases in radians of two waves at right angles, about 4 px long, along the axes or nearly."""
    angle = random.uniform(-0.25, 0.25) + random.randint(2) * np.pi / 2
    wave = 2 * np.pi / random.uniform(3.7, 4.3)
    first, second = random.uniform(0, 2 * np.pi, 2)
    along = wave * (x * np.cos(angle) + y * np.sin(angle)) + first
    across = wave * (y * np.cos(angle) - x * np.sin(angle)) + second
    return along, across


def _light(x: Floats, y: Floats, random: np.random.RandomState) -> Floats:
    """Uneven illumination: a factor near 1 that changes linearly over the image."""
    brightness = random.uniform(0.9, 1.05)
    slope_x, slope_y = random.uniform(-0.12, 0.12, 2)
    light: Floats = brightness + slope_x * (x - 0.5) + slope_y * (y - 0.5)
    return light


class PhantomSource(DrawnSource):
    """The phantoms as a data set.

    Raises:
        DataError: the card's classes are not those of the phantoms.
    """

    name = noun = "phantom"
    revision = REVISION

    def __init__(self, card: TaskCard) -> None:
        super().__init__(card, "phantoms")
        if set(card.classes) != set(CLASSES):
            raise DataError(f"card {card.name}: phantoms have the classes {list(CLASSES)}")
        self._samples = ordered(
            self._of_class(f"{split}/{index:05d}", phantom_of(split, index).name, split=split)
            for split, count in SPLITS.items()
            for index in range(count)
        )

    def _drawn(self, split: str, index: int) -> NDArray[np.uint8]:
        return draw(phantom_of(split, index))
