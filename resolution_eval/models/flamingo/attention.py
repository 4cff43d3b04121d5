"""open_flamingo's two attentions on PyTorch's fused kernel instead of its einsum; the same weights.

`fuse` changes the class of the modules in place: their parameters, names and numbers stay (within
1e-5 in float32), and the matrix of attention weights is never kept.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from resolution_eval.models.flamingo.upstream import (
    MaskedCrossAttention,
    PerceiverAttention,
)


class FusedPerceiverAttention(PerceiverAttention):  # type: ignore[misc]
    """Latents look at an image's tokens and at themselves."""

    def forward(
        self, x: Float[Tensor, "batch images tokens width"], latents: Any
    ) -> Float[Tensor, "batch images latents width"]:
        """What the latents take from the tokens `x`."""
        latents = self.norm_latents(latents)
        seen = torch.cat((self.norm_media(x), latents), dim=-2)
        update: Tensor = self.to_out(_attend(self, self.to_q(latents), self.to_kv(seen)))
        return update


class FusedCrossAttention(MaskedCrossAttention):  # type: ignore[misc]
    """Text looks at the image before it."""

    def forward(
        self,
        x: Float[Tensor, "sequences tokens width"],
        media: Float[Tensor, "questions images latents width"],
        media_locations: Bool[Tensor, "questions places"] | None = None,
        use_cached_media: bool = False,
    ) -> Float[Tensor, "sequences tokens width"]:
        """What the text takes from the images.

        There may be several sequences a question, question by question, while all of them continue
        a text that is cached: then keys and values of an image are made once for all of them.
        """
        questions, images, latents = media.shape[:3]
        shape = x.shape
        if questions != shape[0]:
            x = x.reshape(questions, -1, shape[2])
        queries, pairs = self.to_q(self.norm(x)), self.to_kv(media.flatten(1, 2))
        if media_locations is None:
            attended = _attend(self, queries, pairs)
        else:
            time = _text_time(media_locations, x.shape[1], use_cached_media)
            places = torch.arange(1, images + 1, device=x.device).repeat_interleave(latents)
            nothing = (time == 0)[..., None]
            # a row that may look at nothing has no softmax: it looks at all, and that is dropped
            mask = ((time[..., None] == places) | nothing)[:, None]
            attended = _attend(self, queries, pairs, mask).masked_fill(nothing, 0.0)
        update: Tensor = self.to_out(attended).reshape(shape)
        return update


def _attend(module: Any, queries: Tensor, pairs: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention of the module's heads; `pairs` holds keys and values, `mask` what may be seen."""
    query, key, value = (_heads(part, module.heads) for part in (queries, *pairs.chunk(2, -1)))
    heads = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=module.scale)
    return heads.transpose(-2, -3).flatten(-2)


def _text_time(locations: Tensor, tokens: int, cached: bool) -> Tensor:
    """Number of the image that precedes each token, from 1; 0 before the first."""
    if cached:
        return locations.count_nonzero(dim=1)[:, None].expand(-1, tokens)
    if locations.shape[1] != tokens:
        raise ValueError(f"{locations.shape[1]} places of images for {tokens} tokens")
    return locations.cumsum(dim=1)


def _heads(part: Tensor, heads: int) -> Tensor:
    """... tokens (heads width) to ... heads tokens width."""
    *outer, tokens, width = part.shape
    return part.reshape(*outer, tokens, heads, width // heads).transpose(-2, -3)


FUSED: dict[type, type] = {
    PerceiverAttention: FusedPerceiverAttention,
    MaskedCrossAttention: FusedCrossAttention,
}


def fuse(model: nn.Module) -> None:
    """Give every attention of open_flamingo's in `model` its fused forward, in place.

    A cross-attention that looks at all images before it, which no Flamingo built here does, stays
    as it is.
    """
    for module in model.modules():
        fused = FUSED.get(type(module))
        if fused is not None and getattr(module, "only_attend_immediate_media", True):
            module.__class__ = fused
