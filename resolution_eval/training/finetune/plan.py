"""What a fine-tuning run does, as one frozen record that its checkpoint keeps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from resolution_eval.resolution import NATIVE, Resolution, TrainingResolution
from resolution_eval.training.mix import Mix, Weighted, declaration, parse_mix
from resolution_eval.training.plan import Augmentation, Stage


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lora(_Record):
    """Low-rank adapters on the linear layers that are not frozen (Hu et al. 2021, 2106.09685)."""

    rank: Annotated[int, Field(ge=1)] = 16
    alpha: Annotated[float, Field(gt=0)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Teaching(_Record):
    """A linear head that has the encoder tell the answers apart, thrown away afterwards.

    Only for models that start from random weights, which else hardly learn to look.
    """

    steps: Annotated[int, Field(ge=0)] = 0
    """First steps, in which the head alone is trained with the encoder."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Of the head's loss beside the answer's, after these steps."""


class FinetunePlan(_Record):
    """How one checkpoint is trained further: what moves, at which resolutions, for how long."""

    strategy: Literal["native", "low", "mixed"]
    low: Resolution
    """The low resolution, for the strategies low and mixed."""
    native: Resolution = NATIVE
    """What counts as native: the source untouched, or a budget where that would cost too much."""
    mix: str = ""
    """How the strategy mixed draws resolutions; low and native, half and half, by default."""
    filter: str = "bicubic"
    seed: Annotated[int, Field(ge=0)] = 0
    optimisation: Stage = Stage(steps=1000, batch=8, rate=2e-5, warmup=50)
    """`batch` counts the samples of one forward pass in one process."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Batches per step, each with a resolution of its own."""
    frozen: tuple[str, ...] = ()
    """Names, or beginnings of names, of the parameters that stay as they are."""
    lora: Lora | None = None
    """None trains the parameters themselves."""
    teaching: Teaching | None = None
    augmentation: Augmentation = Augmentation()
    precision: Literal["no", "bf16"] | None = None
    """Type of the arithmetic; None leaves it to accelerate's configuration."""
    checkpointing: bool = False
    """Whether activations are computed a second time instead of kept (less memory, more time)."""
    validate_every: Annotated[int, Field(ge=1)] = 200
    """Steps between two validations; the last step is always validated."""
    validation_limit: Annotated[int, Field(ge=1)] = 256
    """Validation samples, the first of the split."""
    save_every: Annotated[int, Field(ge=1)] = 200
    """Steps between two states from which the run can be resumed."""

    @model_validator(mode="after")
    def _consistent(self) -> FinetunePlan:
        if self.mix and self.strategy != "mixed":
            raise ValueError(f"mix belongs to the strategy mixed, not to {self.strategy}")
        if self.strategy == "mixed" and len(self.sampler.resolutions) < 2:
            raise ValueError("mixed training needs two or more resolutions")
        return self

    @property
    def sampler(self) -> Mix:
        """What draws each batch's resolution."""
        if self.strategy != "mixed":
            return Weighted(((self.low if self.strategy == "low" else self.native, 1.0),))
        if self.mix:
            return parse_mix(self.mix)
        return Weighted(((self.low, 0.5), (self.native, 0.5)))

    @property
    def declaration(self) -> TrainingResolution:
        """The training resolution that the checkpoint declares."""
        return declaration(self.sampler)

    def validates(self, step: int) -> bool:
        """Whether to validate after `step` (from 0): not while the encoder learns alone."""
        alone = 0 if self.teaching is None else self.teaching.steps
        return (step + 1) % self.validate_every == 0 and step >= alone
