"""PaliGemma and Gemma 3 (MedGemma's architecture): a SigLIP tower before Gemma."""

from __future__ import annotations

from dataclasses import dataclass

from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.parts import Parts, ProcessorSettings
from resolution_eval.resolution import Size, TrainingResolution


@dataclass(frozen=True, kw_only=True)
class PaliGemmaFamily(Family):
    """Every patch becomes one token, so the grid is free; questions need an image."""

    interpolates: bool = True
    needs_image: bool = True
    plain: bool = True
    first_position: int = 1

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        return ProcessorSettings(
            call={"do_resize": False},
            processor={"image_seq_length": self.visual_tokens(parts, grid)},
        )

    def plain_prompt(self, parts: Parts, question: str, *, image: bool) -> str:
        return f"{parts.processor.image_token}{question}"

    def spelled(self, parts: Parts, prompt: str) -> str:
        """The processor puts the beginning of text behind the image and a newline at the end."""
        mark = parts.processor.image_token
        return f"{mark}{parts.processor.tokenizer.bos_token}{prompt.removeprefix(mark)}\n"


@dataclass(frozen=True, kw_only=True)
class Gemma3Family(Family):
    """The projector pools the trained grid of patches to a fixed number of tokens."""

    def refusal(self, parts: Parts) -> str | None:
        side = self.edge(parts) // int(parts.config.vision_config.patch_size)
        return (
            f"its projector pools exactly {side} x {side} patches to "
            f"{parts.config.mm_tokens_per_image} tokens"
        )

    def trained_grid(self, parts: Parts, source: Size, training: TrainingResolution) -> Size:
        return Size(self.edge(parts), self.edge(parts))

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        return ProcessorSettings(call={"do_resize": False, "do_pan_and_scan": False})

    def visual_tokens(self, parts: Parts, grid: Size) -> int:
        return int(parts.config.mm_tokens_per_image)
