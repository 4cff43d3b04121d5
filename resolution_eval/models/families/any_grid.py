"""Towers of any grid of whole patches at every aspect: Qwen-VL, Mistral 3 and Pixtral."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.parts import Parts, ProcessorSettings, TowerGrid
from resolution_eval.resolution import Size, TrainingResolution, patch_size_fit, training_size


@dataclass(frozen=True, kw_only=True)
class AnyGridFamily(Family):
    """Trained at native sizes; the grid is the information in whole patches, at every aspect."""

    several_images: bool = True

    def training(self, parts: Parts) -> TrainingResolution:
        return TrainingResolution("native")

    def grid(self, parts: Parts, information: Size) -> Size:
        return patch_size_fit(information, self.patch(parts))

    def trained_grid(self, parts: Parts, source: Size, training: TrainingResolution) -> Size:
        return self.grid(parts, training_size(training, source))

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        """Without its own resize the processor applies no floor and no ceiling of pixels."""
        return ProcessorSettings(call={"do_resize": False})


@dataclass(frozen=True, kw_only=True)
class QwenFamily(AnyGridFamily):
    """Qwen2-VL, Qwen2.5-VL and Qwen3-VL: `merge` x `merge` patches become one visual token."""

    tower: str = "model.visual"
    grids_may_differ: bool = True
    loops: bool = True

    def patch(self, parts: Parts) -> int:
        return super().patch(parts) * int(parts.config.vision_config.spatial_merge_size)

    def received(
        self, parts: Parts, grid: Size, arguments: Mapping[str, Any], samples: int
    ) -> list[TowerGrid]:
        patch = super().patch(parts)
        return [
            TowerGrid(grid=(int(rows) * patch, int(columns) * patch), images=int(frames))
            for frames, rows, columns in arguments["grid_thw"].tolist()
        ]

    def pictures(self, parts: Parts, arguments: Mapping[str, Any]) -> list[TowerGrid]:
        return self.received(parts, Size(1, 1), arguments, 1)

    def entering(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"grid_thw": inputs["image_grid_thw"]}


@dataclass(frozen=True, kw_only=True)
class PixtralFamily(AnyGridFamily):
    """Rows of patches, each ended by a break token; Mistral 3 merges patches, Pixtral does not."""

    def patch(self, parts: Parts) -> int:
        return super().patch(parts) * int(getattr(parts.config, "spatial_merge_size", 1))
