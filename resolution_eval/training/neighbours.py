"""Neighbours: a vision transformer that begins as a small convolutional network would.

Some channels of every token carry the place alone, as waves over the grid. The heads of every layer
compare these channels, each turned so that it looks at the token beside, above or below: what a
patch shows can be joined with what the next one shows from the first step. Everything is trained as
before; only where it begins differs.

Source: the idea is that of ConViT (d'Ascoli et al. 2021, arXiv:2103.10697), without its gates.
"""

from __future__ import annotations

from math import cos, pi, sin, sqrt
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from resolution_eval.ground.errors import UsageError

WAVES = (3.0, 5.0, 9.0, 20.0)
"""Lengths of the waves, in patches."""
CHANNELS = 4 * len(WAVES)
"""Channels that carry the place: cosine and sine of every wave along both axes."""
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1))
"""Where the heads look, in patches to the right and down; further heads have no such place."""
SHARPNESS = 6.0
"""How much a head prefers its neighbour, in logits, while a token is of unit variance."""

CONTENT = 3.5
"""How many times stronger what a patch shows begins than open_clip has it, beside its place."""


@torch.no_grad()
def look_at_neighbours(vision: Any) -> None:
    """Let the layers of open_clip's vision transformer begin with heads that look at neighbours.

    Raises:
        UsageError: its heads are narrower than the channels that carry the place.
    """
    rows, columns = vision.grid_size
    width = vision.conv1.out_channels
    heads = vision.transformer.resblocks[0].attn.num_heads
    if width // heads < CHANNELS:
        raise UsageError(
            f"heads that look at neighbours need {CHANNELS} channels each, these have "
            f"{width // heads} ({width} channels in {heads} heads)"
        )
    vision.conv1.weight.mul_(CONTENT)[-CHANNELS:] = 0
    vision.class_embedding[-CHANNELS:] = 0
    vision.positional_embedding[:, -CHANNELS:] = 0
    vision.positional_embedding[1:, -CHANNELS:] = places(rows, columns)
    for block in vision.transformer.resblocks:
        queries, keys, _ = block.attn.in_proj_weight.view(3, heads, width // heads, width).unbind()
        scale = sqrt(SHARPNESS * sqrt(width // heads))
        for query, key, side in zip(queries, keys, SIDES, strict=False):
            for matrix, (right, down) in ((query, side), (key, (0, 0))):
                matrix.zero_()
                matrix[:CHANNELS, -CHANNELS:] = scale * moved(right, down)


def places(rows: int, columns: int) -> Float[Tensor, "tokens channels"]:
    """The place of every patch as waves, row by row."""
    return torch.tensor(
        [
            [
                wave(2 * pi * place / length)
                for place in (x, y)
                for length in WAVES
                for wave in (cos, sin)
            ]
            for y in range(rows)
            for x in range(columns)
        ]
    )


def moved(right: float, down: float) -> Float[Tensor, "channels channels"]:
    """The matrix that turns the waves of a place into those of the place so many patches away."""
    turns = []
    for distance in (right, down):
        for length in WAVES:
            angle = 2 * pi * distance / length
            turns.append(torch.tensor([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]]))
    joined: Tensor = torch.block_diag(*turns)  # type: ignore[no-untyped-call]
    return joined
