"""Attention of a vision tower within segments of one long sequence, equally long ones together.

Towers that take images of any size put all of a batch behind each other, and transformers attends
within each image in a loop: a call for every image, or window, in every layer, and a wait for the
GPU before each loop. Here segments of one length are one call. Every token still sees those of its
own segment and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

NAME = "sdpa_by_segment"
"""Name of this attention among transformers'."""
PLAIN = "sdpa"


@dataclass(frozen=True, eq=False)
class SegmentLayout:
    """Where the segments of a sequence are, those of one length together."""

    ends: Tensor
    """The sequence's two ends, on the processor, in place of every segment's."""
    groups: tuple[tuple[int, Tensor | None], ...]
    """Of each length: how many segments, and their tokens' places in order; None for all."""

    @classmethod
    def of(cls, bounds: Tensor) -> SegmentLayout:
        """The layout of segments between these bounds, 0 and the sequence's length among them."""
        edges = bounds.tolist()
        by_length: dict[int, list[int]] = {}
        for start, end in pairwise(edges):
            if end > start:
                by_length.setdefault(end - start, []).append(start)
        ends = torch.tensor([0, edges[-1]], dtype=bounds.dtype)
        if len(by_length) == 1:
            ((_, starts),) = by_length.items()
            return cls(ends, ((len(starts), None),))
        groups = []
        for length, starts in by_length.items():
            places = torch.tensor(starts)[:, None] + torch.arange(length)
            groups.append((len(starts), places.flatten().to(bounds.device)))
        return cls(ends, tuple(groups))


_LAYOUTS: WeakKeyDictionary[nn.Module, SegmentLayout] = WeakKeyDictionary()
"""That of the sequence which each attention is at."""


def install(tower: nn.Module) -> int:
    """Has the tower's attentions that loop over segments take equally long ones together; how many
    there are. Only torch's own attention (`sdpa`) is replaced.
    """
    from transformers import AttentionInterface

    looping = [module for module in tower.modules() if _loops(module)]
    if looping:
        AttentionInterface.register(NAME, attend)
    latest: dict[str, Any] = {}
    for module in looping:
        module.config._attn_implementation = NAME  # type: ignore[union-attr]
        module.register_forward_pre_hook(_laid_out(latest), with_kwargs=True)
    return len(looping)


def _loops(module: nn.Module) -> bool:
    """Whether the module attends within segments, in a loop of transformers'."""
    kind = getattr(getattr(module, "config", None), "_attn_implementation", None)
    known = signature(module.forward).parameters
    attends = hasattr(module, "scaling") and "cu_seqlens" in known
    return kind in (PLAIN, NAME) and attends and type(module).__module__.startswith("transformers.")


def _laid_out(latest: dict[str, Any]) -> Any:
    """A hook that notes the layout, found once for all layers that are given the same bounds."""

    def before(module: nn.Module, positional: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
        bounds = named.get("cu_seqlens")
        if bounds is None:
            bounds, positional = positional[1], (positional[0], *positional[2:])
        known = latest.setdefault("layouts", [])
        layout = next((one for own, one in known if own is bounds), None)
        if layout is None:
            layout = SegmentLayout.of(bounds)
            known[:] = [*known[-1:], (bounds, layout)]  # a tower has two at most: images, windows
        _LAYOUTS[module] = layout
        return positional, {**named, "cu_seqlens": layout.ends}

    return before


def attend(
    module: nn.Module,
    query: Float[Tensor, "1 heads tokens width"],
    key: Float[Tensor, "1 heads tokens width"],
    value: Float[Tensor, "1 heads tokens width"],
    attention_mask: Tensor | None = None,
    **rest: Any,
) -> tuple[Float[Tensor, "1 tokens heads width"], None]:
    """Attention within the module's segments: transformers' own, of a batch of each length."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    groups = _LAYOUTS[module].groups
    context = query.new_empty((1, query.shape[2], query.shape[1], value.shape[3]))
    for count, places in groups:
        batch = (_stacked(tensor, count, places) for tensor in (query, key, value))
        attended, _ = sdpa_attention_forward(module, *batch, attention_mask, **rest)
        if places is None:
            return attended.flatten(0, 1)[None], None
        context[0, places] = attended.flatten(0, 1)
    return context, None


def _stacked(tensor: Tensor, count: int, places: Tensor | None) -> Tensor:
    """1 x heads x tokens x width as segments x heads x tokens of each x width."""
    part = tensor[0] if places is None else tensor[0, :, places]
    heads, tokens, width = part.shape
    return part.reshape(heads, count, tokens // count, width).transpose(0, 1)
