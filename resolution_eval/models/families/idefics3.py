"""Idefics3 and SmolVLM: rows and columns of tiles, then the whole image as one more."""

from __future__ import annotations

from dataclasses import dataclass

from resolution_eval.models.families.parts import Parts, ProcessorSettings
from resolution_eval.models.families.tiling import Arrangement, TilingFamily, tiles_of
from resolution_eval.resolution import Size


@dataclass(frozen=True, kw_only=True)
class Idefics3Family(TilingFamily):
    """Its tower spreads position embeddings over any grid; pixel shuffle merges patches."""

    tower: str = "model.vision_model"
    several_images: bool = True

    def edge(self, parts: Parts) -> int:
        return int(parts.processor.image_processor.max_image_size["longest_edge"])

    def patch(self, parts: Parts) -> int:
        return int(parts.config.vision_config.patch_size) * int(parts.config.scale_factor)

    def arrangements(self, parts: Parts) -> list[Arrangement]:
        """As many tiles a side as the longest edge that the processor lets through holds."""
        processor = parts.processor.image_processor
        most = max(1, int(processor.size["longest_edge"]) // self.edge(parts))
        if not processor.do_image_splitting:
            most = 1
        return [(columns, rows) for columns in range(1, most + 1) for rows in range(1, most + 1)]

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        tiles = tiles_of(grid, self.edge(parts))
        return ProcessorSettings(
            call={
                "do_resize": False,
                "do_image_splitting": tiles.count > 1,
                "max_image_size": {"longest_edge": tiles.edge},
            },
            processor={"image_seq_len": self.tile_tokens(parts, tiles.edge)},
        )
