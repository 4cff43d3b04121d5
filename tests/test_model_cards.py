"""The shipped model cards: one contract over all of them, and the page that is made from them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from resolution_eval import checkpoint_list
from resolution_eval.data.cards import model_cards, parse_model_card
from resolution_eval.ground import paths
from resolution_eval.ground.errors import CardError
from resolution_eval.resolution import TrainingResolution
from tools import models_page

FILES = sorted(paths.models().glob("*.toml"))
ADAPTERS = {"reshf", "resflamingo", "none"}
TILES = """
name = "Toy tiles"
pretrained = "nobody/toy"
revision = "0123456789abcdef0123456789abcdef01234567"
family = "internvl"
adapter = "reshf"
training = "native"
training_range = [784, 3136]
tile = 28
tokens = [4, 16]
evidence = "its training script"
licence = "MIT"
unconfirmed = ["tokens"]
"""


def cards():
    return [pytest.param(parse_model_card(file.read_text("utf-8")), id=file.stem) for file in FILES]


def test_there_are_at_least_sixty_of_them_and_no_two_describe_one_checkpoint():
    assert len(model_cards()) == len(FILES) >= 60
    assert len({card.name for card in model_cards().values()}) == len(FILES)


@pytest.mark.parametrize("card", cards())
def test_a_shipped_card_keeps_the_contract(card):
    training = TrainingResolution.parse(card.training)
    assert card.family in checkpoint_list.FAMILIES
    assert card.adapter in ADAPTERS
    assert card.licence.strip() and card.evidence.strip()
    assert "/" in card.pretrained and card.pretrained.count("/") == 1
    if training.kind == "unknown":
        assert not card.tokens and "training" not in card.unconfirmed
    else:
        assert card.evidence_url is not None
    assert card.evidence_url is None or card.evidence_url.startswith("https://")
    assert (card.flamingo is not None) == (card.adapter == "resflamingo")
    if training.kind == "fixed":
        assert len(card.tokens) <= 1, "one grid makes one number of tokens"
        if card.tokens:
            (edge,) = training.members
            assert card.tokens[0] <= (edge / 7) ** 2, "no encoder here has patches under 7 px"
    if "training" in card.unconfirmed and card.training_range:
        assert "training_range" in card.unconfirmed, "a range is not surer than its training"
    if card.training_range and card.tile:
        assert all(pixels % card.tile**2 == 0 for pixels in card.training_range)


def test_the_families_that_the_adapter_must_know_have_cards():
    required = {
        *("openflamingo", "llava", "llava_next", "llava_onevision", "qwen2_vl", "qwen2_5_vl"),
        *("qwen3_vl", "internvl", "idefics3", "smolvlm", "paligemma", "gemma3", "mistral3"),
        *("pixtral", "mllama", "instructblip"),
    }
    assert required <= {card.family for card in model_cards().values()}


def test_a_card_with_every_key_is_read():
    card = parse_model_card(TILES)
    assert card.training_range == (784, 3136)
    assert (card.tile, card.tokens, card.unconfirmed) == (28, (4, 16), ("tokens",))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('revision = "0123', 'revision = "123', "revision: needs the form"),
        ("[784, 3136]", "[3136, 784]", "training_range must ascend; found [3136, 784]"),
        ("[784, 3136]", "[784]", "training_range"),
        ("[4, 16]", "[16, 4]", "tokens must ascend"),
        ("[4, 16]", "[4, 8, 16]", "tokens: Tuple should have at most 2 items"),
        ("[4, 16]", "[0]", "tokens.0: Input should be greater than or equal to 1"),
        ('"native"', '"fixed:28"', "a training_range goes with native training"),
        ('["tokens"]', '["token"]', "unconfirmed names 'token', which the card does not give"),
        ('["tokens"]', '["flamingo"]', "unconfirmed names 'flamingo'"),
        ("tile = 28", "tile = 0", "tile: Input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_card_is_refused_by_key(old, new, complaint):
    assert TILES.count(old) == 1
    with pytest.raises(CardError, match=re.escape(complaint)):
        parse_model_card(TILES.replace(old, new))


def test_the_listing_has_a_line_for_every_card_and_marks_what_is_not_confirmed():
    lines = checkpoint_list.listing(checkpoint_list.selected()).splitlines()
    assert len(lines) == 2 + len(FILES) + 2
    (line,) = (line for line in lines if line.startswith("google/gemma-3-4b-it "))
    assert line.split() == ["google/gemma-3-4b-it", "gemma3", "fixed:896", "256", "reshf"]
    (line,) = (line for line in lines if line.startswith("Qwen/Qwen2-VL-7B-Instruct "))
    assert re.search(r"qwen2_vl +native +56 to 3584 \? +4 to 16,384 \? +reshf", line)


def test_the_page_in_the_docs_is_up_to_date():
    file = Path(__file__).parents[1] / "docs" / "models.md"
    assert file.read_text("utf-8") == models_page.page(), (
        "docs/models.md differs from the cards: run python -m tools.models_page"
    )


def test_the_page_names_every_checkpoint_once_in_a_table_with_its_evidence():
    text = models_page.page()
    for card in model_cards().values():
        assert text.count(f"| [{card.pretrained}](") == 1
        assert card.evidence in text


@pytest.mark.parametrize("card", [card for card in cards() if card.values[0].adapter == "reshf"])
def test_every_card_that_promises_reshf_has_a_family(card):
    """A family that was written, or a type that the census attests by probing."""
    from resolution_eval.models.families import FAMILIES

    census = json.loads((paths.models().parent / "benchmarks" / "census.json").read_text("utf-8"))
    attested = {
        name
        for types in census.values()
        for name, row in types.items()
        if row["state"] in ("match", "restore")
    }
    assert card.family in {family.name for family in FAMILIES.values()} | attested
