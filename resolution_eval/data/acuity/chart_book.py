"""The eye chart's plates: which optotype, size, answer, ground and wording each number has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from resolution_eval.data.acuity.optotypes import (
    RADIUS,
    RING,
    Optotype,
    dots,
    grating,
    letter,
    ring,
)
from resolution_eval.data.plates.canvas import Centre, Floats, clouds, placed, quantised
from resolution_eval.data.plates.plate import Plate, PlateTurn, pick, require, seed_of
from resolution_eval.evidence.details import Detail

REVISION = "acuity-1"
SMALLEST = 0.75
"""Smallest detail in pixels of the image; each next level is larger by the root of 2."""
LARGEST = 0.68
"""Largest diameter of a ring, over the image's edge."""
AMPLITUDE = 100.0
"""Grey levels above and below the ground at contrast 1."""
BLOCKS = {"train": 128, "val": 4, "test": 24}
"""Blocks of a split; a block holds every kind at every level once."""
FULL = 0.8
FAINT = (0.05, 0.1, 0.2)
"""Contrasts of the faint gratings, which take turns."""
GROUNDS = ("plain", "noisy", "tissue")
"""What optotypes lie on; it never depends on the answer."""
NOISE = 6.0
"""Standard deviation of the noise of `noisy` and `tissue`, in grey levels."""

_FOUR = ("right", "down", "left", "up")
_EIGHT = ("right", "lower right", "down", "lower left", "left", "upper left", "up", "upper right")
STRIPES = ("upright", "lying")
_PAIR = ("side by side", "one above the other")
_RING_PROMPTS = (
    "On which side is the gap of the ring?",
    "The ring is open on one side. Where is its opening?",
    "Which way does the broken ring point with its gap?",
)
STRIPE_PROMPTS = (
    "How do the stripes run?",
    "There is a patch of fine stripes. Which way do its stripes run?",
    "Are the lines of the striped patch upright or lying?",
)
_LETTER_PROMPTS = (
    "Towards which side do the arms of the letter E point?",
    "The letter E is turned. On which side is it open?",
    "Which way does the E point with its three arms?",
)
_DOT_PROMPTS = (
    "How do the two dots lie?",
    "There are two dark dots. How are they arranged?",
    "In which way are the two dots placed?",
)


@dataclass(frozen=True)
class ChartLine:
    """One line of the chart: what is drawn, and what is asked."""

    kind: str
    choices: tuple[str, ...]
    prompts: tuple[str, ...]
    control: bool = False


LINES = (
    ChartLine("landolt 4", _FOUR, _RING_PROMPTS),
    ChartLine("grating", STRIPES, STRIPE_PROMPTS),
    ChartLine("landolt 8", _EIGHT, _RING_PROMPTS),
    ChartLine("letter E", _FOUR, _LETTER_PROMPTS, control=True),
    ChartLine("faint grating", STRIPES, STRIPE_PROMPTS, control=True),
    ChartLine("two dots", _PAIR, _DOT_PROMPTS, control=True),
)
_SHAPES: Mapping[str, Optotype] = {
    "landolt 4": ring,
    "landolt 8": ring,
    "letter E": letter,
    "two dots": dots,
}


class AcuityBook:
    """Plates of an eye chart of `side` x `side` px."""

    revision = REVISION

    def __init__(self, side: int, blocks: Mapping[str, int] = BLOCKS) -> None:
        """More `blocks` of a split are more plates; those of fewer stay as they are."""
        self.side = side
        self.counts = {
            split: count * len(LINES) * len(self.levels) for split, count in blocks.items()
        }

    @cached_property
    def levels(self) -> tuple[float, ...]:
        """Sizes of details in pixels of the image, ascending.

        Example:
            >>> [round(level, 2) for level in AcuityBook(128).levels]
            [0.75, 1.06, 1.5, 2.12, 3.0, 4.24, 6.0, 8.49]
        """
        sizes = [SMALLEST * 2 ** (step / 2) for step in range(64)]
        return tuple(size for size in sizes if RING * size <= LARGEST * self.side)

    def plate(self, split: str, index: int) -> Plate:
        """The plate number `index` of `split`; train plates have sizes between the levels too.

        Raises:
            DataError: there is none.
        """
        require("the eye chart has", "plate", self.counts, split, index)
        turn = PlateTurn.of(index, len(LINES), len(self.levels))
        line, seed = LINES[turn.kind], seed_of(REVISION, split, index)
        detail = self.levels[turn.level]
        if split == "train":
            detail = self._between(turn.level, (seed % 1000) / 1000)
        faint = line.kind == "faint grating"
        return Plate(
            detail=Detail(
                kind=line.kind,
                width=detail,
                height=detail,
                chance=1 / len(line.choices),
                control=line.control,
                contrast=FAINT[(turn.block // 2) % len(FAINT)] if faint else FULL,
                ground=pick(GROUNDS, turn.block + turn.level),
            ),
            question=pick(line.prompts, turn.block // len(GROUNDS) + turn.level),
            choices=line.choices,
            turn=turn.answer(len(line.choices)),
            quadrant=turn.quadrant(len(line.choices)),
            seed=seed,
        )

    def _between(self, level: int, share: float) -> float:
        """A train plate's detail: all sizes are equally frequent on a log scale, the smallest of
        the chart, which hardly a grid shows, left out.
        """
        least, most = self.levels[1] * 1.1, self.levels[-1]
        size: float = least * (most / least) ** ((level + share) / len(self.levels))
        return size

    def draw(self, plate: Plate) -> NDArray[np.uint8]:
        """The image of `plate`. Two plates that differ in the answer alone have the same ground."""
        # RandomState: numpy promises its stream for good; a Generator's may change with a release
        random = RandomState(plate.seed)
        detail = plate.detail
        centre = placed(self.side, self.reach(detail), plate.quadrant, random)
        phase = random.uniform(0, 2 * np.pi)
        image = ground(detail.ground or "plain", self.side, random)
        amplitude = AMPLITUDE * (detail.contrast or FULL)
        turn = plate.turn / len(plate.choices)
        pattern = self.optotype(detail.kind, detail.size, turn, centre, phase)
        return quantised(image + amplitude * pattern[..., None])

    def reach(self, detail: Detail) -> float:
        """Half the extent of the optotype, in pixels."""
        factor = {"letter E": 3.6, "two dots": 1.6}.get(detail.kind, RING / 2)
        return RADIUS * self.side if "grating" in detail.kind else factor * detail.size

    def optotype(self, kind: str, size: float, turn: float, centre: Centre, phase: float) -> Floats:
        """An optotype at contrast 1, its darkest about -1: `turn` is the number of the choice over
        that of all choices, and only gratings have a `phase` (radians).
        """
        if kind == "two dots" or kind not in _SHAPES:
            turn /= 2
        angle = 2 * np.pi * turn
        if kind in _SHAPES:
            return _SHAPES[kind](self.side, centre, size, angle)
        return grating(self.side, centre, size, angle, phase)


def ground(name: str, side: int, random: RandomState) -> Floats:
    """Grey levels of the ground `name`, height x width x 3."""
    image = np.empty((side, side, 3))
    image[:] = (148.0, 118.0, 138.0) if name == "tissue" else 128.0
    if name == "tissue":
        image += 9 * clouds(side, random)[..., None] * np.array([0.6, 1.0, 0.8])
    if name != "plain":
        image += random.normal(0, NOISE, (side, side, 1))
    return image
