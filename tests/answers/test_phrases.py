"""Open answers: the whole table of cases, and what holds for any text."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolution_eval.answers import exact_match, final_answer, normalise, reply, token_f1

CASES = tomllib.loads(Path(__file__).with_name("open.toml").read_text(encoding="utf-8"))["cases"]
TERMS = ["right", "left", "both", "lung", "lobes", "3 cm", "in the", "nodule", "opacities", "2"]

answers = st.lists(st.sampled_from(TERMS), min_size=1, max_size=6).map(" ".join)


@pytest.mark.parametrize(("prediction", "reference", "exact", "f1"), CASES)
def test_each_case_of_the_table_gets_its_scores(prediction, reference, exact, f1):
    assert exact_match(prediction, reference) is exact
    assert token_f1(prediction, reference) == pytest.approx(f1)


def squad_f1(prediction: str, reference: str) -> float:
    """F1 as SQuAD's script computes it, over words that have been normalised."""
    predicted, expected = normalise(prediction).split(), normalise(reference).split()
    remaining, shared = list(expected), 0
    for word in predicted:
        if word in remaining:
            remaining.remove(word)
            shared += 1
    if shared == 0:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(expected)
    return 2 * precision * recall / (precision + recall)


@given(prediction=answers, reference=answers)
def test_token_f1_is_that_of_squad_unless_sides_contradict(prediction, reference):
    def sides(text):
        words = set(text.split())
        return words & {"left", "right"} | ({"left", "right"} if "both" in words else set())

    mine, other = sides(prediction), sides(reference)
    contradict = bool(mine and other and mine != other)
    expected = 0.0 if contradict else squad_f1(prediction, reference)
    assert token_f1(prediction, reference) == pytest.approx(expected)


@given(prediction=answers, reference=answers)
def test_f1_is_symmetric_and_one_for_every_exact_match(prediction, reference):
    assert token_f1(prediction, reference) == token_f1(reference, prediction)
    assert exact_match(prediction, reference) == exact_match(reference, prediction)
    if exact_match(prediction, reference):
        assert token_f1(prediction, reference) == 1.0


@given(answer=answers)
def test_an_answer_equals_itself_however_it_is_dressed(answer):
    assert exact_match(answer, answer)
    assert exact_match(f"**Answer:** The {answer.upper()}.\nQuestion: What next?", answer)


@given(text=st.text(max_size=200), reference=st.text(max_size=30))
def test_any_text_gets_scores_between_zero_and_one(text, reference):
    assert 0.0 <= token_f1(text, reference) <= 1.0
    assert isinstance(exact_match(text, reference), bool)
    assert isinstance(final_answer(text), str)


@given(cents=st.integers(1, 99_999))
def test_a_length_is_the_same_in_every_unit_and_spelling(cents):
    centimetres = cents / 100
    spellings = {
        normalise(spelling)
        for spelling in (
            f"{centimetres:.2f} cm",
            f"{centimetres:,.3f}cm",
            f"{cents / 10:.1f} mm",
            f"{cents * 100} µm",
            f"{centimetres:.2f} centimetres",
        )
    }
    assert len(spellings) == 1
    assert normalise(f"{cents + 1} um") not in spellings or cents + 1 == cents * 10_000


def test_a_reply_keeps_what_was_said_when_no_turn_follows():
    assert reply("Question: What is it?\nAnswer: mucus") == "Question: What is it?\nAnswer: mucus"
    assert reply("mucus\nHuman: and this?") == "mucus"
    assert reply("<image>mucus") == "mucus"
