"""Patch convolutions that begin as what the training patches vary by."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from resolution_eval.models.flamingo import build
from resolution_eval.resolution import Size
from resolution_eval.training.flamingo_learner import FlamingoLearner
from resolution_eval.training.plan import Architecture
from resolution_eval.training.small_models import learn_tokenizer
from resolution_eval.training.whitening import SCALE, patches_of, whiten


def smooth_images(count=64, side=32):
    """Images whose neighbouring pixels are alike: bright or dark throughout, and a little more."""
    random = torch.Generator().manual_seed(3)
    light = 3 * torch.randn(count, 3, 1, 1, generator=random)
    rough = torch.randn(count, 3, side, side, generator=random)
    return light + 0.5 * nn.functional.avg_pool2d(rough, 3, stride=1, padding=1) + 0.1 * rough


def convolution(filters=12):
    torch.manual_seed(0)
    return nn.Conv2d(3, filters, 4, stride=4, bias=False)


def outputs(layer, images):
    return layer(images).detach().transpose(0, 1).flatten(1)


def test_filters_vary_alike_and_apart_from_one_another():
    images, layer = smooth_images(), convolution()
    before = torch.corrcoef(outputs(layer, images)).abs().fill_diagonal_(0).max()
    whiten(layer, patches_of(images, 4))
    found = outputs(layer, images)
    after = torch.corrcoef(found).abs().fill_diagonal_(0).max()
    assert before > 0.8
    assert after < 0.01
    assert found.std(1).numpy() == pytest.approx([SCALE] * 12, rel=0.05)


def test_spared_filters_stay_as_they_were():
    layer = convolution()
    before = layer.weight.detach().clone()
    whiten(layer, patches_of(smooth_images(), 4), spared=5)
    assert torch.equal(layer.weight[-5:], before[-5:])
    assert not (layer.weight[:7] == before[:7]).any(dim=1).all()


def test_more_filters_than_components_are_left():
    layer = convolution(filters=60)
    before = layer.weight.detach().clone()
    whiten(layer, patches_of(smooth_images(), 4))
    assert torch.equal(layer.weight[48:], before[48:])


@pytest.mark.parametrize("largest", [False, True])
def test_a_head_sees_the_mean_of_the_patches_or_the_likeliest_of_them(largest):
    """An image whose patches are all alike is the same to both; a lone other patch is not."""
    torch.manual_seed(0)
    config = Architecture(vision_layers=1, vision_width=32, vision_heads=1).config(Size(32, 32))
    bundle = build(config, learn_tokenizer(["Is it? yes"], 300), seed=1)
    learner = FlamingoLearner(bundle, classes=("a", "b", "c"), largest=largest)
    tokens = torch.zeros(1, 16, 32)
    tokens[0, 5] = 1.0
    whole = learner.head(tokens)
    expected = whole.max(dim=1).values if largest else whole.mean(dim=1)
    assert learner._class_logits(tokens).detach().numpy() == pytest.approx(
        expected.detach().numpy()
    )
