"""Validation: answers written exactly, per resolution, each process taking its share."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from resolution_eval.resolution import Resolution, label
from resolution_eval.training.learner import IGNORED, answer_loss, written_exactly
from resolution_eval.training.loop import Trainer, received
from resolution_eval.training.pool import ImagePool

Validation = dict[str, dict[str, float]]
"""Per resolution: accuracy, loss (nats a token) and n."""


def validate(trainer: Trainer, pool: ImagePool, resolutions: Iterable[Resolution]) -> Validation:
    """Accuracy and loss at each resolution.

    A sample is right if the model, writing greedily, would write its answer token for token, the
    end included: one forward pass tells, since up to the first wrong token the model's own text and
    the answer are the same. It is stricter than the scores of `lmms-eval`, which parse or rank.
    """
    trainer.wrapped.eval()
    validation = {label(resolution): _at(trainer, pool, resolution) for resolution in resolutions}
    trainer.wrapped.train()
    return validation


def _at(trainer: Trainer, pool: ImagePool, resolution: Resolution) -> dict[str, float]:
    rank, world = trainer.accelerator.process_index, trainer.accelerator.num_processes
    right = samples = loss = tokens = 0.0
    for grid, places in pool.in_order(resolution, trainer.plan.optimisation.batch * world):
        own = places[rank::world]
        drawn = pool.take(resolution, grid, own or places[:1])
        batch = trainer.learner.batch(drawn)
        with torch.no_grad(), trainer.learner.prepared(drawn) as grids:
            logits, _ = trainer.wrapped(trainer.moved(batch.inputs), batch.labels.shape[1])
        received(drawn, grids)
        labels = batch.labels.to(logits.device)
        if own:
            right += float(written_exactly(logits, labels).sum())
            samples += len(own)
            loss += float(answer_loss(logits, labels))
            tokens += float((labels != IGNORED).sum())
    right, samples, loss, tokens = trainer.totals([right, samples, loss, tokens])
    return {"accuracy": right / samples, "loss": loss / tokens, "n": samples}


def score(validation: Validation) -> tuple[float, float]:
    """What the best checkpoint has most of: mean accuracy, then the lower mean loss."""
    rows = validation.values()
    return (
        sum(row["accuracy"] for row in rows) / len(rows),
        -sum(row["loss"] for row in rows) / len(rows),
    )
