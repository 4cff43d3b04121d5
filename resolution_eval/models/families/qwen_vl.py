"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: any grid of whole merged patches, in the image's aspect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resolution_eval.models.families.any_grid import AnyGridFamily
from resolution_eval.models.families.family_base import Parts, TowerGrid
from resolution_eval.resolution import Size


@dataclass(frozen=True, kw_only=True)
class QwenFamily(AnyGridFamily):
    """A tower of any grid; `merge` x `merge` patches become one visual token."""

    tower: str = "model.visual"
    several_images: bool = True
    grids_may_differ: bool = True
    loops: bool = True

    def _patch(self, parts: Parts) -> int:
        return int(parts.config.vision_config.patch_size)

    def patch(self, parts: Parts) -> int:
        return self._patch(parts) * int(parts.config.vision_config.spatial_merge_size)

    def received(
        self, parts: Parts, grid: Size, arguments: Mapping[str, Any], samples: int
    ) -> list[TowerGrid]:
        patch = self._patch(parts)
        return [
            TowerGrid(grid=(int(rows) * patch, int(columns) * patch), images=int(frames))
            for frames, rows, columns in arguments["grid_thw"].tolist()
        ]

    def pictures(self, parts: Parts, arguments: Mapping[str, Any]) -> list[TowerGrid]:
        return self.received(parts, Size(0, 0), arguments, 1)

    def entering(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"grid_thw": inputs["image_grid_thw"]}


QWEN2_VL = QwenFamily(name="qwen2_vl", model_types=("qwen2_vl",))
QWEN2_5_VL = QwenFamily(name="qwen2_5_vl", model_types=("qwen2_5_vl",))
QWEN3_VL = QwenFamily(name="qwen3_vl", model_types=("qwen3_vl", "qwen3_vl_moe"))
