"""The miniature of a checkpoint's configuration: small, and as wide as its tower's name says."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from resolution_eval.models.families.miniature import miniature, shrunken


def test_a_tower_that_is_named_keeps_the_width_of_its_name() -> None:
    named = {"architecture": "mobilenetv5_300m_enc", "hidden_size": 2048}
    small = shrunken({"vision_config": named, "text_config": {"hidden_size": 4096}})
    assert small["vision_config"]["hidden_size"] == 2048
    assert small["text_config"]["hidden_size"] < 4096


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("model_type", "edge"), [("fast_vlm", 1024), ("gemma3n", 768)])
def test_a_published_configuration_s_miniature_sees_an_image(model_type: str, edge: int) -> None:
    """Their towers are timm's, made by name: the configuration has the width that is published."""
    config = miniature(AutoConfig.for_model(model_type))
    model = AutoModelForImageTextToText.from_config(config).float().eval()
    with torch.no_grad():
        seen = model.model.get_image_features(torch.zeros(1, 3, edge, edge))
    features = getattr(seen, "pooler_output", seen)
    assert features.shape[-2:] == (256, config.get_text_config().hidden_size)
