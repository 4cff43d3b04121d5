"""What a training run does, as one frozen record that its checkpoint keeps."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from resolution_eval.models.flamingo.config import FlamingoConfig
from resolution_eval.resolution import NATIVE, PixelResolution, Size, TrainingResolution
from resolution_eval.training.mix import Mix, WeightedMix, declaration, parse_mix


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Part):
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


class Augmentation(_Part):
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


class Architecture(_Part):
    """Sizes of a small Flamingo: widths in channels, depths in layers."""

    patch: Annotated[int, Field(ge=1)] = 8
    vision_width: int = 96
    vision_layers: int = 4
    vision_heads: int = 3
    neighbours: bool = False
    """Whether the vision encoder's heads begin by looking at neighbouring patches."""
    whitened: bool = False
    """Whether its patch convolution begins as what the training patches vary by."""
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


class Lora(_Part):
    """Low-rank adapters on the linear layers that are not frozen (Hu et al. 2021, 2106.09685)."""

    rank: Annotated[int, Field(ge=1)] = 16
    alpha: Annotated[float, Field(gt=0)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Teaching(_Part):
    """A linear head that has the encoder tell the answers apart, thrown away afterwards.

    Only for models that start from random weights, which else hardly learn to look.
    """

    steps: Annotated[int, Field(ge=0)] = 0
    """First steps, in which the head alone is trained with the encoder."""
    pooled: Literal["mean", "max"] = "mean"
    """What the head's logits are: of the mean of an image's patches, or, per answer, the largest of
    all patches', for what lies in few of them.
    """
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Of the head's loss beside the answer's, after these steps."""
    batch: Annotated[int, Field(ge=1)] | None = None
    """As `rate`, `warmup` and `weight_decay`: of these steps, where they have their own."""
    rate: Annotated[float, Field(gt=0)] | None = None
    warmup: Annotated[int, Field(ge=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    rests: tuple[str, ...] = ()
    """Names of the parts that stay as they are after these steps."""

    def stage(self, rest: Stage) -> Stage:
        """These steps' optimisation; `rest` is that of the steps after them."""
        names = {"batch", "rate", "warmup", "weight_decay"}
        own = self.model_dump(include=names, exclude_none=True)
        return rest.model_copy(update={**own, "steps": min(self.steps, rest.steps)})


class TrainingPlan(_Part):
    """How one checkpoint is trained: what moves, at which resolutions, for how long."""

    strategy: Literal["native", "low", "mixed"]
    low: PixelResolution
    """The low resolution, for the strategies low and mixed."""
    native: PixelResolution = NATIVE
    """What counts as native: the source untouched, or a budget where that would cost too much."""
    mix: str = ""
    """How the strategy mixed draws resolutions; low and native, half and half, by default."""
    filter: str = "bicubic"
    seed: Annotated[int, Field(ge=0)] = 0
    optimisation: Stage = Stage(steps=1000, batch=8, rate=2e-5, warmup=50)
    """`steps` counts all, those of `teaching` too; `batch` the samples of one forward pass in one
    process.
    """
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Batches per step, each with a resolution of its own."""
    frozen: tuple[str, ...] = ()
    """Names, or beginnings of names, of the parameters that stay as they are."""
    lora: Lora | None = None
    """None trains the parameters themselves."""
    teaching: Teaching | None = None
    architecture: Architecture | None = None
    """Of a Flamingo that starts from random weights."""
    augmentation: Augmentation = Augmentation()
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of the average over steps that takes the weights' place where they are
    validated, and at the end of each stage; 0: none. Near the start it is (1 + step) / (10 + step),
    where that is less.
    """
    fused: bool = False
    """Whether one kernel updates all parameters: quicker, and rounded differently."""
    stored: Literal["float32", "float16"] | None = None
    """Type of the weights in the checkpoint; None keeps the one that they have."""
    precision: Literal["no", "bf16"] | None = None
    """Type of the arithmetic; None leaves it to accelerate's configuration."""
    checkpointing: bool = False
    """Whether activations are computed a second time instead of kept (less memory, more time)."""
    validate_every: Annotated[int, Field(ge=1)] = 200
    """Steps between two validations, of which there are none while the encoder learns alone; the
    last step is always validated.
    """
    validation_limit: Annotated[int, Field(ge=1)] = 256
    """Validation samples, the first of the split."""
    save_every: Annotated[int, Field(ge=1)] = 200
    """Steps between two states from which the run can be resumed."""

    @model_validator(mode="after")
    def _consistent(self) -> TrainingPlan:
        if self.mix and self.strategy != "mixed":
            raise ValueError(f"mix belongs to the strategy mixed, not to {self.strategy}")
        if self.strategy == "mixed" and len(self.sampler.resolutions) < 2:
            raise ValueError("mixed training needs two or more resolutions")
        return self

    @property
    def alone(self) -> int:
        """First steps, in which the encoder learns alone."""
        return 0 if self.teaching is None else min(self.teaching.steps, self.optimisation.steps)

    def stage(self, step: int) -> tuple[Stage, int]:
        """How `step` (from 0) is taken, and its place in that stage, from 0."""
        whole, alone = self.optimisation, self.alone
        if self.teaching is not None and step < alone:
            return self.teaching.stage(whole), step
        return whole.model_copy(update={"steps": whole.steps - alone}), step - alone

    @property
    def sampler(self) -> Mix:
        """What draws each batch's resolution."""
        if self.strategy != "mixed":
            return WeightedMix(((self.low if self.strategy == "low" else self.native, 1.0),))
        if self.mix:
            return parse_mix(self.mix)
        return WeightedMix(((self.low, 0.5), (self.native, 0.5)))

    @property
    def declaration(self) -> TrainingResolution:
        """The training resolution that the checkpoint declares."""
        return declaration(self.sampler)
