"""Towers that take any grid of whole patches at every aspect: Qwen-VL, Mistral 3, Pixtral."""

from __future__ import annotations

from dataclasses import dataclass

from resolution_eval.models.families.family_base import Family, Parts, ProcessorSettings
from resolution_eval.resolution import (
    Size,
    TrainingResolution,
    patch_size_fit,
    training_size,
)


@dataclass(frozen=True, kw_only=True)
class AnyGridFamily(Family):
    """Trained at native sizes; the grid is the information in whole patches, at every aspect."""

    def training(self, parts: Parts) -> TrainingResolution:
        return TrainingResolution("native")

    def grid(self, parts: Parts, information: Size) -> Size:
        return patch_size_fit(information, self.patch(parts))

    def trained_grid(self, parts: Parts, source: Size, training: TrainingResolution) -> Size:
        return self.grid(parts, training_size(training, source))

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        """Without its own resize the processor applies no floor and no ceiling of pixels."""
        return ProcessorSettings(call={"do_resize": False})
