"""Several images in one question: each in its place in the prompt, each attested with its grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import tiny_families
import torch
from PIL import Image

from resolution_eval.answers.generation import Generation
from resolution_eval.answers.prompts import pieces
from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families import Parts, family_of
from resolution_eval.models.families.chat import ChatTurn, rendered
from resolution_eval.models.families.engine import Engine, Question
from resolution_eval.models.families.own_processor import foretold
from resolution_eval.resolution import Size

pytestmark = pytest.mark.filterwarnings("ignore")
ONE_TOKEN = Generation(max_new_tokens=1)
TEXT = "Is <image 1> like <image 2>?"
IN_PLACE = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'image' %}MARK{% else %}{{ part.text }}{% endif %}{% endfor %}\n"
    "{% endfor %}"
)
IMAGES_FIRST = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'image' %}MARK{% endif %}{% endfor %}{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}\n{% endfor %}"
)
STRINGS = (
    "{% for message in messages %}{{ message.role }}: {{ message.content + '\n' }}{% endfor %}"
)
TEMPLATES = {
    "in place": (IN_PLACE, "user: Is MARK like MARK?"),
    "images first": (IMAGES_FIRST, "user: MARKMARKIs image 1 like image 2?"),
    "strings": (STRINGS, "user: Is MARK like MARK?"),
}


@pytest.fixture(scope="module")
def parts() -> Parts:
    return Parts(*tiny_families.BUILDERS["llava"]())


@pytest.mark.parametrize("kind", TEMPLATES)
def test_an_image_stands_where_the_text_names_it_or_is_named_there(kind: str, parts: Parts) -> None:
    template, wanted = TEMPLATES[kind]
    mark = parts.processor.image_token
    parts.processor.chat_template = template.replace("MARK", mark)
    found = rendered(
        parts.processor, parts.config, [ChatTurn("user", TEXT, image=True, pieces=pieces(TEXT, 2))]
    )
    assert found.strip() == wanted.replace("MARK", mark)


def test_names_out_of_order_are_no_names(parts: Parts) -> None:
    """A template that puts all images first would call the second shown the first."""
    parts.processor.chat_template = IMAGES_FIRST.replace("MARK", parts.processor.image_token)
    text = "Is <image 2> like <image 1>?"
    turn = ChatTurn("user", text, image=True, pieces=pieces(text, 2))
    with pytest.raises(ModelError, match=r"names them in another order|moves an image"):
        rendered(parts.processor, parts.config, [turn])


def test_images_that_the_text_does_not_name_stand_before_it(parts: Parts) -> None:
    mark = parts.processor.image_token
    parts.processor.chat_template = IN_PLACE.replace("MARK", mark)
    turn = ChatTurn("user", "Alike?", image=True, pieces=pieces("Alike?", 3))
    found = rendered(parts.processor, parts.config, [turn])
    assert found.strip() == f"user: {mark * 3}Alike?"


def _noise(size: Size, seed: int) -> Image.Image:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (size.height, size.width, 3), generator=generator)
    return Image.fromarray(pixels.to(torch.uint8).numpy())


def _asked(engine: Engine, sizes: list[Size]) -> list[tuple[Any, int]]:
    numbers = " ".join(f"<image {place}>" for place in range(1, len(sizes) + 1))
    prompt = engine.family.prompt(
        engine.parts, "Alike?", image=True, pieces=pieces(f"{numbers} Alike?", len(sizes))
    )
    *earlier, last = (_noise(size, seed) for seed, size in enumerate(sizes))
    question = Question(prompt, last, earlier=tuple(earlier))
    (spoken,) = engine.generate([question], ONE_TOKEN)
    return [*spoken.earlier, (spoken.received, spoken.visual_tokens)]


def _engine(kind: str) -> Engine:
    model, processor = tiny_families.built(kind)
    return Engine(family_of(model.config), Parts(model.config, processor), model)


@pytest.mark.parametrize("kind", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_images_of_different_grids_are_attested_one_by_one(kind: str) -> None:
    engine = _engine(kind)
    unit = engine.family.patch(engine.parts)
    sizes = [Size(2 * unit, 3 * unit), Size(unit, unit), Size(4 * unit, unit)]
    found = _asked(engine, sizes)
    assert [one.grid for one, _ in found] == [(size.height, size.width) for size in sizes]
    assert [tokens for _, tokens in found] == [6, 1, 4]


@pytest.mark.parametrize("kind", ["llava", "internvl", "pixtral"])
def test_images_of_one_grid_are_attested_one_by_one(kind: str) -> None:
    engine = _engine(kind)
    unit = engine.family.patch(engine.parts)
    grid = engine.family.grid(engine.parts, Size(2 * unit, 2 * unit))
    found = _asked(engine, [grid, grid])
    assert [one.grid for one, _ in found] == [(grid.height, grid.width)] * 2
    assert {tokens for _, tokens in found} == {engine.family.visual_tokens(engine.parts, grid)}


@pytest.mark.parametrize("kind", ["internvl", "smolvlm", "llava_next"])
def test_under_restore_every_image_has_as_many_tiles_as_it_has_alone(kind: str) -> None:
    engine = _engine(kind)
    family = engine.family.under("restore", engine.parts, engine.family.training(engine.parts))
    assert family.own
    engine = engine.of_family(family)
    sizes = [Size(300, 150), Size(90, 200)]
    alone = [foretold(family, engine.parts, size) for size in sizes]
    assert alone[0] != alone[1], "else nothing is told apart"
    found = _asked(engine, sizes)
    assert [(one.grid, one.images, tokens) for one, tokens in found] == [
        (one.grid, one.images, one.tokens) for one in alone
    ]


def test_grids_that_may_not_differ_are_refused_with_what_helps() -> None:
    engine = _engine("llava")
    with pytest.raises(ModelError, match="use images of one size"):
        _asked(engine, [Size(56, 56), Size(28, 56)])


def test_a_plain_prompt_has_no_place_for_a_second_image(parts: Parts) -> None:
    plain = parts._replace(plain=True)
    family = replace(family_of(parts.config), plain=True)
    with pytest.raises(ModelError, match="a plain prompt has one image"):
        family.prompt(plain, "Alike?", image=True, pieces=(0, 1, "Alike?"))
