"""LLaVA-NeXT and LLaVA-OneVision: the image as a whole, and once more in tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resolution_eval.models.families.parts import Parts, ProcessorSettings
from resolution_eval.models.families.tiling import Arrangement, TilingFamily, tiles_of
from resolution_eval.resolution import Size


@dataclass(frozen=True, kw_only=True)
class AnyresFamily(TilingFamily):
    """One of the configuration's arrangements of tiles, behind each row of patches a newline."""

    interpolates: bool = True
    several_images: bool = True
    single_has_thumbnail: bool = True

    def arrangements(self, parts: Parts) -> list[Arrangement]:
        """Those of the configuration, and a single tile."""
        return sorted({(1, 1), *self.trained_arrangements(parts)})

    def trained_arrangements(self, parts: Parts) -> list[Arrangement]:
        edge = self.edge(parts)
        points = parts.config.image_grid_pinpoints
        return [(width // edge, height // edge) for height, width in points]

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        """One arrangement to choose from, which the image fits without resizing or padding."""
        edge = tiles_of(grid, self.edge(parts)).edge
        points = [[grid.height, grid.width]]
        return ProcessorSettings(
            call={"image_grid_pinpoints": points, **self._tile(edge)},
            processor={"image_processor.image_grid_pinpoints": points}
            | self._processor_tile(parts, edge),
            config={"image_grid_pinpoints": points, "vision_config.image_size": edge},
        )

    def _tile(self, edge: int) -> dict[str, Any]:
        square = {"height": edge, "width": edge}
        return {"size": {"shortest_edge": edge}, "crop_size": square}

    def _processor_tile(self, parts: Parts, edge: int) -> dict[str, Any]:
        return {}

    def visual_tokens(self, parts: Parts, grid: Size) -> int:
        """The whole image's tokens, all tiles' and one newline per row of the tiles' patches."""
        tiles = tiles_of(grid, self.edge(parts))
        side = tiles.edge // self.patch(parts)
        return side * side + self._packed(parts, side, tiles.rows * side, tiles.columns * side)

    def _packed(self, parts: Parts, side: int, rows: int, columns: int) -> int:
        return rows * (columns + 1)


@dataclass(frozen=True, kw_only=True)
class OneVisionFamily(AnyresFamily):
    """Beyond a number of tiles' patches, 9 as a rule, their features are scaled down.

    The processor gives each of several images a single tile, whatever its size, so that none
    follows the resolution.
    """

    several_images: bool = False

    def _tile(self, edge: int) -> dict[str, Any]:
        return {"size": {"height": edge, "width": edge}}

    def _processor_tile(self, parts: Parts, edge: int) -> dict[str, Any]:
        return {"num_image_tokens": (edge // self.patch(parts)) ** 2}

    def _packed(self, parts: Parts, side: int, rows: int, columns: int) -> int:
        most = int(parts.config.vision_aspect_ratio.removeprefix("anyres_max_"))
        ratio = float((rows * columns / (most * side * side)) ** 0.5)
        if ratio > 1.1:
            rows, columns = int(rows // ratio), int(columns // ratio)
        return rows * (columns + 1)
