"""Answers to plates: a trained Flamingo is shown a book, as it is or changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from resolution_eval.data.plates.canvas import Pixels
from resolution_eval.data.sources import Sample
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.models.flamingo import FlamingoBundle
from resolution_eval.resolution import Size, patch_size_fit
from resolution_eval.statistics.psychometric import Trials
from resolution_eval.training.choice_accuracy import verdicts
from resolution_eval.training.pool import GridOf, ImagePool

Change = Callable[[Pixels], Pixels]
"""What happens to a stored image on its way to the model."""


class DrawnPlates:
    """The test plates of a source, each drawn once."""

    def __init__(self, source: PlateSource, samples: Iterable[Sample]) -> None:
        self.source, self.samples = source, tuple(samples)
        self._kept: dict[str, Pixels] = {}

    def image(self, locator: str) -> Pixels:
        """Height x width x 3."""
        if locator not in self._kept:
            split, _, number = locator.partition("/")
            book = self.source.book
            self._kept[locator] = book.draw(book.plate(split, int(number)))
        return self._kept[locator]


@dataclass(eq=False)
class ChangedPool(ImagePool):
    """A pool of drawn plates, each changed on the way."""

    drawn: DrawnPlates | None = None
    change: Change | None = None

    def stored(self, locator: str) -> Image.Image:
        assert self.drawn is not None
        image = self.drawn.image(locator)
        return Image.fromarray(image if self.change is None else self.change(image))


Verdicts = list[tuple[Sample, bool]]


def answers(
    bundle: FlamingoBundle, drawn: DrawnPlates, r: int, change: Change | None = None
) -> Verdicts:
    """Every plate that says what must be seen, and whether the model's answer at `r` is right."""
    pool = changed_pool(drawn, partial(patch_size_fit, patch=bundle.patch), change)
    return list(verdicts(bundle, pool, r))


def changed_pool(drawn: DrawnPlates, grid_of: GridOf, change: Change | None = None) -> ChangedPool:
    """The drawn plates at the grids of a model."""
    side = Size(drawn.source.book.side, drawn.source.book.side)
    return ChangedPool(
        drawn.source,
        drawn.samples,
        {sample.image: side for sample in drawn.samples},
        grid_of,
        "bicubic",
        drawn=drawn,
        change=change,
    )


def trials(found: Sequence[tuple[Sample, bool]], scale: float = 1.0) -> Trials:
    """The answers by size, in pixels of the stored image times `scale`."""
    details = [(sample, sample.detail, right) for sample, right in found if sample.detail]
    return Trials(
        np.array([detail.size * scale for _, detail, _ in details]),
        np.array([float(right) for _, _, right in details]),
        np.array([detail.chance for _, detail, _ in details], dtype=float),
        [sample.id for sample, _, _ in details],
    )


def of_kinds(found: Sequence[tuple[Sample, bool]], kinds: Sequence[str]) -> Verdicts:
    """The answers to things of these kinds."""
    return [(s, right) for s, right in found if s.detail is not None and s.detail.kind in kinds]
