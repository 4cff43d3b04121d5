"""Position tables land where an independent resampler puts them, on the right axis."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from resolution_eval.models.positions import PositionCache, resample

torch.set_num_threads(1)


def table(rows=8, columns=18, dim=3, prefix=1, dtype=torch.float32):
    generator = torch.Generator().manual_seed(rows * 100 + columns)
    return torch.randn(prefix + rows * columns, dim, generator=generator).to(dtype)


def pillow(patches, new):
    """Pillow's bicubic, channel by channel, on a rows x columns x dim array."""
    size = (new[1], new[0])
    channels = [
        np.asarray(Image.fromarray(patches[..., i]).resize(size, Image.Resampling.BICUBIC))
        for i in range(patches.shape[-1])
    ]
    return np.stack(channels, axis=-1)


@pytest.mark.parametrize("new", [(5, 7), (8, 9), (3, 18), (11, 25), (1, 1), (18, 8)])
def test_agrees_with_pillow_on_a_table_that_is_not_square(new):
    old = table()
    expected = pillow(old[1:].reshape(8, 18, 3).numpy(), new)
    found = resample(old, (8, 18), new)[1:].reshape(*new, 3)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)


def test_rows_stay_rows():
    rows_only = torch.arange(8.0).repeat_interleave(18)[:, None]
    found = resample(torch.cat([torch.zeros(1, 1), rows_only]), (8, 18), (4, 6))[1:].reshape(4, 6)
    assert torch.allclose(found, found[:, :1].expand(4, 6), atol=1e-5)
    assert (found[1:, 0] > found[:-1, 0]).all()


def test_the_same_grid_is_the_same_tensor():
    old = table()
    assert resample(old, (8, 18), (8, 18)) is old


@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_prefix_tokens_are_kept(prefix):
    old = table(prefix=prefix)
    found = resample(old, (8, 18), (2, 3), prefix=prefix)
    assert found.shape == (prefix + 6, 3)
    assert torch.equal(found[:prefix], old[:prefix])


def test_half_precision_is_resampled_in_single_precision():
    half = table(dtype=torch.bfloat16)
    found = resample(half, (8, 18), (5, 7))
    expected = resample(half.float(), (8, 18), (5, 7)).bfloat16()
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("rows", "old", "new", "message"),
    [
        (145, (12, 12), (8, 18), None),
        (145, (8, 17), (4, 4), "145 rows, but 1 prefix tokens and a 8x17 grid need 137"),
        (144, (8, 18), (4, 4), "144 rows"),
        (145, (8, 18), (0, 4), "at least 1x1 patches, received 0x4"),
    ],
)
def test_the_old_grid_is_never_guessed(rows, old, new, message):
    if message is None:
        scrambled = resample(table(), old, new)
        assert not torch.allclose(scrambled, table())
        return
    with pytest.raises(ValueError, match=message):
        resample(torch.zeros(rows, 2), old, new)


def test_gradients_reach_every_row():
    old = table().requires_grad_()
    resample(old, (8, 18), (3, 5)).square().sum().backward()
    assert (old.grad.abs().sum(1) > 0).all()


class TestCache:
    def test_a_table_is_resampled_once_per_grid(self):
        cache, old = PositionCache(), torch.nn.Parameter(table())
        with torch.no_grad():
            first = cache.table(old, (8, 18), (4, 6))
            other = cache.table(old, (8, 18), (6, 4))
            assert cache.table(old, (8, 18), (4, 6)) is first
            assert cache.table(old, (8, 18), (6, 4)) is other

    @pytest.mark.parametrize("change", ["in place", "optimizer", "new storage", "load"])
    def test_a_changed_table_is_resampled_again(self, change):
        module = torch.nn.Module()
        module.weight = torch.nn.Parameter(table())
        cache = PositionCache()
        with torch.no_grad():
            before = cache.table(module.weight, (8, 18), (4, 6)).clone()
        if change == "in place":
            with torch.no_grad():
                module.weight.mul_(2)
        elif change == "optimizer":
            module.weight.grad = torch.ones_like(module.weight)
            torch.optim.AdamW([module.weight], lr=0.1).step()
        elif change == "new storage":
            module.weight.data = module.weight.data * 2
        else:
            module.load_state_dict({"weight": table() * 2})
        with torch.no_grad():
            after = cache.table(module.weight, (8, 18), (4, 6))
        assert not torch.allclose(before, after)
        assert torch.equal(after, resample(module.weight.detach(), (8, 18), (4, 6)))

    def test_nothing_is_kept_while_gradients_flow(self):
        cache, old = PositionCache(), torch.nn.Parameter(table())
        with torch.no_grad():
            kept = cache.table(old, (8, 18), (4, 6))
        flowing = cache.table(old, (8, 18), (4, 6))
        assert flowing is not kept
        assert flowing.requires_grad

    def test_a_change_that_does_not_show_needs_to_be_forgotten(self):
        cache, old = PositionCache(), torch.nn.Parameter(table(), requires_grad=False)
        first = cache.table(old, (8, 18), (6, 4))
        old.data.mul_(2)  # as where a sharded parameter is gathered into the same storage
        assert cache.table(old, (8, 18), (6, 4)) is first
        cache.forget()
        assert torch.allclose(cache.table(old, (8, 18), (6, 4)), 2 * first)

    def test_a_table_made_in_inference_mode_is_never_stale(self):
        cache = PositionCache()
        with torch.inference_mode():
            old = table()
            cache.table(old, (8, 18), (4, 6))
            old.mul_(2)
            found = cache.table(old, (8, 18), (4, 6))
            assert torch.equal(found, resample(old, (8, 18), (4, 6)))

    def test_a_table_kept_in_inference_mode_can_be_trained_with_later(self):
        cache, old = PositionCache(), torch.nn.Parameter(table(), requires_grad=False)
        with torch.inference_mode():
            cache.table(old, (8, 18), (4, 6))
        weight = torch.ones(3, requires_grad=True)
        (cache.table(old, (8, 18), (4, 6)) * weight).sum().backward()
        assert weight.grad is not None
