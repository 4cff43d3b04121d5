"""Turned plates: a book's train plates, each drawn once and shown turned, mirrored and moved.

A letter whose arms point right points down after a quarter turn: every plate of the eye chart
stands for eight, each moved about; a lesion phantom has an up and a down, and is mirrored only. Of
the eye chart, what is finer than a grid can show (two pixels per period) is left out at that grid,
where there is nothing to learn from it but what folds back, and so are rings, which no encoder of
this size has learned in so little training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from PIL import Image
from torch import Tensor

from resolution_eval.data.sources import Sample
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.resolution import Resolution, Size
from resolution_eval.training.augmentation import augment
from resolution_eval.training.batches import generator
from resolution_eval.training.plan import Augmentation
from resolution_eval.training.pool import ImageBatch, ImagePool, ImagePools
from studies.joint_book import FINDINGS

_AROUND = ("right", "lower right", "down", "lower left", "left", "upper left", "up", "upper right")
_PAIRS = (("upright", "lying"), ("side by side", "one above the other"))
QUARTER = {name: _AROUND[(place + 2) % 8] for place, name in enumerate(_AROUND)}
"""Answers after a quarter turn clockwise."""
QUARTER |= {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
MIRRORED = {name: _AROUND[(4 - place) % 8] for place, name in enumerate(_AROUND)}
"""Answers in a mirror, left to right; other answers stay."""


MOVED = Augmentation(shift=8)
"""How far a plate of the eye chart is moved."""
UNTAUGHT = ("landolt 4", "landolt 8")


@dataclass(eq=False)
class TurnedPlates(ImagePool):
    """The pool of a book's plates."""

    _shown: dict[Resolution, dict[Size, list[int]]] = field(default_factory=dict)

    def stored(self, locator: str) -> Image.Image:
        assert isinstance(self.source, PlateSource)
        split, _, number = locator.partition("/")
        book = self.source.book
        return Image.fromarray(book.draw(book.plate(split, int(number))))

    def groups(self, resolution: Resolution) -> dict[Size, list[int]]:
        if resolution not in self._shown:
            self._shown[resolution] = {
                grid: [place for place in places if self._taught(self.samples[place], grid)]
                for grid, places in super().groups(resolution).items()
            }
        return self._shown[resolution]

    def _taught(self, sample: Sample, grid: Size) -> bool:
        detail = sample.detail
        if detail is None or detail.kind in FINDINGS:
            return True
        scale = grid.width / self.sizes[sample.image].width
        return detail.kind not in UNTAUGHT and detail.size * scale >= 1

    def take(self, resolution: Resolution, grid: Size, places: Sequence[int]) -> ImageBatch:
        """The samples at `places`, each changed as follows from all of them."""
        drawn = super().take(resolution, grid, places)
        changed = [
            _changed(sample, image, generator("turn", order, *places))
            for order, (sample, image) in enumerate(zip(drawn.samples, drawn.pixels, strict=True))
        ]
        samples, images = zip(*changed, strict=True)
        return replace(drawn, samples=samples, pixels=torch.stack(images))


def _changed(sample: Sample, image: Tensor, random: torch.Generator) -> tuple[Sample, Tensor]:
    change = int(torch.randint(8, (1,), generator=random))
    quarters, mirrored = change % 4, change >= 4
    if sample.detail is not None and sample.detail.kind in FINDINGS:
        return turned(sample, 0, mirrored), turned_image(image, 0, mirrored)
    moved = augment(image[None], MOVED, random)[0]
    return turned(sample, quarters, mirrored), turned_image(moved, quarters, mirrored)


def turned(sample: Sample, quarters: int, mirrored: bool) -> Sample:
    """The sample with its answer in a mirror, where it is mirrored, and after the quarter turns."""
    answer = MIRRORED.get(sample.answer, sample.answer) if mirrored else sample.answer
    for _ in range(quarters):
        answer = QUARTER.get(answer, answer)
    return replace(sample, answer=answer)


def turned_image(image: Tensor, quarters: int, mirrored: bool) -> Tensor:
    """Channels x height x width, mirrored and then turned likewise."""
    return torch.rot90(image.flip(-1) if mirrored else image, -quarters, (-2, -1))


def plate_pools(source: PlateSource, grid_of: Callable[[Size], Size], limit: int) -> ImagePools:
    """The source's pools, its first `limit` train plates turned."""
    samples = source.samples("train")[:limit]
    side = Size(source.book.side, source.book.side)
    sizes = {sample.image: side for sample in samples}
    train = TurnedPlates(source, samples, sizes, grid_of, "bicubic")
    return ImagePools(source, grid_of, "bicubic", kept={("train", None): train})
