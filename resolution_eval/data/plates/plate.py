"""A plate: one drawn image with its question, and the book that numbers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from resolution_eval.evidence.details import Detail
from resolution_eval.ground.errors import DataError, suggest

GOLDEN = (5**0.5 - 1) / 2
QUADRANTS = ("upper left", "upper right", "lower left", "lower right")


@dataclass(frozen=True, kw_only=True)
class Plate:
    """What one image shows and what is asked of it; everything else follows from the seed."""

    detail: Detail
    question: str
    choices: tuple[str, ...]
    turn: int
    """Number of the right choice."""
    quadrant: int
    """Where the detail lies, a number of `QUADRANTS`; of a large one, to which side it leans."""
    seed: int

    @property
    def answer(self) -> str:
        """The right choice."""
        return self.choices[self.turn]


class Book(Protocol):
    """Numbered plates of one kind of test."""

    @property
    def revision(self) -> str:
        """Recipe of the images; any change of a pixel is a new revision."""

    @property
    def side(self) -> int:
        """Edge of every image in pixels."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Plates per split."""

    def plate(self, split: str, index: int) -> Plate:
        """The plate number `index` of `split`."""

    def draw(self, plate: Plate) -> NDArray[np.uint8]:
        """Its image: height x width x 3."""


@dataclass(frozen=True)
class PlateTurn:
    """Where a number falls in a block design: every block holds each kind at each level once."""

    block: int
    kind: int
    level: int

    @classmethod
    def of(cls, index: int, kinds: int, levels: int) -> PlateTurn:
        """The turn of plate `index`; within a block kinds take turns and levels lie spread out, so
        that the first few plates hold large and small ones of every kind.

        Example:
            >>> [PlateTurn.of(index, kinds=2, levels=4).level for index in range(8)]
            [0, 0, 2, 2, 1, 1, 3, 3]
        """
        block, place = divmod(index, kinds * levels)
        spread = sorted(range(levels), key=lambda level: level * GOLDEN % 1)
        order = [spread.index(level) for level in range(levels)]
        return cls(block, place % kinds, order[place // kinds])

    def answer(self, choices: int) -> int:
        """Number of the right choice: choices take turns over the blocks, kinds and levels begin
        at different ones.
        """
        return (self.block + self.level + self.kind) % choices

    def quadrant(self, choices: int) -> int:
        """Number of the quadrant: with every answer equally often over 4 x `choices` blocks."""
        return (self.block // choices + self.block + self.level) % len(QUADRANTS)


def seed_of(revision: str, split: str, index: int) -> int:
    """A seed for the nuisance of one plate."""
    return int.from_bytes(sha256(f"{revision}/{split}/{index}".encode()).digest()[:4], "big")


def require(subject: str, noun: str, counts: Mapping[str, int], split: str, index: int) -> None:
    """Refuse an image that there is not; `subject` ("the chart has") and `noun` are for the error.

    Raises:
        DataError: there is no such split, or no such index in it.
    """
    if split not in counts:
        raise DataError(f"{subject} no split named {split!r}; {suggest(split, counts)}")
    if not 0 <= index < counts[split]:
        raise DataError(f"{subject} no {split} {noun} {index}; choose 0 to {counts[split] - 1}")


def pick(options: Sequence[str], number: int) -> str:
    """The option whose turn it is."""
    return options[number % len(options)]
