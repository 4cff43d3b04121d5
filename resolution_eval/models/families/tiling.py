"""Families that cut an image into square tiles of one size."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.family_base import Family, fit, share
from resolution_eval.models.families.own_processor import foretold
from resolution_eval.models.families.parts import Parts, TowerGrid
from resolution_eval.resolution import Size, TrainingResolution, training_size

Arrangement = tuple[int, int]
"""Columns and rows of tiles."""


@dataclass(frozen=True)
class Tiles:
    """Square tiles that cover a grid."""

    columns: int
    rows: int
    edge: int

    @property
    def count(self) -> int:
        """Number of tiles, without a thumbnail."""
        return self.columns * self.rows

    @property
    def grid(self) -> Size:
        """Size in pixels that the tiles cover together."""
        return Size(self.columns * self.edge, self.rows * self.edge)


def arrange(information: Size, edge: int, allowed: Iterable[Arrangement]) -> Tiles:
    """The allowed arrangement of tiles of `edge` pixels that is nearest to `information`.

    Nearest in aspect ratio and, counting half as much, in area, both as logarithms; of equals, the
    one with the fewest tiles.

    Example:
        >>> arrange(Size(900, 450), 448, [(1, 1), (2, 1), (2, 2)])
        Tiles(columns=2, rows=1, edge=448)
    """

    def distance(arrangement: Arrangement) -> tuple[float, int]:
        columns, rows = arrangement
        wide = math.log(columns * edge / information.width)
        high = math.log(rows * edge / information.height)
        return round(2 * abs(wide - high) + abs(wide + high), 9), columns * rows

    return Tiles(*min(allowed, key=distance), edge)


def tiles_of(grid: Size, edge: int) -> Tiles:
    """The tiles of a grid: of `edge` pixels, or one smaller tile."""
    if grid.width % edge == 0 and grid.height % edge == 0:
        return Tiles(grid.width // edge, grid.height // edge, edge)
    return Tiles(1, 1, grid.width)


@dataclass(frozen=True, kw_only=True)
class TilingFamily(Family, ABC):
    """Tiles of the training's size above it, in a number that follows the resolution; below it, one
    tile that follows the resolution.
    """

    single_has_thumbnail: bool = False
    """Whether an image of one tile is seen a second time as a whole."""

    @abstractmethod
    def arrangements(self, parts: Parts) -> list[Arrangement]:
        """The arrangements of tiles that the checkpoint knows."""

    def trained_arrangements(self, parts: Parts) -> list[Arrangement]:
        """Those that it was trained on, where `arrangements` has others besides."""
        return self.arrangements(parts)

    def training(self, parts: Parts) -> TrainingResolution:
        if len(self.arrangements(parts)) == 1:
            return TrainingResolution("fixed", (self.edge(parts),))
        return TrainingResolution("native")

    def grid(self, parts: Parts, information: Size) -> Size:
        edge = self.edge(parts)
        if information.pixels >= edge * edge:
            return arrange(information, edge, self.arrangements(parts)).grid
        side = fit(round(math.sqrt(information.pixels)), self.patch(parts), edge)
        return Size(min(side, edge), min(side, edge))

    def trained_grid(self, parts: Parts, source: Size, training: TrainingResolution) -> Size:
        """Whole tiles of the training's size, also where the source is smaller."""
        shown = training_size(training, source)
        return arrange(shown, self.edge(parts), self.trained_arrangements(parts)).grid

    def images(self, parts: Parts, grid: Size) -> int:
        """Images that enter the tower for a grid, the thumbnail included."""
        tiles = tiles_of(grid, self.edge(parts))
        return tiles.count + int(tiles.count > 1 or self.single_has_thumbnail)

    def tile_tokens(self, parts: Parts, edge: int) -> int:
        """Visual tokens of one tile."""
        return (edge // self.patch(parts)) ** 2

    def visual_tokens(self, parts: Parts, grid: Size) -> int:
        edge = tiles_of(grid, self.edge(parts)).edge
        return self.images(parts, grid) * self.tile_tokens(parts, edge)

    def received(
        self, parts: Parts, grid: Size, arguments: Mapping[str, Any], samples: int
    ) -> list[TowerGrid]:
        *count, _, height, width = arguments["pixel_values"].shape
        images = share(count, samples)
        return [self.covered(parts, grid, (height, width), images)] * samples

    def received_each(
        self, parts: Parts, grids: Sequence[Size], calls: Sequence[Mapping[str, Any]]
    ) -> list[TowerGrid]:
        """As many tiles of every image as its processor cuts one of its size into."""
        if len(set(grids)) == 1:
            return super().received_each(parts, grids, calls)
        (arguments,) = calls
        *count, _, height, width = arguments["pixel_values"].shape
        images = [foretold(self, parts, grid).images for grid in grids]
        if sum(images) != math.prod(count):
            raise ModelError(
                f"{math.prod(count)} tiles entered of {len(grids)} images, of which the processor "
                f"makes {images} one by one"
            )
        return [
            self.covered(parts, grid, (height, width), own)
            for grid, own in zip(grids, images, strict=True)
        ]

    def covered(self, parts: Parts, grid: Size, tile: tuple[int, int], images: int) -> TowerGrid:
        """The area covered by `images` tiles of height and width `tile`.

        It is the expected arrangement's where their number is; otherwise that of a single column.
        """
        height, width = tile
        if self.own:
            return self._arranged(parts, grid, tile, images)
        tiles = tiles_of(grid, self.edge(parts))
        if images != self.images(parts, grid):
            return TowerGrid(grid=(images * height, width), images=images)
        return TowerGrid(grid=(tiles.rows * height, tiles.columns * width), images=images)

    def _arranged(self, parts: Parts, drawn: Size, tile: tuple[int, int], images: int) -> TowerGrid:
        """The area of tiles that the processor itself cut from an image of the size `drawn`: of the
        arrangements with so many tiles the one nearest in aspect, since the tensors hold no other
        order than theirs.
        """
        height, width = tile
        count = images - int(images > 1 or self.single_has_thumbnail)
        known = [
            (columns, count // columns) for columns in range(1, count + 1) if count % columns == 0
        ]
        if not known:
            return TowerGrid(grid=(images * height, width), images=images)

        def distance(arrangement: Arrangement) -> float:
            columns, rows = arrangement
            return abs(math.log(columns * width / (rows * height) * drawn.height / drawn.width))

        columns, rows = min(known, key=distance)
        return TowerGrid(grid=(rows * height, columns * width), images=images)
