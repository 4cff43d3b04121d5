"""A book of plates as a data set: every image is drawn when it is read, nothing is stored."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from io import BytesIO

from PIL import Image

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.plates.plate import Book
from resolution_eval.data.sources.source import Exclusion, Sample, fingerprint, of_split
from resolution_eval.ground.errors import DataError, ImageError


class PlateSource:
    """The plates of `book`. A sample's id is its split and number ("test/00017").

    Samples come in the book's order, not by hash, so that any first part of them holds every kind
    and size of detail equally often.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, name: str, card: TaskCard, book: Book) -> None:
        self.name = name
        self.revision = f"{book.revision}, {book.side} px"
        self.book = book
        self._card = card
        self._samples = tuple(
            self._sample(split, index)
            for split, count in book.counts.items()
            for index in range(count)
        )
        self._read = lru_cache(maxsize=64)(self._png)

    def _sample(self, split: str, index: int) -> Sample:
        locator = f"{split}/{index:05d}"
        plate = self.book.plate(split, index)
        return Sample(
            id=locator,
            image=locator,
            question=plate.question,
            answer=plate.answer,
            choices=plate.choices,
            cluster=locator,
            split=split,
            detail=plate.detail,
        )

    @property
    def excluded(self) -> tuple[Exclusion, ...]:
        """Nothing: every plate is a sample."""
        return ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, answers and details; for the images stands the revision that they
        follow from.
        """
        return fingerprint(
            self._samples,
            {sample.image: f"{self.revision}/{sample.image}" for sample in self._samples},
        )

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of one split, in the book's order.

        Raises:
            DataError: the split is unknown.
        """
        return of_split(self._samples, split, f"the book {self.name}")

    def read(self, locator: str) -> bytes:
        """The image `locator` as a PNG.

        Raises:
            ImageError: there is no such plate.
        """
        try:
            return self._read(locator)
        except DataError as error:
            raise ImageError(f"no plate {locator!r}: {error}") from error

    def _png(self, locator: str) -> bytes:
        match = re.fullmatch(r"([a-z]+)/([0-9]{5})", locator)
        if match is None:
            raise DataError('a locator is written like "test/00017"')
        image = self.book.draw(self.book.plate(match[1], int(match[2])))
        buffer = BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        return buffer.getvalue()
