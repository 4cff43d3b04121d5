"""Optimisation: the rate of a step, what decays, and an average over steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from resolution_eval.training.plan import Stage


class Average:
    """An average of parameters over the steps of a stage, the later steps weighing more."""

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._parameters: list[nn.Parameter] = []
        self._mean: list[Tensor] = []

    def begin(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average these from now on."""
        self._parameters = list(parameters)
        self._mean = [parameter.detach().clone() for parameter in parameters]

    def add(self, step: int) -> None:
        """Take in the parameters as they are after `step`, from 0 in the stage."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for mean, parameter in zip(self._mean, self._parameters, strict=True):
            mean.lerp_(parameter.detach(), 1 - decay)

    def put(self) -> None:
        """Give the parameters their averages."""
        self._set(self._mean)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The parameters have their averages meanwhile."""
        kept = [parameter.detach().clone() for parameter in self._parameters]
        self.put()
        try:
            yield
        finally:
            self._set(kept)

    @torch.no_grad()
    def _set(self, values: Sequence[Tensor]) -> None:
        for value, parameter in zip(values, self._parameters, strict=True):
            parameter.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """What a state of the run keeps."""
        return {"mean": self._mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what a state kept."""
        for mean, kept in zip(self._mean, state["mean"], strict=True):
            mean.copy_(kept)


def rate(stage: Stage, step: int) -> float:
    """Learning rate at `step` (from 0), as a fraction of the stage's largest.

    Example:
        >>> [round(rate(Stage(steps=6, warmup=2), step), 2) for step in range(6)]
        [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if step < stage.warmup:
        return (step + 1) / stage.warmup
    done = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


def by_decay(trained: Sequence[nn.Parameter], decay: float) -> list[dict[str, object]]:
    """Parameter groups: matrices decay, vectors and scalars do not."""
    matrices = [parameter for parameter in trained if parameter.dim() > 1]
    others = [parameter for parameter in trained if parameter.dim() <= 1]
    return [
        {"params": matrices, "weight_decay": decay},
        {"params": others, "weight_decay": 0.0},
    ]
