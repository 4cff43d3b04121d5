"""Fine-tuning: one loop that trains any checkpoint of ours or of a Hugging Face family further."""

from __future__ import annotations

from resolution_eval.training.finetune.plan import FinetunePlan, Lora, Teaching
from resolution_eval.training.finetune.run import Run, finetune, write_untrained

__all__ = ["FinetunePlan", "Lora", "Run", "Teaching", "finetune", "write_untrained"]
