"""How the resolution of a batch is drawn."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from resolution_eval.ground.errors import UsageError
from resolution_eval.training.mix import MIXES, declaration, parse_mix


def drawn(text, count=4000):
    random = torch.Generator().manual_seed(3)
    mix = parse_mix(text)
    return Counter(mix.draw(random) for _ in range(count))


def test_weights_are_the_shares_of_the_batches():
    found = drawn("28:0.7,native:0.2,56:0.1")
    assert found["native"] / 4000 == pytest.approx(0.2, abs=0.03)
    assert found[28] / 4000 == pytest.approx(0.7, abs=0.03)
    assert found[56] / 4000 == pytest.approx(0.1, abs=0.03)


def test_a_range_draws_every_edge_alike():
    found = drawn("uniform:5-9", 5000)
    assert sorted(found) == [5, 6, 7, 8, 9]
    assert all(count == pytest.approx(1000, abs=120) for count in found.values())


@pytest.mark.parametrize("text", ["28:0.5,native:0.5", "uniform:28-224", "native:1", "9:2,3:1"])
def test_a_mix_is_read_back_from_its_text(text):
    assert str(parse_mix(text)) == text
    assert parse_mix(str(parse_mix(text))) == parse_mix(text)


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("native", "native"),
        ("56", "fixed:56"),
        ("native:1,28:3", "mixed:[28,native]"),
        ("uniform:28-224", "mixed:[28,224]"),
        ("anchored:28-70/14", "mixed:[28,42,56,70]"),
    ],
)
def test_the_declaration_names_what_was_trained_at(text, declared):
    assert str(declaration(parse_mix(text))) == declared


@pytest.mark.parametrize(
    "text",
    ["", "28:0,56:1", "28:-1", "28:nan", "28:inf,56:1", "28,28", "big", "28:x", "uniform:28",
     "uniform:56-28", "uniform:28-native", "uniform:28-28", "uniform:",
     "anchored:28-56", "anchored:28-56/0", "anchored:56-28/14", "anchored:28-56/native",
     "anchored:28-56/29"],
)  # fmt: skip
def test_an_impossible_mix_is_refused(text):
    with pytest.raises(UsageError):
        parse_mix(text)


def test_anchored_leaves_no_grid_out_and_gives_most_batches_to_the_ends():
    assert str(parse_mix("anchored:28-84/14")) == "28:12,42:3,56:3,70:3,84:9"
    assert str(parse_mix("anchored:28-42/14")) == "28:4,42:3"
    found = drawn("anchored:16-64/8", 5000)
    assert sorted(found) == list(range(16, 65, 8))
    assert found[16] / 5000 == pytest.approx(0.4, abs=0.03)
    assert found[64] / 5000 == pytest.approx(0.3, abs=0.03)


NAMED = {"uniform": "uniform:28-56", "anchored": "anchored:28-56/14"}


def test_every_named_mix_has_an_example():
    assert NAMED.keys() == MIXES.keys()


@pytest.mark.parametrize("text", NAMED.values())
def test_a_named_mix_draws_from_its_range_and_is_read_back(text):
    mix = parse_mix(text)
    assert all(28 <= edge <= 56 for edge in drawn(text, 50))
    assert parse_mix(str(mix)) == mix


def test_a_range_that_falls_is_refused_in_the_words_of_the_user():
    with pytest.raises(UsageError, match="'56-28'"):
        parse_mix("anchored:56-28/14")
