"""A joint book: the plates of the eye chart and of the lesion phantoms in turn, in one data set."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.lesions import LesionBook
from resolution_eval.data.lesions.lesion_book import SEARCHES
from resolution_eval.data.plates import Plate

FINDINGS = frozenset(search.kind for search in SEARCHES)
"""Kinds of things that are lesion phantoms; all others are optotypes."""


class JointBook:
    """Even plates are the eye chart's, odd ones the phantoms', each in its own order."""

    def __init__(self, side: int) -> None:
        self.side = side
        self._books = (AcuityBook(side), LesionBook(side))
        self.revision = "+".join(book.revision for book in self._books)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Plates per split."""
        chart, lesions = (book.counts for book in self._books)
        return {split: 2 * min(count, lesions[split]) for split, count in chart.items()}

    def plate(self, split: str, index: int) -> Plate:
        """The plate number `index` of `split`.

        Raises:
            DataError: there is none.
        """
        return self._books[index % 2].plate(split, index // 2)

    def draw(self, plate: Plate) -> NDArray[np.uint8]:
        """The image of `plate`."""
        return self._books[plate.detail.kind in FINDINGS].draw(plate)
