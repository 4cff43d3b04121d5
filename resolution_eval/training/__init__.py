"""Training of small Flamingos under the strategies native, low and mixed."""

from __future__ import annotations

from resolution_eval.training.plan import Architecture, Augmentation, Stage, TrainingPlan
from resolution_eval.training.run import TrainedSummary, train
from resolution_eval.training.stages import TrainingError

__all__ = [
    "Architecture",
    "Augmentation",
    "Stage",
    "TrainedSummary",
    "TrainingError",
    "TrainingPlan",
    "train",
]
