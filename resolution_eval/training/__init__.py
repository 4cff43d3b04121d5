"""Training under the strategies native, low and mixed: one loop for every model."""

from __future__ import annotations

from resolution_eval.training.loop import TrainingError
from resolution_eval.training.plan import (
    Architecture,
    Augmentation,
    Lora,
    Stage,
    Teaching,
    TrainingPlan,
)
from resolution_eval.training.training_run import TrainingRun, finetune, write_untrained

__all__ = [
    "Architecture",
    "Augmentation",
    "Lora",
    "Stage",
    "Teaching",
    "TrainingError",
    "TrainingPlan",
    "TrainingRun",
    "finetune",
    "write_untrained",
]
