"""Llama 3.2 Vision: up to four tiles of one size, which the language model attends across to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resolution_eval.models.families.parts import Parts, ProcessorSettings, TowerGrid
from resolution_eval.models.families.tiling import Arrangement, TilingFamily
from resolution_eval.resolution import Size


@dataclass(frozen=True, kw_only=True)
class MllamaFamily(TilingFamily):
    """The tower's position embeddings, and the masks over them, exist for whole tiles only."""

    tower: str = "model.vision_model"

    def arrangements(self, parts: Parts) -> list[Arrangement]:
        shapes = parts.config.vision_config.supported_aspect_ratios
        return [(columns, rows) for rows, columns in shapes]

    def refusal(self, parts: Parts) -> str | None:
        edge = self.edge(parts)
        return (
            f"its position embeddings and attention masks are made for tiles of {edge} x {edge} "
            "pixels, so that no grid is smaller than one tile"
        )

    def images(self, parts: Parts, grid: Size) -> int:
        return (grid.width // self.edge(parts)) * (grid.height // self.edge(parts))

    def tile_tokens(self, parts: Parts, edge: int) -> int:
        """Patches and a class token, as keys of the cross-attention."""
        return (edge // self.patch(parts)) ** 2 + 1

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        """An image that fills its tiles is neither enlarged nor padded."""
        return ProcessorSettings()

    def received(
        self, parts: Parts, grid: Size, arguments: Mapping[str, Any], samples: int
    ) -> list[TowerGrid]:
        *_, height, width = arguments["pixel_values"].shape
        shapes = parts.config.vision_config.supported_aspect_ratios
        grids = []
        for (number,) in arguments["aspect_ratio_ids"].tolist():
            rows, columns = shapes[number - 1]
            grids.append(TowerGrid(grid=(rows * height, columns * width), images=rows * columns))
        return grids

    def pictures(self, parts: Parts, arguments: Mapping[str, Any]) -> list[TowerGrid]:
        return self.received(parts, Size(1, 1), arguments, 1)

    def counted_tokens(self, parts: Parts, inputs: Mapping[str, Any]) -> list[int]:
        """Tokens of the tiles that the mask does not hide."""
        if "aspect_ratio_mask" not in inputs:
            return [0] * len(inputs["input_ids"])
        each = self.tile_tokens(parts, self.edge(parts))
        return [int(row.sum()) * each for row in inputs["aspect_ratio_mask"]]

    def continued(self, batch: Mapping[str, Any], owners: Any, length: int) -> dict[str, Any]:
        """The last prompt token's view of the tiles, for every token behind it."""
        if "cross_attention_mask" not in batch:
            return {}
        last = batch["cross_attention_mask"][owners, -1:]
        return {"cross_attention_mask": last.expand(-1, length, -1, -1)}
