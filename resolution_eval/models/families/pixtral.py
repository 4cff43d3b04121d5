"""Mistral 3 and Pixtral: any grid of whole patches, its rows ended by a break token."""

from __future__ import annotations

from dataclasses import dataclass

from resolution_eval.models.families.any_grid import AnyGridFamily
from resolution_eval.models.families.family_base import Parts


@dataclass(frozen=True, kw_only=True)
class PixtralFamily(AnyGridFamily):
    """A tower of rotary positions; Mistral 3 merges patches, Pixtral does not."""

    several_images: bool = True

    def patch(self, parts: Parts) -> int:
        merge = int(getattr(parts.config, "spatial_merge_size", 1))
        return int(parts.config.vision_config.patch_size) * merge


MISTRAL3 = PixtralFamily(
    name="mistral3", model_types=("mistral3",), squeezed="model.multi_modal_projector"
)
PIXTRAL = PixtralFamily(name="pixtral", model_types=("llava/pixtral",))
