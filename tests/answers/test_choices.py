"""The parser of choices: the whole table of cases, and what holds for any text."""

from __future__ import annotations

import time
import tomllib
import unicodedata
from collections import Counter
from pathlib import Path
from string import ascii_uppercase

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from resolution_eval.answers import parse_choice, parse_yes_no

GROUPS = tomllib.loads(Path(__file__).with_name("cases.toml").read_text(encoding="utf-8"))["group"]
CASES = [
    pytest.param(text, group["choices"], expected, id=f"{group['name']}-{kind}-{text[:40]!r}")
    for group in GROUPS
    for kind, text, expected in group["cases"]
]
KINDS = Counter(kind for group in GROUPS for kind, _, _ in group["cases"])

TISSUES = [
    "adipose",
    "debris",
    "lymphocytes",
    "mucus",
    "smooth muscle",
    "normal colon mucosa",
    "cancer-associated stroma",
]
LETTER_FORMS = [
    "{}",
    "{}.",
    "{})",
    "({})",
    "({}).",
    "[{}]",
    "**{}**",
    "**({})**",
    "`{}`",
    "Option {}",
    "option ({})",
    "Answer: {}",
    "The answer is {}",
    "The answer is ({}).",
    "The correct option is {}.",
    "Final answer: **{}**",
    "\\boxed{{{}}}",
    "$\\boxed{{\\text{{{}}}}}$",
    '{{"answer": "{}"}}',
    "<answer>{}</answer>",
    "<think>A, or perhaps C?</think>\n{}",
    "{}\nQuestion: What next?\nAnswer: D",
    "答案是{}。",
]
TEXT_FORMS = [
    "{}",
    "{}.",
    "**{}**",
    "It is {}.",
    "This is {}, as the texture shows.",
    "The image shows {}.",
    "The answer is {}.",
    "Answer: {}",
    '{{"answer": "{}"}}',
    "\\boxed{{{}}}",
]
REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I cannot determine the answer from this image.",
    "As an AI model, I am unable to interpret medical images.",
    "The image is not clear enough to tell.",
    "Please consult a qualified pathologist.",
]
DISCLAIMERS = [
    " I cannot give medical advice.",
    "\n\nPlease consult a pathologist.",
    " I'm not sure.",
]
EDGES = ["", " ", "\n", "\t", "\u00a0", "\u3000", "\n\n  ", "**", "\u200b"]

indices = st.integers(0, len(TISSUES) - 1)


@pytest.mark.parametrize(("text", "choices", "expected"), CASES)
def test_each_case_of_the_table_gets_its_verdict(text, choices, expected):
    verdict = parse_choice(text, choices)
    assert (choices[verdict] if verdict is not None else "") == expected


def test_the_table_holds_every_kind_of_answer_and_no_case_twice():
    assert KINDS.total() >= 200
    assert {"letter", "text", "both", "hedge", "refusal", "thought", "markdown", "negation"} <= {
        *KINDS
    }
    for group in GROUPS:
        texts = [text for _, text, _ in group["cases"]]
        assert len(texts) == len(set(texts)), group["name"]
        assert {expected for _, _, expected in group["cases"]} <= {"", *group["choices"]}


YES_NO = [
    (text, expected)
    for group in GROUPS
    if group["name"] == "yes/no"
    for kind, text, expected in group["cases"]
    if kind not in ("letter", "both", "contradiction")
]


@pytest.mark.parametrize(("text", "expected"), YES_NO)
def test_yes_or_no_gets_the_verdict_of_the_choices_yes_and_no(text, expected):
    assert parse_yes_no(text) is {"yes": True, "no": False, "": None}[expected]


def test_a_letter_answers_no_yes_or_no_question():
    assert parse_yes_no("A") is None
    assert parse_choice("A", ["yes", "no"]) == 0


@given(index=indices, form=st.sampled_from(LETTER_FORMS))
def test_a_letter_in_any_format_is_its_choice(index, form):
    assert parse_choice(form.format(ascii_uppercase[index]), TISSUES) == index


@given(index=indices, form=st.sampled_from(TEXT_FORMS), change=st.sampled_from([str, str.upper]))
def test_a_text_in_any_format_is_its_choice(index, form, change):
    assert parse_choice(form.format(change(TISSUES[index])), TISSUES) == index


@given(index=indices, form=st.sampled_from(TEXT_FORMS), order=st.permutations(range(len(TISSUES))))
def test_permuted_choices_permute_the_verdict_on_a_text(index, form, order):
    permuted = [TISSUES[i] for i in order]
    assert parse_choice(form.format(TISSUES[index]), permuted) == order.index(index)


@given(first=indices, second=indices)
def test_a_letter_and_a_text_agree_or_are_unparseable(first, second):
    answer = f"{ascii_uppercase[first]}. {TISSUES[second]}"
    assert parse_choice(answer, TISSUES) == (first if first == second else None)


@given(first=indices, second=indices, joint=st.sampled_from([" or ", " and ", ", ", "/", "\n"]))
def test_two_different_choices_are_unparseable(first, second, joint):
    expected = first if first == second else None
    assert parse_choice(TISSUES[first] + joint + TISSUES[second], TISSUES) == expected
    letters = ascii_uppercase[first] + joint + ascii_uppercase[second]
    assert parse_choice(letters, TISSUES) == expected


@given(
    index=indices,
    denial=st.sampled_from(["not {}", "It is not {}.", "There is no {}.", "{} is absent"]),
)
def test_a_denied_choice_is_unparseable(index, denial):
    assert parse_choice(denial.format(TISSUES[index]), TISSUES) is None


@given(refusals=st.lists(st.sampled_from(REFUSALS), min_size=1))
def test_refusals_are_unparseable(refusals):
    text = " ".join(refusals)
    assert parse_choice(text, TISSUES) is None
    assert parse_yes_no(text) is None


@given(index=indices, form=st.sampled_from(LETTER_FORMS[:6]), end=st.sampled_from(DISCLAIMERS))
def test_a_disclaimer_after_an_opening_answer_changes_nothing(index, form, end):
    opening = form.format(ascii_uppercase[index])
    opening += "" if opening.endswith(".") else "."
    assert parse_choice(opening + end, TISSUES) == index


@pytest.mark.parametrize("edge", EDGES[1:7])
def test_whitespace_around_an_answer_changes_nothing(edge):
    for case in CASES:
        text, choices = case.values[:2]
        whole = parse_choice(text, choices)
        assert parse_choice(edge + text, choices) == whole, text
        assert parse_choice(text + edge, choices) == whole, text


@given(index=indices, edge=st.sampled_from(EDGES), form=st.sampled_from(TEXT_FORMS))
def test_markdown_around_an_answer_changes_nothing(index, edge, form):
    assert parse_choice(edge + form.format(TISSUES[index]) + edge, TISSUES) == index


@given(text=st.text(max_size=80))
def test_random_text_without_a_choice_is_unparseable(text):
    plain = unicodedata.normalize("NFKC", text).casefold()
    assume(not set("ab") & set(plain) and "qqx" not in plain)
    assert parse_choice(text, ["qqx", "qqx zzx"]) is None


@given(text=st.text(max_size=200), choices=st.lists(st.text(max_size=20), max_size=30))
def test_any_text_and_any_choices_give_a_choice_or_none(text, choices):
    verdict = parse_choice(text, choices)
    assert verdict is None or 0 <= verdict < len(choices)
    assert parse_yes_no(text) in (True, False, None)


PIECES = [
    *("A", "B", "a", "no", "yes", "not", "smooth", "muscle", "mucus", "answer", "is", "or", "the"),
    *("<think>", "</think>", "Question:", ":", ".", ",", "\n", "(", ")", "**", "?", "-", "/"),
]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=25), tight=st.booleans())
def test_words_of_answers_in_any_order_give_a_choice_or_none(pieces, tight):
    verdict = parse_choice(("" if tight else " ").join(pieces), TISSUES)
    assert verdict is None or TISSUES[verdict] in ("adipose", "debris", "mucus", "smooth muscle")


REPEATED = [
    "answer: ", "answer: smooth muscle ", "a ", "B or ", "Question    ", "<think>", "</think>",
    "<s>", "1,", "9", "A.", "(", "smooth muscle, ", "'a", "x-", "\\boxed{", "no ", "<a ",
    "wait. ", ". wait mucus",
]  # fmt: skip


@pytest.mark.parametrize("unit", REPEATED)
def test_ten_times_the_text_takes_about_ten_times_as_long(unit):
    short, long = (unit * (size // len(unit)) + " tissue" for size in (4_000, 40_000))

    def seconds(text):
        """Processor time of the fastest of three runs."""
        times = []
        for _ in range(3):
            start = time.process_time()
            parse_choice(text, TISSUES)
            times.append(time.process_time() - start)
        return min(times)

    ratio = seconds(long) / max(seconds(short), 0.001)
    assert ratio < 40, f"{ratio:.0f} times as long; quadratic time would be 100 times"
