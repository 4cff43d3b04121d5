"""Mistral 3 and Pixtral: any grid of whole patches, its rows ended by a break token."""

from __future__ import annotations

from dataclasses import dataclass

from resolution_eval.families.base import Family, Parts, Settings
from resolution_eval.resolution import (
    Size,
    TrainingResolution,
    patch_size_fit,
    training_size,
)


@dataclass(frozen=True, kw_only=True)
class PixtralFamily(Family):
    """A tower of rotary positions; Mistral 3 merges patches, Pixtral does not."""

    def patch(self, parts: Parts) -> int:
        merge = int(getattr(parts.config, "spatial_merge_size", 1))
        return int(parts.config.vision_config.patch_size) * merge

    def training(self, parts: Parts) -> TrainingResolution:
        return TrainingResolution("native")

    def grid(self, parts: Parts, information: Size) -> Size:
        return patch_size_fit(information, self.patch(parts))

    def trained_grid(self, parts: Parts, source: Size, training: TrainingResolution) -> Size:
        return self.grid(parts, training_size(training, source))

    def settings(self, parts: Parts, grid: Size) -> Settings:
        return Settings(call={"do_resize": False})


MISTRAL3 = PixtralFamily(
    name="mistral3", model_types=("mistral3",), squeezed="model.multi_modal_projector"
)
PIXTRAL = PixtralFamily(name="pixtral", model_types=("llava/pixtral",))
