"""Training under the strategies native, low and mixed: one loop for every model."""

from __future__ import annotations

from resolution_eval.training.finetune.loop import TrainingError
from resolution_eval.training.finetune.plan import (
    Architecture,
    Augmentation,
    FinetunePlan,
    Lora,
    Stage,
    Teaching,
)
from resolution_eval.training.finetune.run import Run, finetune, write_untrained

__all__ = [
    "Architecture",
    "Augmentation",
    "FinetunePlan",
    "Lora",
    "Run",
    "Stage",
    "Teaching",
    "TrainingError",
    "finetune",
    "write_untrained",
]
