"""Bytes to the device: what is made of them there is what the processor itself makes."""

from __future__ import annotations

from typing import Any

import pytest
import tiny_families
import torch
from test_families import NAMES, Engine, Question, _grid, _noise

from resolution_eval.models.families import family_of
from resolution_eval.models.families.inputs import prepare
from resolution_eval.models.families.normalisation import Bytes, Normalisation, normalisation
from resolution_eval.models.families.parts import Parts
from resolution_eval.models.families.preparation import Preparation
from resolution_eval.resolution import Size

pytestmark = [pytest.mark.filterwarnings("ignore")]


def _preparation(name: str) -> Preparation:
    config, processor = tiny_families.BUILDERS[name]()
    return Preparation(family_of(config), Parts(config, processor))


@pytest.mark.parametrize("name", NAMES)
def test_every_familys_pixels_are_those_of_its_processor(name: str) -> None:
    """At two grids, the second time in bytes where that was found to be the same."""
    own = _preparation(name)
    engine = Engine(own.family, own.parts, torch.nn.Linear(1, 1))
    in_bytes = []
    for size in (Size(60, 60), Size(120, 60)):
        grid = _grid(name, engine, size)
        prompt = own.family.prompt(own.parts, "Which?", image=True)
        for seed in (1, 2):
            question = Question(prompt, _noise(grid, seed))
            found = own.collated([own.prepare(question)])
            wanted = prepare(own.family, own.parts, prompt, question.image)["pixel_values"]
            pixels = found.batch["pixel_values"]
            if found.normalisation is not None:
                assert pixels.dtype == torch.uint8
                pixels = found.normalisation.applied(pixels)
            assert torch.allclose(pixels, wanted, rtol=0, atol=2e-6)
            in_bytes.append(found.normalisation is not None)
    assert in_bytes[0] == in_bytes[1] and in_bytes[2] == in_bytes[3], "one way for a grid"
    if name in ("qwen2_vl", "llava", "internvl"):
        assert all(in_bytes)


def test_every_sample_of_a_grid_goes_one_way_from_the_first_on() -> None:
    own = _preparation("qwen2_vl")
    prompt = own.family.prompt(own.parts, "Which?", image=True)
    questions = [Question(prompt, _noise(Size(56, 56), seed)) for seed in range(3)]
    wanted = [prepare(own.family, own.parts, prompt, each.image) for each in questions]
    pixels = torch.cat([each["pixel_values"] for each in wanted])
    for _ in range(2):
        found = own.material(questions, ranking=False)
        assert found.normalisation is not None
        assert found.batch["pixel_values"].dtype == torch.uint8
        assert found.normalisation.applied(found.batch["pixel_values"]).allclose(pixels, atol=2e-6)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((2, 3, 4, 5), "planes"), ((2, 4, 3, 4, 5), "planes"), ((7, 12), "major"), ((7, 12), "minor")],
)
def test_the_channels_are_found_where_they_are(shape: tuple[int, ...], layout: Any) -> None:
    class Processor:
        do_rescale = do_normalize = True
        rescale_factor = 1 / 255
        image_mean, image_std = (0.1, 0.4, 0.7), (0.2, 0.3, 0.5)

    raw = torch.randint(0, 256, shape, dtype=torch.uint8)
    mean, std = (torch.tensor(v) for v in (Processor.image_mean, Processor.image_std))
    scaled = raw.double() / 255
    if layout == "planes":
        wanted = (scaled - mean[:, None, None]) / std[:, None, None]
    elif layout == "major":
        wanted = ((scaled.view(7, 3, 4) - mean[:, None]) / std[:, None]).view(7, 12)
    else:
        wanted = ((scaled.view(7, 4, 3) - mean) / std).view(7, 12)
    found = normalisation(Processor(), raw, wanted.float())
    assert found is not None and found.layout == layout
    assert torch.allclose(found.applied(raw).double(), wanted, atol=1e-6)


def test_a_processor_that_does_more_goes_on_doing_it() -> None:
    raw = torch.randint(0, 256, (1, 3, 4, 4), dtype=torch.uint8)

    class Processor:
        do_rescale, do_normalize, rescale_factor = True, False, 1 / 255

    plain = raw.float() / 255
    padded = plain.clone()
    padded[..., -1] = 0.5
    assert normalisation(Processor(), raw, plain) is not None
    assert normalisation(Processor(), raw, padded) is None
    assert normalisation(Processor(), raw.float(), plain) is None
    calls: list[dict[str, Any]] = []

    def made(**call: Any) -> dict[str, torch.Tensor]:
        calls.append(call)
        if call:
            raise TypeError("unexpected keyword argument 'do_rescale'")
        return {"pixel_values": plain}

    known = Bytes()
    for _ in range(3):
        assert known.tried("grid", made, Processor())["pixel_values"] is plain
    assert [bool(call) for call in calls] == [False, True, False, False]
    assert known.normalisation is None
    assert Normalisation((0.0,) * 3, (255.0,) * 3, "planes").applied(raw).dtype == torch.float32
