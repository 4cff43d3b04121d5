"""Every class of every shipped task, in twenty phrasings, reads as that class and as no other."""

from __future__ import annotations

from string import ascii_uppercase

import pytest

from resolution_eval.answers import parse_choice
from resolution_eval.data.cards import task_cards

PHRASINGS = (
    "{name}",
    "{name}.",
    "{letter}",
    "({letter})",
    "{letter}. {name}",
    "({letter}) {name}",
    "{letter}: {name}",
    "Answer: {name}",
    "The answer is {name}.",
    "The correct answer is **{letter}. {name}**",
    "**Answer: {letter}**",
    "Answer: {letter}. {name}\n\nDifferential diagnosis: {other}",
    "<think>Perhaps {other}, or not.</think>\n{name}",
    "[THINK]It could be {other}.[/THINK]{letter}. {name}",
    "<reasoning>{other}?</reasoning><CONCLUSION>{name}</CONCLUSION>",
    "analysisMaybe {other}.assistantfinal{letter}. {name}",
    "<|channel|>analysis<|message|>{other}?<|end|><|start|>assistant<|channel|>final<|message|>{name}",
    "1. **Identify the Question:** what is shown.\n2. **Look.**\n\n**Final answer: {name}**",
    '{{"answer": "{name}"}}',
    "Correct answer: {letter}. {name}\nIncorrect answer: {other}",
)
CLASSES = [
    pytest.param(card.classes, place, id=f"{card.name}-{name}")
    for card in task_cards().values()
    for place, name in enumerate(card.classes)
    if len(card.classes) <= len(ascii_uppercase)
]


def test_there_are_twenty_phrasings_and_many_classes():
    assert len(set(PHRASINGS)) == 20
    assert len(CLASSES) > 100


@pytest.mark.parametrize(("classes", "place"), CLASSES)
def test_a_class_in_every_phrasing(classes, place):
    for phrasing in PHRASINGS:
        text = phrasing.format(
            name=classes[place],
            letter=ascii_uppercase[place],
            other=classes[(place + 1) % len(classes)],
        )
        found = parse_choice(text, classes)
        assert found == place, f"{text!r} reads as {None if found is None else classes[found]!r}"
