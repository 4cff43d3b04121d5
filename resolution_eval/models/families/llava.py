"""LLaVA-1.5: one image on a square tower; the model's own forward knows only the trained grid."""

from __future__ import annotations

from dataclasses import dataclass

from resolution_eval.models.families.family_base import Family, Parts, ProcessorSettings
from resolution_eval.resolution import Size


@dataclass(frozen=True, kw_only=True)
class LlavaFamily(Family):
    """An image enters as it is, whatever the processor crops or pads by itself."""

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        usual = super().settings(parts, grid)
        if not getattr(parts.processor.image_processor, "do_pad", False):
            return usual
        return ProcessorSettings(call={**usual.call, "do_pad": False})


LLAVA = LlavaFamily(name="llava", model_types=("llava",), interpolates=True, several_images=True)
"""Its forward drops `interpolate_pos_encoding`, so the tower has to be told apart from it."""
