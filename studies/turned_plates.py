"""Turned plates: a book's train plates, each drawn once and shown turned, mirrored and moved.

A ring whose gap is to the right is, after a quarter turn, one whose gap is below: every plate
stands for eight. What is finer than a grid can show (two pixels per period) is left out at that
grid: there is nothing to learn from it but what folds back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import torch
from PIL import Image
from torch import Tensor

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.plates.plate import Book
from resolution_eval.data.sources import Sample
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.resolution import Resolution, Size
from resolution_eval.training.batches import generator
from resolution_eval.training.pool import ImageBatch, ImagePool, ImagePools

_AROUND = ("right", "lower right", "down", "lower left", "left", "upper left", "up", "upper right")
_PAIRS = (("upright", "lying"), ("side by side", "one above the other"))
QUARTER = {name: _AROUND[(place + 2) % 8] for place, name in enumerate(_AROUND)}
"""Answers after a quarter turn clockwise."""
QUARTER |= {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
MIRRORED = {name: _AROUND[(4 - place) % 8] for place, name in enumerate(_AROUND)}
"""Answers in a mirror, left to right; other answers stay."""


class SomePlates(PlateSource):
    """The plates of some kinds alone."""

    def __init__(self, name: str, card: TaskCard, book: Book, kinds: Collection[str]) -> None:
        super().__init__(name, card, book)
        self._samples = tuple(
            sample for sample in self._samples if sample.detail and sample.detail.kind in kinds
        )


@dataclass(eq=False)
class TurnedPlates(ImagePool):
    """The pool of a book's plates."""

    quarters: int = 4
    """Quarter turns that are made: 4, or 1 where the ground has an up and a down."""
    finest: float = 0.0
    """Smallest detail shown, in pixels of the grid."""
    _shown: dict[Resolution, dict[Size, list[int]]] = field(default_factory=dict)

    def stored(self, locator: str) -> Image.Image:
        assert isinstance(self.source, PlateSource)
        split, _, number = locator.partition("/")
        book = self.source.book
        return Image.fromarray(book.draw(book.plate(split, int(number))))

    def groups(self, resolution: Resolution) -> dict[Size, list[int]]:
        if resolution not in self._shown:
            self._shown[resolution] = {
                grid: [place for place in places if self._visible(place, grid)]
                for grid, places in super().groups(resolution).items()
            }
        return self._shown[resolution]

    def _visible(self, place: int, grid: Size) -> bool:
        sample = self.samples[place]
        detail = sample.detail
        scale = grid.width / self.sizes[sample.image].width
        return detail is not None and detail.size * scale >= self.finest

    def take(self, resolution: Resolution, grid: Size, places: Sequence[int]) -> ImageBatch:
        """The samples at `places`, each turned as follows from all of them."""
        drawn = super().take(resolution, grid, places)
        random = generator("turn", *places)
        quarters = torch.randint(self.quarters, (len(places),), generator=random).tolist()
        mirrored = torch.randint(2, (len(places),), generator=random).tolist()
        changes = list(zip(quarters, map(bool, mirrored), strict=True))
        samples = zip(drawn.samples, changes, strict=True)
        images = zip(drawn.pixels, changes, strict=True)
        return replace(
            drawn,
            samples=tuple(turned(sample, *change) for sample, change in samples),
            pixels=torch.stack([turned_image(image, *change) for image, change in images]),
        )


def turned(sample: Sample, quarters: int, mirrored: bool) -> Sample:
    """The sample with its answer in a mirror, where it is mirrored, and after the quarter turns."""
    answer = MIRRORED.get(sample.answer, sample.answer) if mirrored else sample.answer
    for _ in range(quarters):
        answer = QUARTER.get(answer, answer)
    return replace(sample, answer=answer)


def turned_image(image: Tensor, quarters: int, mirrored: bool) -> Tensor:
    """Channels x height x width, mirrored and then turned likewise."""
    return torch.rot90(image.flip(-1) if mirrored else image, -quarters, (-2, -1))


def plate_pools(
    source: PlateSource,
    grid_of: Callable[[Size], Size],
    *,
    quarters: int,
    finest: float,
    limit: int | None = None,
) -> ImagePools:
    """The source's pools, its first `limit` train plates turned."""
    samples = source.samples("train")[:limit]
    side = Size(source.book.side, source.book.side)
    train = TurnedPlates(
        source,
        samples,
        {sample.image: side for sample in samples},
        grid_of,
        "bicubic",
        quarters=quarters,
        finest=finest,
    )
    return ImagePools(source, grid_of, "bicubic", kept={("train", None): train})
