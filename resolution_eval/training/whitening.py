"""Whitening: a patch convolution whose filters begin as what the training patches vary by.

Neighbouring pixels are so alike that filters of random weights all see how bright a patch is; what
a small finding changes is drowned by the ground. Here each filter begins as a principal component
of the patches, weighed so that all vary alike. Everything is trained as before; only where it
begins differs.

Source: Coates and Ng 2012, "Learning feature representations with k-means", section 2; as the first
layer of a network, Jordan 2024, arXiv:2404.00498, section 3.2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SCALE = 0.3
"""Standard deviation of what a filter begins with on the training patches."""
FLOOR = 1e-3
"""Added to the variances (of normalised pixels), lest components of noise alone become large."""


@torch.no_grad()
def whiten(
    convolution: nn.Conv2d | nn.Conv3d, patches: Float[Tensor, "patches values"], *, spared: int = 0
) -> None:
    """Begin the filters of `convolution`, but the last `spared`, as components of normalised
    `patches`, largest variance first; more filters than components stay as they are.
    """
    weight = convolution.weight
    variances, components = torch.linalg.eigh(torch.cov(patches.double().T))
    count = min(len(weight) - spared, len(variances))
    chosen = torch.arange(len(variances) - 1, len(variances) - 1 - count, -1)
    filters = components[:, chosen] * (SCALE / torch.sqrt(variances[chosen].clamp(min=0) + FLOOR))
    weight[:count] = filters.T.reshape(weight[:count].shape).to(weight)


def patches_of(
    images: Float[Tensor, "images 3 height width"], patch: int
) -> Float[Tensor, "patches values"]:
    """The patches of all images, each as a filter's weights lie."""
    return functional.unfold(images, patch, stride=patch).transpose(1, 2).flatten(0, 1)
