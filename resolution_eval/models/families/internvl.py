"""InternVL in the Hugging Face form, Aya Vision and Command A Vision: tiles and a thumbnail."""

from __future__ import annotations

from dataclasses import dataclass, replace

from resolution_eval.models.families.parts import Parts, ProcessorSettings
from resolution_eval.models.families.tiling import Arrangement, TilingFamily, tiles_of
from resolution_eval.resolution import Size


@dataclass(frozen=True, kw_only=True)
class InternVLFamily(TilingFamily):
    """Its tower interpolates position embeddings by itself; pixel shuffle merges patches."""

    several_images: bool = True

    def edge(self, parts: Parts) -> int:
        size = parts.config.vision_config.image_size
        return int(size if isinstance(size, int) else size[0])

    def patch(self, parts: Parts) -> int:
        size = parts.config.vision_config.patch_size
        patch = int(size if isinstance(size, int) else size[0])
        return round(patch / float(parts.config.downsample_ratio))

    def arrangements(self, parts: Parts) -> list[Arrangement]:
        most = int(parts.processor.image_processor.max_patches)
        return [
            (columns, rows)
            for columns in range(1, most + 1)
            for rows in range(1, most // columns + 1)
        ]

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        tiles = tiles_of(grid, self.edge(parts))
        return ProcessorSettings(
            call={
                "size": {"height": tiles.edge, "width": tiles.edge},
                "crop_to_patches": tiles.count > 1,
                "min_patches": tiles.count,
                "max_patches": tiles.count,
            },
            processor={"image_seq_length": self.tile_tokens(parts, tiles.edge)},
        )


@dataclass(frozen=True, kw_only=True)
class AyaFamily(InternVLFamily):
    """Aya Vision and Command A Vision: a tower that interpolates where it is told to, and a
    processor that counts a tile's tokens by its edge in pixels or, under the name of a patch, in
    tokens.
    """

    interpolates: bool = True
    several_images: bool = False
    edge_in_tokens: bool = False

    def patch(self, parts: Parts) -> int:
        vision = int(parts.config.vision_config.patch_size)
        return vision * int(parts.config.downsample_factor)

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        edge = tiles_of(grid, self.edge(parts)).edge
        tokens = {"patch_size": edge // self.patch(parts)}
        counted = tokens if self.edge_in_tokens else {"img_size": edge}
        return replace(super().settings(parts, grid), processor=counted)
