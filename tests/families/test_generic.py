"""Types that nobody wrote a family for: found by probing, attested like any other, or refused."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_families
import torch
from PIL import Image

from resolution_eval.answers.generation import Generation
from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.models.families import Parts, family_for, family_of, intended_grid
from resolution_eval.models.families.engine import Engine, Question
from resolution_eval.models.families.generic import generic_family
from resolution_eval.models.families.generic.controls import controls
from resolution_eval.models.families.generic.tensor_grids import (
    Reading,
    by_volume,
    candidates,
    common_reading,
)
from resolution_eval.models.families.inputs import prepare
from resolution_eval.models.families.miniature import miniature, shrunken
from resolution_eval.models.families.own_processor import foretold, processed
from resolution_eval.models.wrapped.visibility import is_packed, sight_of
from resolution_eval.resolution import Size, restored_size

pytestmark = [pytest.mark.filterwarnings("ignore")]

ONE_TOKEN = Generation(max_new_tokens=1)
GREEDY = Generation(max_new_tokens=3)
CHOICES = (" striped disc", " ring", " checked cross pair")


def _made_up(kind: str) -> tuple[Any, Any, Any]:
    """Configuration, processor and model of a type `made_up_KIND`, registered as a newer
    transformers would have it: no line of ours knows its name.
    """
    import transformers
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    known, processor = tiny_families.BUILDERS[kind]()
    name = f"made_up_{kind}"
    parent = type(known)
    model_class = AutoModelForImageTextToText._model_mapping[parent]
    config_class = type("MadeUpConfig", (parent,), {"model_type": name})
    made = type("MadeUpModel", (model_class,), {"config_class": config_class})
    AutoConfig.register(name, config_class, exist_ok=True)
    AutoModelForImageTextToText.register(config_class, made, exist_ok=True)
    AutoProcessor.register(config_class, type(processor), exist_ok=True)
    told = {**known.to_dict(), "model_type": name}
    config = config_class.from_dict(told)
    transformers.set_seed(0)
    model = AutoModelForImageTextToText.from_config(config).float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.copy_(torch.randn_like(parameter) * 0.2)
    return config, processor, model


_ENGINES: dict[str, Engine] = {}


@pytest.fixture
def engine(kind: str) -> Engine:
    if kind not in _ENGINES:
        torch.set_num_threads(1)
        config, processor, model = _made_up(kind)
        parts = Parts(config, processor)
        _ENGINES[kind] = Engine(family_for(parts), parts, model)
    return _ENGINES[kind]


def _noise(size: Size, seed: int = 0) -> Image.Image:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (size.height, size.width, 3), generator=generator)
    return Image.fromarray(pixels.to(torch.uint8).numpy())


def _question(engine: Engine, size: Size, seed: int = 0) -> Question:
    texts = ("Why?", "Which phantom does this image show?")
    prompt = engine.family.prompt(engine.parts, texts[seed % 2], image=True)
    return Question(prompt, _noise(size, seed), CHOICES)


def _nearest(length: int, unit: int) -> int:
    return max(1, math.floor(length / unit + 0.5)) * unit


UNITS = {"llava": 14, "qwen2_vl": 28, "qwen3_vl": 32}


@pytest.mark.parametrize("kind", UNITS)
def test_a_made_up_type_follows_the_resolution_without_a_line_of_code(
    kind: str, engine: Engine
) -> None:
    with pytest.raises(ModelError, match=f"made_up_{kind}"):
        family_of(engine.parts.config)
    assert engine.family.refusal(engine.parts) is None
    unit = UNITS[kind]
    for aspect in ((1, 1), (2, 1), (1, 3)):
        for edge in (28, 60, 120, 200):
            information = restored_size(Size(*aspect), edge)
            training = engine.family.training(engine.parts)
            grid = intended_grid(
                engine.family, engine.parts, training, "match", information, information
            )
            width, height = _nearest(information.width, unit), _nearest(information.height, unit)
            (spoken,) = engine.generate([_question(engine, grid)], ONE_TOKEN)
            assert spoken.received is not None
            assert (aspect, edge, spoken.received.grid) == (aspect, edge, (height, width))
            assert spoken.visual_tokens == (width // unit) * (height // unit)


@pytest.mark.parametrize("kind", ["llava", "qwen2_vl"])
def test_a_made_up_type_answers_alike_in_every_batch(kind: str, engine: Engine) -> None:
    size = Size(84, 56)
    questions = [_question(engine, size, seed) for seed in range(8)]
    together = engine.generate(questions, GREEDY)
    alone = [engine.generate([each], GREEDY)[0] for each in questions]
    assert [one.text for one in together] == [one.text for one in alone]
    assert [one.received for one in together] == [one.received for one in alone]
    blind = engine.family.prompt(engine.parts, "Why?", image=False)
    (spoken,) = engine.generate([Question(blind, None)], ONE_TOKEN)
    assert (spoken.received, spoken.visual_tokens) == (None, 0)


@pytest.mark.parametrize("kind", ["llava", "qwen2_vl"])
def test_a_made_up_type_ranks_as_the_family_that_was_written_for_its_twin(
    kind: str, engine: Engine
) -> None:
    """The written family continues from a cache, the found one runs every choice with its prompt:
    two ways to one likelihood.
    """
    written = family_of(tiny_families.BUILDERS[kind]()[0])
    questions = [_question(engine, Size(84, 56), seed) for seed in range(2)]
    found_scores = [one.scores for one in engine.rank(questions)]
    cached = Engine(written, engine.parts, engine.model)
    for mine, theirs in zip(found_scores, cached.rank(questions), strict=True):
        assert mine == pytest.approx(theirs.scores, abs=1e-3)
    assert found_scores[0] != pytest.approx(found_scores[1], abs=1e-3), "the image must matter"


@pytest.mark.parametrize("kind", ["gemma3"])
def test_a_made_up_type_whose_model_takes_one_grid_is_left_to_its_processor(
    kind: str, engine: Engine
) -> None:
    family, parts = engine.family, engine.parts
    assert "its model refuses a grid" in str(family.refusal(parts))
    assert str(family.training(parts)) == "fixed:56"
    source = Size(150, 90)
    with pytest.raises(UsageError, match="use scheme=restore"):
        intended_grid(family, parts, family.training(parts), "match", source, source)
    restoring = family.under("restore", parts, family.training(parts))
    (spoken,) = Engine(restoring, parts, engine.model).generate(
        [_question(engine, source)], ONE_TOKEN
    )
    assert spoken.received is not None
    assert (spoken.received.grid, spoken.visual_tokens) == ((56, 56), 4)


AGREE = ("llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "mistral3", "pixtral")


@pytest.mark.parametrize("kind", AGREE)
def test_probing_finds_what_was_written_by_hand(kind: str) -> None:
    config, processor = tiny_families.BUILDERS[kind]()
    parts = Parts(config, processor)
    written, probed = family_of(config), generic_family(parts)
    assert probed.refusal(parts) is None
    for information in (Size(45, 45), Size(120, 60), Size(50, 150)):
        grid = written.grid(parts, information)
        assert probed.grid(parts, information) == grid
        assert processed(probed, parts, grid).tokens == written.visual_tokens(parts, grid)


OWN = ("smolvlm", "idefics3", "internvl", "mllama", "pixtral", "llava_next", "qwen2_vl")


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("source", [Size(300, 150), Size(90, 200), Size(40, 40)])
def test_restore_is_what_the_processor_makes_of_the_source(kind: str, source: Size) -> None:
    """The reference is the processor, called by hand with nothing set."""
    model, processor = tiny_families.built(kind)
    parts = Parts(model.config, processor)
    family = family_of(model.config)
    restoring = family.under("restore", parts, family.training(parts))
    assert restoring.own
    prompt = family.prompt(parts, "Why?", image=True)
    image = _noise(source)
    told = processor(text=[prompt], images=[[image]], return_tensors="pt", add_special_tokens=False)
    (counted,) = family.counted_tokens(parts, told)
    assert foretold(restoring, parts, source).tokens == counted
    (spoken,) = Engine(restoring, parts, model).generate([Question(prompt, image)], ONE_TOKEN)
    assert spoken.received is not None
    expected = foretold(restoring, parts, source)
    assert (spoken.received.grid, spoken.received.images) == (expected.grid, expected.images)
    assert spoken.visual_tokens == counted


def test_patches_behind_each_other_are_no_image() -> None:
    packed = {"pixel_values": torch.zeros(1, 3, 14, 896), "target_sizes": torch.tensor([[8, 8]])}
    sightings = [(Size(112, 112), packed)]
    assert common_reading(sightings) == Reading("target_sizes", "grids", (14, 14))
    alone = {"pixel_values": packed["pixel_values"]}
    assert common_reading([(Size(112, 112), alone)]) is None
    patches = {"pixel_values": torch.zeros(16, 3, 14, 14)}
    assert common_reading([(Size(56, 56), patches)]) is None
    assert is_packed((14, 896), (14, 14)) and not is_packed((56, 56), (14, 14))


def test_a_grid_is_read_from_tables_positions_and_shapes() -> None:
    places = torch.tensor([[[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1], [-1, -1]]])
    held = {"image_position_ids": places, "pixel_values": torch.zeros(1, 7, 768)}
    assert common_reading([(Size(48, 32), held)]) == Reading(
        "image_position_ids", "positions", (16, 16)
    )
    image = {"pixel_values": torch.zeros(1, 1, 3, 32, 48)}
    assert common_reading([(Size(48, 32), image)]) == Reading("pixel_values", "image")
    assert common_reading([(Size(48, 32), image), (Size(32, 48), image)]) is None
    assert list(candidates({"pixel_values": torch.zeros(384, 1176)})) == []


def test_a_table_of_grids_must_hold_as_many_values_as_entered() -> None:
    grids = {"image_grid_thw": torch.tensor([[1, 4, 6]])}
    assert by_volume(grids, 4 * 6 * 14 * 14 * 3 * 2, 14) == Reading(
        "image_grid_thw", "grids", (14, 14)
    )
    assert by_volume(grids, 5 * 6 * 14 * 14 * 3 * 2, 14) is None


def test_every_way_to_still_a_processor_is_another_call() -> None:
    from transformers import CLIPImageProcessor

    calls = [control.call(Size(97, 101)) for control in controls(CLIPImageProcessor(), 14)]
    assert {"do_resize": False, "do_center_crop": False, "do_pad": False} in calls
    assert len({repr(call) for call in calls}) == len(calls)


def test_a_miniature_keeps_geometry_and_tokens() -> None:
    from transformers import Qwen2_5_VLConfig

    whole = Qwen2_5_VLConfig(image_token_id=151655)
    small = miniature(whole)
    assert small.vision_config.patch_size == whole.vision_config.patch_size
    assert small.vision_config.spatial_merge_size == whole.vision_config.spatial_merge_size
    assert (small.image_token_id, small.text_config.num_hidden_layers) == (151655, 2)
    assert small.vision_config.out_hidden_size == small.text_config.hidden_size
    rotations = {"head_dim": 128, "rope_parameters": {"mrope_section": [16, 24, 24]}}
    assert sum(shrunken(rotations)["rope_parameters"]["mrope_section"]) == 8


def test_layers_of_every_kind_are_kept() -> None:
    told = {"num_hidden_layers": 6, "layer_types": ["linear"] * 3 + ["full"] + ["linear"] * 2}
    assert shrunken(told)["layer_types"] == ["linear", "full"]


@pytest.mark.parametrize("kind", ["qwen2_vl"])
def test_a_base_of_an_unknown_type_is_seen_by_what_probing_found(kind: str, engine: Engine) -> None:
    base = SimpleNamespace(model=engine.model, processor=engine.parts.processor)
    sight = sight_of(base)
    assert sight.family is not None and sight.family.name == f"made_up_{kind}"
    parts = Parts(engine.model.config, engine.parts.processor)
    prompt = engine.family.prompt(parts, "Why?", image=True)
    own = replace(engine.family, own=True)
    inputs = prepare(own, parts, prompt, _noise(Size(20, 20)))
    with sight.watching([Size(28, 28)], 1) as seen, torch.inference_mode():
        engine.model.generate(**inputs, max_new_tokens=1, do_sample=False)
    (received,) = seen.grids(1)
    assert received is not None and received.grid == (56, 56), "its processor's own floor"


def test_patches_that_enter_a_convolution_are_unattested() -> None:
    convolution = torch.nn.Conv2d(3, 4, 14, 14)
    base = SimpleNamespace(model=torch.nn.Sequential(convolution))
    sight = sight_of(base)
    with sight.watching([Size(56, 56)], 1) as seen:
        convolution(torch.zeros(16, 3, 14, 14))
    assert seen.grids(1) == [None]
    with sight.watching([Size(56, 56)], 1) as seen:
        convolution(torch.zeros(1, 3, 56, 28))
    assert [one and one.grid for one in seen.grids(1)] == [(56, 28)]
