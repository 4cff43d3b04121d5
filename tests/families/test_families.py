"""Every family of Hugging Face checkpoints: what it foretells is what its tower receives."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_families
import torch
from PIL import Image

from resolution_eval import cli
from resolution_eval.answers.generation import Generation
from resolution_eval.diagnosis.examination import diagnose
from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.models.families import (
    FAMILIES,
    Parts,
    ProcessorSettings,
    family_of,
    intended_grid,
)
from resolution_eval.models.families.checkpoint import known_training, load_parts
from resolution_eval.models.families.engine import Engine, Question
from resolution_eval.models.families.geometries import GEOMETRIES
from resolution_eval.models.families.inputs import prepare
from resolution_eval.models.families.sharing import Sharing
from resolution_eval.models.families.tiling import arrange
from resolution_eval.resolution import Size, TrainingResolution, budget_size, restored_size
from tools import families_page

pytestmark = [pytest.mark.filterwarnings("ignore")]

NUM2WORDS = importlib.util.find_spec("num2words") is not None
NAMES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            name == "smolvlm" and not NUM2WORDS, reason="SmolVLM's processor needs num2words"
        ),
    )
    for name in tiny_families.BUILDERS
]
REFUSES = {"gemma3", "mllama"}
EDGES = (28, 45, 60, 84, 120, 200)
ASPECTS = ((1, 1), (2, 1), (1, 3))
CHOICES = (" striped disc", " ring", " checked cross pair")
ONE_IMAGE = {
    "llava_onevision",
    "paligemma",
    "gemma3",
    "mllama",
    "instructblip",
    "aya_vision",
    "cohere2_vision",
}
ONE_TOKEN = Generation(max_new_tokens=1)
GREEDY = Generation(max_new_tokens=5)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


_FOLDERS: dict[str, Path] = {}
_ENGINES: dict[str, Engine] = {}


@pytest.fixture
def folder(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if name not in _FOLDERS:
        _FOLDERS[name] = tiny_families.save(name, tmp_path_factory.mktemp(name))
    return _FOLDERS[name]


@pytest.fixture
def engine(name: str, folder: Path) -> Engine:
    """The family's tiny checkpoint, loaded as a user's would be."""
    from transformers import AutoModelForImageTextToText

    if name not in _ENGINES:
        parts = load_parts(str(folder))
        model = AutoModelForImageTextToText.from_pretrained(folder).eval()
        _ENGINES[name] = Engine(family_of(parts.config), parts, model)
    return _ENGINES[name]


def _noise(size: Size, seed: int = 0) -> Image.Image:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (size.height, size.width, 3), generator=generator)
    return Image.fromarray(pixels.to(torch.uint8).numpy())


def _question(
    engine: Engine, grid: Size, text: str = "Which phantom does this image show?", seed: int = 0
) -> Question:
    prompt = engine.family.prompt(engine.parts, text, image=True)
    return Question(prompt, _noise(grid, seed), CHOICES)


def _scheme(name: str) -> str:
    return "restore" if name in REFUSES else "match"


def _grid(name: str, engine: Engine, information: Size, source: Size | None = None) -> Size:
    training = engine.family.training(engine.parts)
    return intended_grid(
        engine.family, engine.parts, training, _scheme(name), information, source or information
    )


# What each family should do, told apart from its code: grid and visual tokens of an image.


def _nearest(length: float, unit: int) -> int:
    return max(1, math.floor(length / unit + 0.5)) * unit


def _patches(unit: int, token: int) -> Any:
    def expected(width: int, height: int) -> tuple[int, int, int]:
        w, h = _nearest(width, unit), _nearest(height, unit)
        return w, h, (w // token) * (h // token)

    return expected


def _fixed(edge: int, tokens: int) -> Any:
    return lambda width, height: (edge, edge, tokens)


def _queries(width: int, height: int) -> tuple[int, int, int]:
    return _nearest(width, 14), _nearest(height, 14), 6


def _best_tiles(width: int, height: int, edge: int, shapes: list[tuple[int, int]]) -> Any:
    """Columns and rows, by a plain search."""
    costs = []
    for columns, rows in shapes:
        shape = math.log((columns / rows) / (width / height))
        area = math.log((columns * rows * edge * edge) / (width * height))
        costs.append((round(2 * abs(shape) + abs(area), 9), columns * rows, columns, rows))
    return min(costs)[2:]


def _tiles(edge: int, unit: int, shapes: list[tuple[int, int]], *, whole: str, packed: bool) -> Any:
    """Tiles of `edge` pixels; `whole`: when the whole image enters once more."""

    def expected(width: int, height: int) -> tuple[int, int, int]:
        if width * height < edge * edge:
            side = min(edge, _nearest(round(math.sqrt(width * height)), unit))
            if edge - 2 <= round(math.sqrt(width * height)) and edge % unit:
                side = edge
            columns = rows = 1
        else:
            side = edge
            columns, rows = _best_tiles(width, height, edge, shapes)
        patches = side // unit
        tokens = columns * rows * patches * patches
        if packed:
            tokens += rows * patches
        if whole == "always" or columns * rows > 1:
            tokens += patches * patches
        return columns * side, rows * side, tokens

    return expected


def _up_to(most: int) -> list[tuple[int, int]]:
    return [(c, r) for c in range(1, most + 1) for r in range(1, most + 1) if c * r <= most]


def _mllama(width: int, height: int) -> tuple[int, int, int]:
    columns, rows = _best_tiles(width, height, 56, _up_to(4))
    return columns * 56, rows * 56, columns * rows * 17


SQUARE = [(c, r) for c in range(1, 5) for r in range(1, 5)]
EXPECTED = {
    "llava": _patches(14, 14),
    "llava_next": _tiles(
        56, 14, [(1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1)], whole="always", packed=True
    ),
    "llava_onevision": _tiles(60, 14, SQUARE, whole="always", packed=True),
    "qwen2_vl": _patches(28, 28),
    "qwen2_5_vl": _patches(28, 28),
    "qwen3_vl": _patches(32, 32),
    "internvl": _tiles(56, 28, _up_to(12), whole="more", packed=False),
    "aya_vision": _tiles(56, 28, _up_to(12), whole="more", packed=False),
    "cohere2_vision": _tiles(56, 28, _up_to(12), whole="more", packed=False),
    "idefics3": _tiles(56, 28, SQUARE, whole="more", packed=False),
    "smolvlm": _tiles(56, 28, SQUARE, whole="more", packed=False),
    "paligemma": _patches(14, 14),
    "gemma3": _fixed(56, 4),
    "mistral3": _patches(28, 28),
    "pixtral": _patches(14, 14),
    "mllama": _mllama,
    "instructblip": _queries,
}


def test_every_family_has_a_tiny_checkpoint_and_an_expectation() -> None:
    assert {family.name for family in FAMILIES.values()} == set(tiny_families.BUILDERS)
    assert set(EXPECTED) == set(tiny_families.BUILDERS)


@pytest.mark.parametrize("name", NAMES)
def test_the_tower_receives_the_grid_and_the_language_model_the_tokens(
    name: str, engine: Engine
) -> None:
    for aspect in ASPECTS:
        for edge in EDGES:
            information = restored_size(Size(*aspect), edge)
            grid = _grid(name, engine, information)
            width, height, tokens = EXPECTED[name](information.width, information.height)
            (spoken,) = engine.generate([_question(engine, grid)], ONE_TOKEN)
            assert spoken.received is not None
            where = (aspect, edge)
            assert (*where, spoken.received.grid) == (*where, (height, width))
            assert (*where, spoken.visual_tokens) == (*where, tokens)
            assert engine.family.visual_tokens(engine.parts, grid) == tokens


@pytest.mark.parametrize("name", NAMES)
def test_the_image_enters_as_it_is(name: str, engine: Engine) -> None:
    """The pixels of the first tile are those of the image, normalised, nothing resampled."""
    grid = _grid(name, engine, Size(112, 56))
    image = _noise(grid)
    inputs = prepare(engine.family, engine.parts, _question(engine, grid).prompt, image)
    if "image_grid_thw" in inputs:
        pytest.skip("patches, not pixels; covered by the grid")
    pixels = inputs["pixel_values"].flatten(0, -4)
    tile = pixels[1 if name.startswith("llava_") else 0]
    processor = engine.parts.processor.image_processor
    mean, std = torch.tensor(processor.image_mean), torch.tensor(processor.image_std)
    own = torch.from_numpy(np.array(image)).float() / 255
    own = ((own - mean) / std).permute(2, 0, 1)
    _, height, width = tile.shape
    assert torch.allclose(tile, own[:, :height, :width], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("image", ["shown", "none"])
def test_answers_do_not_depend_on_the_batch(name: str, image: str, engine: Engine) -> None:
    if image == "none" and engine.family.needs_image:
        pytest.skip("this family refuses a prompt without an image")
    grid = _grid(name, engine, Size(60, 40))
    texts = ["Why?", "Which phantom does this image show?", "Which of these, of all, is it?"]
    questions = [_question(engine, grid, texts[row % 3], seed=row) for row in range(8)]
    if image == "none":
        questions = [
            Question(engine.family.prompt(engine.parts, texts[row % 3], image=False), None, CHOICES)
            for row in range(8)
        ]
    together = engine.rank(questions)
    alone = [engine.rank([question])[0] for question in questions]
    for batched, single in zip(together, alone, strict=True):
        assert batched.scores == pytest.approx(single.scores, abs=1e-4)
        assert (batched.received, batched.visual_tokens) == (single.received, single.visual_tokens)
    texts_together = [spoken.text for spoken in engine.generate(questions[:3], GREEDY)]
    assert texts_together == [engine.generate([q], GREEDY)[0].text for q in questions[:3]]
    if image == "shown":
        assert len({spoken.scores for spoken in together}) == 8, "the image must matter"
    else:
        assert {(s.received, s.visual_tokens) for s in together} == {(None, 0)}


@pytest.mark.parametrize("name", [name for name in NAMES if "qwen" in str(name)])
def test_a_batch_ranks_alike_where_transformers_counts_places_from_the_padded_length(
    name: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As version 4 of transformers does, and version 5 does not."""
    grid = _grid(name, engine, Size(60, 40))
    texts = ["Why?", "Which phantom does this image show, of all that there are?"]
    questions = [_question(engine, grid, text, seed=row) for row, text in enumerate(texts)]
    expected = [spoken.scores for spoken in engine.rank(questions)]
    model = engine.model.model
    own = model.get_rope_index

    def padded(*given: Any, **named: Any) -> Any:
        places, _ = own(*given, **named)
        length = places.shape[-1]
        return places, places.amax(dim=0)[:, -1:] + 1 - length

    monkeypatch.setattr(model, "get_rope_index", padded)
    assert [spoken.scores for spoken in engine.rank(questions)] == [
        pytest.approx(scores, abs=1e-4) for scores in expected
    ]


def _shown(engine: Engine, grid: Size, seed: int, *, other: int = 0) -> Question:
    """A question behind two demonstrations, whose images `other` changes."""
    text = ("Why?", "Which phantom does this image show?")[seed % 2]
    told = [("Which?", "striped disc"), ("What is it then?", "ring")]
    prompt = engine.family.prompt(engine.parts, text, image=True, demonstrations=told)
    earlier = (_noise(grid, 100 + seed + other), _noise(grid, 200 + seed + other))
    return Question(prompt, _noise(grid, seed), CHOICES, earlier)


@pytest.mark.parametrize("name", NAMES)
def test_demonstrations_are_seen_and_attested_or_refused(name: str, engine: Engine) -> None:
    grid = _grid(name, engine, Size(120, 60))
    if not engine.family.several_images:
        assert name in ONE_IMAGE
        return
    questions = [_shown(engine, grid, seed) for seed in range(3)]
    together = engine.rank(questions)
    for question, batched in zip(questions, together, strict=True):
        (alone,) = engine.rank([question])
        assert batched.scores == pytest.approx(alone.scores, abs=1e-4)
        assert batched.received is not None
        assert batched.received.grid == (grid.height, grid.width)
        assert batched.visual_tokens == engine.family.visual_tokens(engine.parts, grid)
        assert batched.earlier == ((batched.received, batched.visual_tokens),) * 2
    (moved,) = engine.rank([_shown(engine, grid, 0, other=50)])
    assert moved.scores != pytest.approx(together[0].scores, abs=1e-3), "they must matter"


@pytest.mark.parametrize("name", ["llava", "qwen2_vl"])
def test_demonstrations_of_another_grid_enter_apart_or_are_refused(
    name: str, engine: Engine
) -> None:
    question = _shown(engine, Size(56, 28), 0)
    mixed = dataclasses.replace(question, image=_noise(Size(84, 56)))
    if not engine.family.grids_may_differ:
        with pytest.raises(ModelError, match=r"at one grid, and .* \[\(56, 28\), \(84, 56\)\]"):
            engine.rank([mixed])
        return
    (spoken,) = engine.rank([mixed])
    assert spoken.received is not None
    assert (spoken.received.grid, spoken.visual_tokens) == ((56, 84), 6)
    assert [(entered.grid, tokens) for entered, tokens in spoken.earlier] == [((28, 56), 2)] * 2


@pytest.mark.parametrize("name", NAMES)
def test_choices_score_as_a_plain_forward_over_prompt_and_choice(name: str, engine: Engine) -> None:
    """The reference runs prompt, image and choice through the model at once, without a cache."""
    grid = _grid(name, engine, Size(60, 40))
    question = _question(engine, grid)
    (ranked,) = engine.rank([question])
    sample = prepare(engine.family, engine.parts, question.prompt, question.image)
    prompt = sample["input_ids"][0].tolist()
    for choice, score in zip(CHOICES, ranked.scores or (), strict=True):
        tail = engine.parts.processor.tokenizer(choice, add_special_tokens=False)["input_ids"]
        longer = dict(sample)
        for key in ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"):
            if key in sample:
                answer = int(name == "paligemma")  # its prompt is read in both directions
                filler = {
                    "input_ids": tail,
                    "attention_mask": [1] * len(tail),
                    "token_type_ids": [answer] * len(tail),
                }
                more = torch.tensor([filler.get(key, [0] * len(tail))])
                longer[key] = torch.cat([sample[key], more], dim=1)
        if "cross_attention_mask" in sample:
            last = sample["cross_attention_mask"][:, -1:].expand(-1, len(tail), -1, -1)
            longer["cross_attention_mask"] = torch.cat([sample["cross_attention_mask"], last], 1)
        with engine._watched([question]), torch.inference_mode():
            logits = engine.model(**longer, use_cache=False).logits[0].log_softmax(-1)
        own = sum(float(logits[len(prompt) + place - 1, token]) for place, token in enumerate(tail))
        assert score == pytest.approx(own, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_encoded_once_for_all_choices(name: str, engine: Engine) -> None:
    grid = _grid(name, engine, Size(60, 40))
    calls: list[int] = []
    tower = engine.model.get_submodule(engine.family.tower)
    handle = tower.register_forward_hook(lambda *_: calls.append(1))
    try:
        engine.rank([_question(engine, grid, seed=seed) for seed in range(2)])
    finally:
        handle.remove()
    assert len(calls) == 1


def _asked(engine: Engine, grid: Size) -> list[Question]:
    """Six questions on two images."""
    texts = ["Why?", "Which phantom does this image show?", "Which of these, of all, is it?"]
    return [_question(engine, grid, texts[row % 3], seed=row % 2) for row in range(6)]


@pytest.mark.parametrize("name", NAMES)
def test_questions_on_one_image_share_its_run_through_the_tower(
    name: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = _asked(engine, _grid(name, engine, Size(60, 40)))
    entered: list[int] = []

    tower = engine.model.get_submodule(engine.family.tower)
    forward = tower.forward

    def noting(*positional: Any, **named: Any) -> Any:
        pixels = named["pixel_values"] if "pixel_values" in named else positional[0]
        entered.append(pixels.numel())
        return forward(*positional, **named)

    def answers() -> tuple[list[Any], list[str]]:
        with monkeypatch.context() as patched:
            patched.setattr(tower, "forward", noting)
            ranked = engine.rank(questions)
        return ranked, [spoken.text for spoken in engine.generate(questions, GREEDY)]

    shared, texts = answers()
    monkeypatch.setattr(Sharing, "of", lambda images: Sharing(tuple(range(len(images)))))
    alone, texts_alone = answers()
    assert 3 * entered[0] == entered[1], "two images of six questions enter"
    assert texts == texts_alone
    for one, other in zip(shared, alone, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)
        assert (one.received, one.visual_tokens) == (other.received, other.visual_tokens)
    assert len({spoken.scores for spoken in shared}) == 6, "no question gets another's image"


def test_a_tower_whose_rows_are_no_equal_parts_is_refused() -> None:
    sharing = Sharing((0, 0, 1))
    tower = torch.nn.Identity()
    with sharing.applied(tower), pytest.raises(ModelError, match=r"7 rows .* parts of 3 images"):
        tower(torch.zeros(7, 2))


@pytest.mark.parametrize("name", NAMES)
def test_match_moves_the_grid_and_restore_keeps_it(name: str, engine: Engine) -> None:
    family, parts = engine.family, engine.parts
    source = Size(240, 120)
    training = family.training(parts)
    small, large = budget_size(source, 30), budget_size(source, 150)
    restored = {
        intended_grid(family, parts, training, "restore", information, source)
        for information in (small, large)
    }
    assert len(restored) == 1
    if name in REFUSES:
        with pytest.raises(UsageError, match="restore"):
            intended_grid(family, parts, training, "match", small, source)
        return
    grids = [
        intended_grid(family, parts, training, "match", information, source)
        for information in (small, large)
    ]
    assert grids[0].pixels < grids[1].pixels
    tokens = [family.visual_tokens(parts, grid) for grid in grids]
    assert tokens[0] < tokens[1] or name == "instructblip"


@pytest.mark.parametrize("name", NAMES)
def test_the_doctor_foretells_what_a_run_attests(name: str, engine: Engine, folder: Path) -> None:
    found = diagnose("reshf", {"pretrained": str(folder)}, [28, 64, 112])
    assert (found.refusal is not None) == (name in REFUSES)
    assert len(found.rows) == 9
    training = engine.family.training(engine.parts)
    under = engine.of_family(engine.family.under(_scheme(name), engine.parts, training))
    for row in found.rows:
        grid = _grid(name, under, Size(*row.information), Size(*row.source))
        (spoken,) = under.generate([_question(under, grid)], ONE_TOKEN)
        assert spoken.received is not None
        assert row.grid == row.expected_grid == spoken.received.grid
        assert row.visual_tokens == spoken.visual_tokens
        assert (row.tiles or 1) == spoken.received.images
        assert row.match == (name not in REFUSES)


@pytest.mark.parametrize("name", ["llava"])
def test_configuration_and_processor_are_given_back_as_they_were(name: str, engine: Engine) -> None:
    before = (engine.model.config.to_dict(), engine.parts.processor.to_dict())
    engine.rank([_question(engine, Size(28, 28))])
    assert (engine.model.config.to_dict(), engine.parts.processor.to_dict()) == before


@pytest.mark.parametrize("name", ["llava_next"])
def test_settings_are_undone_after_an_error(name: str, engine: Engine) -> None:
    before = (engine.model.config.to_dict(), engine.parts.processor.to_dict())
    with (
        pytest.raises(RuntimeError, match="planted"),
        engine._watched([_question(engine, Size(28, 28))]),
    ):
        raise RuntimeError("planted")
    assert (engine.model.config.to_dict(), engine.parts.processor.to_dict()) == before


def test_the_nearest_tiles_are_nearest_in_shape_first() -> None:
    shapes = [(1, 1), (2, 1), (1, 2), (2, 2)]
    assert arrange(Size(900, 450), 448, shapes).grid == Size(896, 448)
    assert arrange(Size(450, 900), 448, shapes).grid == Size(448, 896)
    assert arrange(Size(5000, 5000), 448, shapes).grid == Size(896, 896)


@pytest.mark.parametrize("name", ["llava"])
def test_a_given_training_resolution_overrides_the_configuration(name: str, engine: Engine) -> None:
    family, parts = engine.family, engine.parts
    assert known_training("nobody/nothing", family, parts, None) == TrainingResolution(
        "fixed", (56,)
    )
    assert str(known_training("nobody/nothing", family, parts, "mixed:[28,56]")) == "mixed:[28,56]"


def test_an_unknown_architecture_is_named() -> None:
    from transformers import BertConfig

    with pytest.raises(ModelError, match="bert"):
        family_of(BertConfig())


def test_a_checkpoint_that_is_nowhere_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing-here"):
        load_parts(str(tmp_path / "nothing-here"))


@pytest.mark.parametrize("name", ["llava"])
def test_the_command_prints_json_and_fails_where_the_sweep_is_flat(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["doctor", "--model", "reshf", "--model_args", f"pretrained={folder}", "--json"]
    assert cli.main([*arguments, "--sizes", "28,56"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["requested"], row["grid"], row["visual_tokens"], row["match"]) for row in rows][
        :2
    ] == [("28", [28, 28], 4, True), ("56", [56, 56], 16, True)]
    assert cli.main([*arguments, "--sizes", "28,30"]) == 3
    assert "28 and 30" in json.loads(capsys.readouterr().out)["flat"][0]


def test_the_doctor_reads_an_embedded_flamingo() -> None:
    found = diagnose("resflamingo", {}, [16, 64])
    assert found.training == "fixed:64"
    assert [row.grid for row in found.rows[:2]] == [(16, 16), (64, 64)]
    assert found.ok


def test_the_doctor_fails_where_a_flamingos_sweep_is_flat(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["doctor", "--model", "resflamingo", "--sizes", "16,17,64"]) == 3
    assert "flat: 16 and 17" in capsys.readouterr().out


@pytest.mark.parametrize("model", ["reshf", "resflamingo"])
def test_the_doctor_refuses_an_argument_that_the_adapter_has_not(model: str) -> None:
    with pytest.raises(UsageError, match="did you mean 'pretrained'"):
        diagnose(model, {"pretraned": "x"}, [28])


def test_the_doctor_names_what_it_knows() -> None:
    with pytest.raises(UsageError, match="reshf"):
        diagnose("reshff", {}, [28])


def test_an_error_in_the_tower_leaves_no_hook(tmp_path: Path) -> None:
    parts = Parts(*tiny_families.BUILDERS["llava"]())
    model, _ = tiny_families.built("llava")
    engine = Engine(family_of(parts.config), Parts(model.config, parts.processor), model)
    tower = model.get_submodule("model.vision_tower")
    with (
        pytest.raises(RuntimeError, match="planted"),
        engine._watched([_question(engine, Size(28, 28))]),
    ):
        raise RuntimeError("planted")
    assert not tower._forward_pre_hooks


def test_the_documentation_holds_the_table_of_the_families() -> None:
    written = (Path(__file__).parents[2] / "docs" / "families.md").read_text(encoding="utf-8")
    assert written == families_page.page(), "run python -m tools.families_page"


@pytest.mark.parametrize("name", NAMES)
def test_the_table_reads_a_geometry_as_a_checkpoint(name: str, engine: Engine) -> None:
    """The stand-in configurations of the table have what the family asks of real ones."""
    _, parts = GEOMETRIES[name]
    assert (engine.family.refusal(parts) is None) == (name not in REFUSES)
    assert (
        str(engine.family.training(parts)).split(":")[0]
        == (str(engine.family.training(engine.parts)).split(":")[0])
    )


@pytest.mark.parametrize("name", ["qwen2_vl"])
def test_a_processor_that_enlarges_by_itself_is_seen(
    name: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = ProcessorSettings(
        call={"size": {"shortest_edge": 224 * 224, "longest_edge": 448 * 448}}
    )
    monkeypatch.setattr(type(engine.family), "settings", lambda *_: floor)
    (spoken,) = engine.generate([_question(engine, Size(56, 56))], ONE_TOKEN)
    assert spoken.received is not None and spoken.received.grid == (224, 224)
    assert spoken.visual_tokens == 64


@pytest.mark.parametrize("name", ["internvl"])
def test_another_number_of_tiles_is_another_grid(
    name: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = {"crop_to_patches": True, "min_patches": 3, "max_patches": 3}
    monkeypatch.setattr(type(engine.family), "settings", lambda *_: ProcessorSettings(call=tiles))
    (spoken,) = engine.generate([_question(engine, Size(112, 56))], ONE_TOKEN)
    assert spoken.received is not None and spoken.received.grid != (56, 112)
    assert spoken.received.images == 4


@pytest.mark.parametrize("name", ["llava", "internvl"])
def test_images_that_samples_of_one_grid_do_not_share_equally_are_refused(
    name: str, engine: Engine
) -> None:
    pixels = {"pixel_values": torch.zeros(7, 3, 56, 56)}
    with pytest.raises(ModelError, match="7 images entered for 2 samples"):
        engine.family.received(engine.parts, Size(56, 56), pixels, 2)


@pytest.mark.parametrize("name", ["llava_next"])
def test_a_single_tile_is_no_training_grid_unless_the_configuration_has_it(
    name: str, engine: Engine
) -> None:
    family, parts, source = engine.family, engine.parts, Size(40, 40)
    assert family.grid(parts, source) == Size(42, 42)
    assert family.trained_grid(parts, source, family.training(parts)) == Size(112, 112)
