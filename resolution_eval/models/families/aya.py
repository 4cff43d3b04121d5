"""Aya Vision and Cohere's Command A Vision: InternVL's tiles before another tower."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from resolution_eval.models.families.family_base import Parts, ProcessorSettings
from resolution_eval.models.families.internvl import InternVLFamily
from resolution_eval.models.families.tiling import tiles_of
from resolution_eval.resolution import Size


@dataclass(frozen=True, kw_only=True)
class AyaFamily(InternVLFamily):
    """Its tower interpolates where it is told to, and its processor counts a tile's tokens by the
    tile's edge in pixels.
    """

    interpolates: bool = True
    several_images: bool = False

    def patch(self, parts: Parts) -> int:
        vision = int(parts.config.vision_config.patch_size)
        return vision * int(parts.config.downsample_factor)

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        edge = tiles_of(grid, self.edge(parts)).edge
        return replace(super().settings(parts, grid), processor=self._tile(parts, edge))

    def _tile(self, parts: Parts, edge: int) -> dict[str, Any]:
        return {"img_size": edge}


@dataclass(frozen=True, kw_only=True)
class Cohere2Family(AyaFamily):
    """Its processor holds a tile's edge in tokens, under the name of a patch."""

    def _tile(self, parts: Parts, edge: int) -> dict[str, Any]:
        return {"patch_size": edge // self.patch(parts)}


AYA = AyaFamily(name="aya_vision", model_types=("aya_vision",))
COHERE2 = Cohere2Family(name="cohere2_vision", model_types=("cohere2_vision",))
