"""Heads that begin by looking at neighbours."""

from __future__ import annotations

import pytest
import torch

from resolution_eval.ground.errors import UsageError
from resolution_eval.models.flamingo.bundle import vision_encoder
from resolution_eval.resolution import Size
from resolution_eval.training.neighbours import SIDES, look_at_neighbours, moved, places
from resolution_eval.training.plan import Architecture

ROWS, COLUMNS = 6, 8


def encoder(heads=4):
    torch.manual_seed(0)
    shape = Architecture(patch=8, vision_width=64, vision_heads=heads, vision_layers=2)
    return vision_encoder(shape.config(Size(8 * COLUMNS, 8 * ROWS)))


def looked_at(vision, image):
    """Per head of the first layer and patch, the patch that it attends to most."""
    tokens = []
    hook = vision.transformer.resblocks[0].ln_1.register_forward_hook(
        lambda module, inputs, output: tokens.append(output)
    )
    vision(image)
    hook.remove()
    attention = vision.transformer.resblocks[0].attn
    _, weights = attention(
        tokens[0], tokens[0], tokens[0], need_weights=True, average_attn_weights=False
    )
    return weights[0, :, 1:, 1:].argmax(-1)


def share_of_neighbours(vision):
    """Of the patches away from the border, per head, how many look at the neighbour meant."""
    found = looked_at(vision, torch.randn(1, 3, 8 * ROWS, 8 * COLUMNS))
    inner = [(row, column) for row in range(1, ROWS - 1) for column in range(1, COLUMNS - 1)]
    return [
        sum(
            int(found[head, row * COLUMNS + column]) == (row + down) * COLUMNS + column + right
            for row, column in inner
        )
        / len(inner)
        for head, (right, down) in enumerate(SIDES[:4])
    ]


def test_every_head_looks_at_its_neighbour():
    """Of most patches: norms mix place and content, and move some to the one beside it."""
    vision = encoder()
    look_at_neighbours(vision)
    found = share_of_neighbours(vision)
    assert sum(found) / len(found) >= 0.7
    assert min(found) >= 0.5


def test_without_it_they_do_not():
    assert max(share_of_neighbours(encoder())) <= 0.25


def test_the_waves_of_a_place_turn_into_those_of_its_neighbour():
    found = places(ROWS, COLUMNS)
    here, there = found[2 * COLUMNS + 3], found[3 * COLUMNS + 5]
    assert torch.allclose(moved(2, 1) @ here, there, atol=1e-5)
    assert not torch.allclose(moved(1, 2) @ here, there, atol=1e-2)


def test_heads_that_are_too_narrow_are_refused():
    with pytest.raises(UsageError, match="16 channels each, these have 8"):
        look_at_neighbours(encoder(heads=8))
