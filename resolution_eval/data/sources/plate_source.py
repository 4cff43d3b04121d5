"""Images that are drawn when they are read, and nothing is stored: a book of plates, say."""

from __future__ import annotations

import re
from abc import abstractmethod
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.plates.plate import Book
from resolution_eval.data.sources.sample_source import SampleSource, png
from resolution_eval.data.sources.source import Sample
from resolution_eval.ground.errors import DataError, ImageError


class DrawnSource(SampleSource):
    """Every image follows from its split and number ("test/00017"), which are its sample's id and
    its locator; in the fingerprint the revision that it follows from stands for it.
    """

    noun: str
    """What one image is called in errors."""

    def __init__(self, card: TaskCard, where: str) -> None:
        super().__init__(card, where)
        self._read = lru_cache(maxsize=64)(self._png)

    def _content(self, locator: str) -> str:
        return f"{self.revision}/{locator}"

    @abstractmethod
    def _drawn(self, split: str, index: int) -> NDArray[np.uint8]:
        """The image number `index` of `split`: height x width x 3.

        Raises:
            DataError: there is none.
        """

    def read(self, locator: str) -> bytes:
        """The image `locator` as a PNG.

        Raises:
            ImageError: there is no such image.
        """
        try:
            return self._read(locator)
        except DataError as error:
            raise ImageError(f"no {self.noun} {locator!r}: {error}") from error

    def _png(self, locator: str) -> bytes:
        match = re.fullmatch(r"([a-z]+)/([0-9]{5})", locator)
        if match is None:
            raise DataError('a locator is written like "test/00017"')
        return png(Image.fromarray(self._drawn(match[1], int(match[2]))))


class PlateSource(DrawnSource):
    """The plates of `book`.

    Samples come in the book's order, not by hash, so that any first part of them holds every kind
    and size of detail equally often.
    """

    noun = "plate"

    def __init__(self, name: str, card: TaskCard, book: Book) -> None:
        super().__init__(card, f"the book {name}")
        self.name = name
        self.revision = f"{book.revision}, {book.side} px"
        self.book = book
        self._samples = tuple(
            self._sample(split, index)
            for split, count in book.counts.items()
            for index in range(count)
        )

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

    def _drawn(self, split: str, index: int) -> NDArray[np.uint8]:
        return self.book.draw(self.book.plate(split, index))
