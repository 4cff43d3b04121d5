"""The fused attentions give open_flamingo's own numbers, masks and gradients included."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from resolution_eval.models.flamingo.attention import (
    FusedCrossAttention,
    FusedPerceiverAttention,
    fuse,
)
from resolution_eval.models.flamingo.upstream import MaskedCrossAttention, PerceiverAttention

pytestmark = pytest.mark.filterwarnings("ignore")
TOLERANCE = 1e-5


def both(module: nn.Module) -> tuple[nn.Module, nn.Module]:
    """open_flamingo's module, and a copy with the same weights made faster."""
    fused = copy.deepcopy(module)
    fuse(nn.ModuleList([fused]))
    assert type(fused) in (FusedCrossAttention, FusedPerceiverAttention)
    return module, fused


def cross() -> MaskedCrossAttention:
    torch.manual_seed(0)
    return MaskedCrossAttention(dim=24, dim_visual=20, dim_head=8, heads=3)


def places(*rows: str) -> Tensor:
    """Where the <image> tokens are: one character a token, * an image."""
    return torch.tensor([[mark == "*" for mark in row] for row in rows])


def test_the_perceivers_attention_is_the_same() -> None:
    torch.manual_seed(1)
    theirs, ours = both(PerceiverAttention(dim=20, dim_head=8, heads=3))
    x, latents = torch.randn(2, 3, 7, 20), torch.randn(2, 3, 5, 20)
    torch.testing.assert_close(ours(x, latents), theirs(x, latents), atol=TOLERANCE, rtol=0)


def test_text_looks_at_the_image_before_it_and_at_none_before_the_first() -> None:
    theirs, ours = both(cross())
    x, media = torch.randn(3, 6, 24), torch.randn(3, 2, 4, 20)
    where = places("*.....", "..*..*", "......")
    expected = theirs(x, media, media_locations=where)
    found = ours(x, media, media_locations=where)
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)
    assert found[2].abs().max() == 0 and found[1, :2].abs().max() == 0


def test_text_that_continues_a_cache_looks_at_the_last_image() -> None:
    theirs, ours = both(cross())
    x, media = torch.randn(2, 3, 24), torch.randn(2, 2, 4, 20)
    where = places("*..*.", "*....")
    expected = theirs(x, media, media_locations=where, use_cached_media=True)
    found = ours(x, media, media_locations=where, use_cached_media=True)
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


def test_sequences_of_one_question_share_its_image() -> None:
    theirs, ours = both(cross())
    x, media = torch.randn(6, 3, 24), torch.randn(2, 2, 4, 20)
    where = places("*..*.", "*....")
    owners = torch.tensor([0, 0, 0, 1, 1, 1])
    expected = theirs(x, media[owners], media_locations=where[owners], use_cached_media=True)
    found = ours(x, media, media_locations=where, use_cached_media=True)
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


def test_gradients_are_the_same() -> None:
    theirs, ours = both(cross())
    x, media = torch.randn(2, 5, 24), torch.randn(2, 1, 4, 20)
    where = places(".*...", "*....")
    for module in (theirs, ours):
        module(x, media, media_locations=where).square().sum().backward()
    for one, other in zip(theirs.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, atol=1e-4, rtol=1e-4)


def test_places_that_do_not_fit_the_text_are_refused() -> None:
    _, ours = both(cross())
    with pytest.raises(ValueError, match="5 places of images for 6 tokens"):
        ours(torch.randn(1, 6, 24), torch.randn(1, 1, 4, 20), media_locations=places("*...."))


def test_a_module_that_looks_at_all_images_stays_as_it_is() -> None:
    module = MaskedCrossAttention(dim=24, dim_visual=20, only_attend_immediate_media=False)
    fuse(module)
    assert type(module) is MaskedCrossAttention
