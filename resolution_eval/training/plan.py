"""What a training run does, as one frozen record that its checkpoint keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from resolution_eval.flamingo import FlamingoConfig
from resolution_eval.resolution import NATIVE, Resolution, Size, TrainingResolution, ascending

Share = tuple[Resolution, Annotated[float, Field(gt=0)]]
"""A resolution, and the weight with which a batch is drawn at it."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Record):
    """One stage of optimisation: AdamW, its rate warmed up linearly and lowered by a cosine."""

    steps: Annotated[int, Field(ge=0)]
    batch: Annotated[int, Field(ge=1)] = 64
    rate: Annotated[float, Field(gt=0)] = 1e-3
    """Largest learning rate."""
    warmup: Annotated[int, Field(ge=0)] = 50
    """Steps until the largest rate."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """On matrices; biases, norms, gates and embeddings of one dimension have none."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient."""


class Augmentation(_Record):
    """What is changed at random in a training image, each on its own."""

    greyscale: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability of losing its colour, so that colour alone does not carry the answer."""
    flips: bool = False
    """Whether it is mirrored, left to right and top to bottom, each with probability one half."""
    transposition: bool = False
    """Whether its rows and columns change places, with probability one half; of square images."""
    stain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest relative change of each channel's optical density, and, of it, of its exponent: the
    colours of another laboratory's stain and scanner.
    """
    shift: Annotated[int, Field(ge=0)] = 0
    """Largest move in pixels, along each axis; what comes in is the mirror of what is there."""


class Architecture(_Record):
    """Sizes of a small Flamingo: widths in channels, depths in layers."""

    patch: Annotated[int, Field(ge=1)] = 8
    vision_width: int = 96
    vision_layers: int = 4
    vision_heads: int = 3
    language_width: int = 64
    language_layers: int = 2
    language_heads: int = 2
    cross_attn_every_n_layers: int = 2
    perceiver_depth: int = 1
    perceiver_heads: int = 4
    perceiver_head_width: int = 32
    perceiver_latents: int = 8
    vocabulary: int = 512
    """Largest number of tokens, learned from the task's own text; 256 of them are single bytes."""

    def config(self, grid: Size) -> FlamingoConfig:
        """The configuration of a Flamingo whose position table has the size of `grid` (pixels)."""
        vision: dict[str, Any] = {
            "image_size": [grid.height, grid.width],
            "patch_size": self.patch,
            "width": self.vision_width,
            "layers": self.vision_layers,
            "heads": self.vision_heads,
            "output_dim": self.vision_width,
        }
        language: dict[str, Any] = {
            "model_type": "llama",
            "hidden_size": self.language_width,
            "intermediate_size": 2 * self.language_width,
            "num_hidden_layers": self.language_layers,
            "num_attention_heads": self.language_heads,
            "max_position_embeddings": 1024,
            "tie_word_embeddings": True,
        }
        perceiver = {
            "depth": self.perceiver_depth,
            "heads": self.perceiver_heads,
            "dim_head": self.perceiver_head_width,
            "num_latents": self.perceiver_latents,
        }
        return FlamingoConfig(
            vision=vision,
            language=language,
            perceiver=perceiver,
            cross_attn_every_n_layers=self.cross_attn_every_n_layers,
        )


class TrainingPlan(_Record):
    """How one checkpoint is trained: strategy, resolutions, model, two stages and seed."""

    strategy: Literal["native", "low", "mixed"]
    low: Resolution
    """The low resolution, for the strategies low and mixed."""
    native: Resolution = NATIVE
    """What counts as native: the source untouched, or a budget where that would cost too much."""
    mix: tuple[Share, ...] = ()
    """Resolutions and weights of the strategy mixed; low and native, half and half, by default."""
    filter: str = "bicubic"
    seed: Annotated[int, Field(ge=0)] = 0
    architecture: Architecture = Architecture()
    augmentation: Augmentation = Augmentation()
    encoder: Stage = Stage(steps=600)
    """First stage: the vision encoder learns the answers as classes, with a linear head."""
    joint: Stage = Stage(steps=300)
    """Second stage: perceiver, cross-attention and language model learn to answer."""
    frozen: tuple[str, ...] = ("vision_encoder",)
    """Names, or beginnings of names, of the parameters that the second stage leaves as they are."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of the average over steps that replaces a stage's weights at its end; 0: none.

    Near the start it is (1 + step) / (10 + step), where that is less.
    """
    fused: bool = False
    """Whether one kernel updates all parameters: quicker, and rounded differently."""
    stored: Literal["float32", "float16"] = "float32"
    """Type of the weights in the checkpoint; they are rounded to it before they are scored."""

    @model_validator(mode="after")
    def _consistent(self) -> TrainingPlan:
        if self.mix and self.strategy != "mixed":
            raise ValueError(f"mix belongs to the strategy mixed, not to {self.strategy}")
        if len({resolution for resolution, _ in self.shares}) < len(self.shares):
            raise ValueError(f"a resolution is named twice in {self.shares}")
        if self.strategy == "mixed" and len(self.shares) < 2:
            raise ValueError("mixed training needs two or more resolutions")
        return self

    @property
    def shares(self) -> tuple[Share, ...]:
        """The resolutions that are trained at, each with the weight of its batches."""
        if self.strategy == "mixed":
            return self.mix or ((self.low, 0.5), (self.native, 0.5))
        return ((self.low if self.strategy == "low" else self.native, 1.0),)

    @property
    def resolutions(self) -> Sequence[Resolution]:
        """The resolutions that are trained at, ascending."""
        return sorted((resolution for resolution, _ in self.shares), key=ascending)

    @property
    def declaration(self) -> TrainingResolution:
        """The training resolution that the checkpoint declares.

        Example:
            >>> str(TrainingPlan(strategy="mixed", low=16, native=64).declaration)
            'mixed:[16,64]'
        """
        members = tuple(self.resolutions)
        if len(members) > 1:
            return TrainingResolution("mixed", members)
        if members == (NATIVE,):
            return TrainingResolution("native")
        return TrainingResolution("fixed", members)
