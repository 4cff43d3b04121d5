"""InstructBLIP: a square tower, and a fixed number of queries that look at it."""

from __future__ import annotations

from dataclasses import dataclass

from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.parts import Parts, ProcessorSettings
from resolution_eval.resolution import Size


@dataclass(frozen=True, kw_only=True)
class InstructBlipFamily(Family):
    """The grid is free, the number of visual tokens is not: the queries read any grid."""

    tower: str = "vision_model"
    decoder: str = "language_model"
    cache: str = "language_model_outputs.past_key_values"
    interpolates: bool = True
    needs_image: bool = True
    plain: bool = True

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        return ProcessorSettings(call={"do_resize": False})

    def visual_tokens(self, parts: Parts, grid: Size) -> int:
        return int(parts.config.num_query_tokens)

    def plain_prompt(self, parts: Parts, question: str, *, image: bool) -> str:
        """The processor puts the image's tokens before the text by itself."""
        return f"{question}\nAnswer:"

    def continues_prompt(self, parts: Parts) -> bool:
        return bool(parts.config.use_decoder_only_language_model)
