"""Attention within segments, equally long ones together: what transformers' own loop gives."""

from __future__ import annotations

from typing import Any

import pytest
import tiny_families
import torch
from test_families import Engine, _noise

from resolution_eval.models.families import family_of, segments
from resolution_eval.models.families.parts import Parts
from resolution_eval.models.families.segments import SegmentLayout
from resolution_eval.resolution import Size

pytestmark = [pytest.mark.filterwarnings("ignore")]


def test_segments_of_one_length_are_one_group_and_others_keep_their_places() -> None:
    alike = SegmentLayout.of(torch.tensor([0, 4, 8, 12]))
    assert alike.ends.tolist() == [0, 12] and alike.groups == ((3, None),)
    mixed = SegmentLayout.of(torch.tensor([0, 2, 5, 7, 7]))
    told = {count: places.tolist() for count, places in mixed.groups if places is not None}
    assert told == {2: [0, 1, 5, 6], 1: [2, 3, 4]}


def _tower(name: str) -> tuple[Any, Any]:
    from transformers import AutoModelForImageTextToText, set_seed

    config, processor = tiny_families.BUILDERS[name]()
    set_seed(0)
    model = AutoModelForImageTextToText.from_config(config).float().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim >= 2:
                weight.copy_(torch.randn_like(weight) * 0.2)
    engine = Engine(family_of(model.config), Parts(model.config, processor), model)
    return engine, model.get_submodule(engine.family.tower)


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
@pytest.mark.parametrize("sizes", [[(64, 64)] * 3, [(64, 96), (128, 32), (192, 160)]])
def test_a_tower_gives_what_it_gave_before(name: str, sizes: list[tuple[int, int]]) -> None:
    """Three images of one grid, and three of different ones, which windows cut unevenly."""
    engine, tower = _tower(name)
    images = [_noise(Size(*size), seed) for seed, size in enumerate(sizes)]
    processor = engine.parts.processor.image_processor
    given = processor(images, return_tensors="pt", min_pixels=1, max_pixels=10**7)
    with torch.inference_mode():
        before = _tensors(tower(given["pixel_values"], grid_thw=given["image_grid_thw"]))
        calls = _counted_calls()
        with calls as counted:
            assert segments.install(tower) == 2
            after = _tensors(tower(given["pixel_values"], grid_thw=given["image_grid_thw"]))
    assert len(before) == len(after) > 0
    for own, other in zip(before, after, strict=True):
        assert torch.allclose(own, other, atol=2e-6)
    if len(set(sizes)) == 1 and name != "qwen2_5_vl":
        assert counted[0] == 2, "one call a layer"


class _counted_calls:  # noqa: N801
    """How often torch's attention is called."""

    def __enter__(self) -> list[int]:
        self.own = torch.nn.functional.scaled_dot_product_attention
        counted = [0]

        def counting(*given: Any, **named: Any) -> Any:
            counted[0] += 1
            return self.own(*given, **named)

        torch.nn.functional.scaled_dot_product_attention = counting
        return counted

    def __exit__(self, *_: object) -> None:
        torch.nn.functional.scaled_dot_product_attention = self.own


def _tensors(found: Any) -> list[torch.Tensor]:
    if isinstance(found, torch.Tensor):
        return [found]
    values = found.values() if hasattr(found, "values") else found
    return [tensor for value in values for tensor in _tensors(value)]


def test_a_tower_that_does_not_loop_is_left_as_it_is() -> None:
    _, tower = _tower("llava")
    assert segments.install(tower) == 0
    assert tower.config._attn_implementation == "sdpa"
