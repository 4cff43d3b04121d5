"""Which weights move in a fine-tuning."""

from __future__ import annotations

import torch
from torch import nn

from resolution_eval.training.trainable import freeze


def test_frozen_weights_may_be_integers() -> None:
    """A checkpoint that is stored quantised has such: torch gives them no gradient."""
    packed = nn.Module()
    weight = nn.Parameter(torch.zeros(2, dtype=torch.uint8), requires_grad=False)
    packed.register_parameter("weight", weight)
    model = nn.ModuleDict({"packed": packed, "head": nn.Linear(2, 2)})
    freeze(model, ["packed"])
    assert model["head"].weight.requires_grad and not weight.requires_grad
