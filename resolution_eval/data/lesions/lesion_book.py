"""The lesion phantoms' plates: which finding, size, place, answer and wording each number has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from resolution_eval.data.lesions.fields import FIELDS, NOISE
from resolution_eval.data.plates.canvas import Centre, Floats, coverage, placed, quantised
from resolution_eval.data.plates.plate import QUADRANTS, Plate, PlateTurn, pick, require, seed_of
from resolution_eval.evidence.details import Detail

REVISION = "lesion-1"
LEVELS = 8
"""Sizes per kind, each larger than the last by the root of 2."""
BLOCKS = {"train": 128, "val": 4, "test": 24}
"""Blocks of a split; a block holds every kind at every level once."""
PRESENCE = ("yes", "no")
COUNTS = ("one", "two", "three", "four")
PITCH = 2.5
"""Distance between neighbouring calcifications, over their diameter."""


@dataclass(frozen=True)
class LesionSearch:
    """One thing to look for, and what is asked of it."""

    kind: str
    field: str
    smallest: float
    """Smallest size in pixels of the image."""
    colour: tuple[float, float, float]
    """Grey levels that the densest part adds to red, green and blue."""
    choices: tuple[str, ...]
    prompts: tuple[str, ...]


def _asked(what: str) -> tuple[str, ...]:
    return (
        f"Is there {what} in this image?",
        f"Does this image show {what}?",
        f"Look closely: can {what} be found here?",
    )


def _where(what: str) -> tuple[str, ...]:
    return (
        f"In which quadrant of the image is the {what}?",
        f"There is one {what}. Which quarter of the image holds it?",
        f"Where is the {what}?",
    )


_BRIGHT, _DARK_RED, _PURPLE = (55.0, 55.0, 55.0), (-90.0, -60.0, -30.0), (-120.0, -120.0, -60.0)
_SPECK = (110.0, 110.0, 110.0)
_COUNTED = (
    "How many bright specks are there?",
    "Count the tiny calcifications.",
    "How many calcifications does the cluster have?",
)

SEARCHES = (
    LesionSearch("nodule present", "chest", 2.0, _BRIGHT, PRESENCE, _asked("a round nodule")),
    LesionSearch("dot quadrant", "fundus", 1.0, _DARK_RED, QUADRANTS, _where("dark dot")),
    LesionSearch("calcifications", "breast", 0.75, _SPECK, COUNTS, _COUNTED),
    LesionSearch(
        "mitosis present", "tissue", 2.0, _PURPLE, PRESENCE, _asked("a dark mitotic plate")
    ),
    LesionSearch("nodule quadrant", "chest", 2.0, _BRIGHT, QUADRANTS, _where("nodule")),
    LesionSearch("dot present", "fundus", 1.0, _DARK_RED, PRESENCE, _asked("a small dark dot")),
)


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


_FINDINGS: Mapping[str, Callable[..., Floats]] = {"nodule": nodule, "dot": dot, "mitosis": mitosis}


class LesionBook:
    """Plates of lesion phantoms of `side` x `side` px."""

    revision = REVISION

    def __init__(self, side: int, blocks: Mapping[str, int] = BLOCKS) -> None:
        """More `blocks` of a split are more plates; those of fewer stay as they are."""
        self.side = side
        self.counts = {split: count * len(SEARCHES) * LEVELS for split, count in blocks.items()}

    def plate(self, split: str, index: int) -> Plate:
        """The plate number `index` of `split`; train plates have sizes between the levels too.

        Raises:
            DataError: there is none.
        """
        require("the book of lesions has", "plate", self.counts, split, index)
        turn = PlateTurn.of(index, len(SEARCHES), LEVELS)
        search, seed = SEARCHES[turn.kind], seed_of(REVISION, split, index)
        size = search.smallest * 2 ** (turn.level / 2)
        if split == "train":
            size *= 2 ** (((seed % 1000) / 1000 - 0.5) / 2)
        asks_place = search.choices == QUADRANTS
        right = turn.answer(len(search.choices))
        return Plate(
            detail=Detail(
                kind=search.kind,
                width=size,
                height=size,
                chance=1 / len(search.choices),
                present=not (search.choices == PRESENCE and right == 1),
                contrast=1.0,
                ground=search.field,
            ),
            question=pick(search.prompts, turn.block + turn.level),
            choices=search.choices,
            turn=right,
            quadrant=right if asks_place else turn.quadrant(len(search.choices)),
            seed=seed,
        )

    def draw(self, plate: Plate) -> NDArray[np.uint8]:
        """The image of `plate`. The field does not depend on whether anything is there."""
        # RandomState: numpy promises its stream for good; a Generator's may change with a release
        random = RandomState(plate.seed)
        search = next(one for one in SEARCHES if one.kind == plate.detail.kind)
        image = FIELDS[search.field](self.side, random)
        image += random.normal(0, NOISE, image.shape)
        if plate.detail.present:
            finding = self.finding(plate, random)
            image = image + finding[..., None] * np.array(search.colour)
        return quantised(image)

    def finding(self, plate: Plate, random: RandomState) -> Floats:
        """The finding alone, 1 at its densest."""
        size, name = plate.detail.size, plate.detail.kind.split()[0]
        if name == "calcifications":
            reach = PITCH * size / 2**0.5 + size / 2
            centre = placed(self.side, reach, plate.quadrant, random)
            return cluster(self.side, centre, size, random, count=plate.turn + 1)
        centre = placed(self.side, size / 2, plate.quadrant, random)
        return _FINDINGS[name](self.side, centre, size, random)
