"""The order of options: fixed or seeded, the right one's place balanced, verdicts unmoved."""

from __future__ import annotations

from collections import Counter
from string import ascii_uppercase
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolution_eval.data.cards import parse_task_card, task_cards
from resolution_eval.data.sources.source import Sample
from resolution_eval.ground.errors import CardError
from resolution_eval.host import tasks
from resolution_eval.host.option_order import shown_options
from resolution_eval.host.taskfiles import card_files
from resolution_eval.host.verdicts import verdict_of

CELLS = ("basophil", "eosinophil", "lymphocyte", "monocyte", "platelet")


def samples(count: int, options: tuple[str, ...] = CELLS) -> list[Sample]:
    """Questions whose right answer is nearly always the first option."""
    return [
        Sample(
            f"s{number}",
            f"{number}.png",
            "Which cell?",
            options[0] if number % 7 else options[-1],
            options,
            f"c{number}",
            "test",
        )
        for number in range(count)
    ]


def places(shown: dict[str, tuple[str, ...]], asked: list[Sample]) -> Counter[int]:
    return Counter(shown[sample.id].index(sample.answer) for sample in asked)


def test_fixed_is_the_order_of_the_data() -> None:
    assert set(shown_options(samples(9), "fixed").values()) == {CELLS}


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 99), st.integers(2, 5))
def test_the_right_option_stands_equally_often_at_every_place(
    count: int, seed: int, several: int
) -> None:
    asked = samples(count, CELLS[:several])
    found = places(shown_options(asked, f"seeded:{seed}"), asked)
    shares = [found[place] for place in range(several)]
    assert max(shares) - min(shares) <= 1


@settings(deadline=None)
@given(st.randoms(), st.integers(0, 99))
def test_an_order_follows_from_the_seed_and_not_from_the_rows(shuffle: Any, seed: int) -> None:
    asked = samples(23)
    order = shown_options(asked, f"seeded:{seed}")
    mixed = list(asked)
    shuffle.shuffle(mixed)
    assert shown_options(mixed, f"seeded:{seed}") == order
    assert all(sorted(shown) == sorted(CELLS) for shown in order.values())
    assert order != shown_options(asked, f"seeded:{seed + 1}")


def test_questions_with_other_numbers_of_options_are_balanced_apart() -> None:
    asked = samples(10) + [
        Sample(f"y{n}", "y.png", "Is it?", "yes", ("yes", "no"), "y", "test") for n in range(8)
    ]
    asked.append(Sample("o", "o.png", "What?", "a ring", (), "o", "test", "open"))
    shown = shown_options(asked, "seeded:3")
    assert places(shown, [one for one in asked if len(one.choices) == 2]) == {0: 4, 1: 4}
    assert shown["o"] == ()


def document(options: list[str], answer: str) -> dict[str, Any]:
    return {
        "dataset": "toy",
        "sample": "q1",
        "image": "1.png",
        "resolution": "28",
        "filter": "bicubic",
        "scheme": "match",
        "question": "Which cell?",
        "choices": options,
        "form": "closed",
        "answer": answer,
        "cluster": "1.png",
        "fingerprint": "f",
        "data": "1 samples, 0 excluded",
    }


WORDINGS = ("{option}", "{letter}", "({letter})", "The answer is {letter}. {option}.")


@settings(max_examples=200, deadline=None)
@given(
    st.permutations(CELLS),
    st.sampled_from(CELLS),
    st.sampled_from(CELLS),
    st.sampled_from(WORDINGS),
)
def test_a_verdict_does_not_depend_on_the_order(
    order: list[str], answer: str, meant: str, wording: str
) -> None:
    """Said by name, or by the letter that its order gave it, an option is judged the same."""
    letter = ascii_uppercase[order.index(meant)]
    verdict, _ = verdict_of(document(order, answer), wording.format(option=meant, letter=letter))
    assert (verdict.prediction, verdict.correct) == (meant, int(meant == answer))
    assert verdict.options == tuple(order), "the order is recorded"


def test_documents_show_one_order_at_every_resolution_and_record_it() -> None:
    card = task_cards()["phantom"].model_copy(update={"option_order": "seeded:7"})
    tasks._open(card)
    orders: dict[str, set[tuple[str, ...]]] = {}
    asked = []
    for doc in tasks._documents(card):
        orders.setdefault(doc["sample"], set()).add(tuple(doc["choices"]))
        assert doc["option_order"] == "seeded:7"
        asked.append(doc["choices"].index(doc["answer"]))
        assert tasks.doc_to_text(doc).index(f"A. {doc['choices'][0]}\n")
    assert all(len(shown) == 1 for shown in orders.values())
    assert len({next(iter(shown)) for shown in orders.values()}) > 100
    assert max(Counter(asked).values()) - min(Counter(asked).values()) <= 5


@pytest.mark.parametrize("order", ["random", "seeded", "seeded:-1", "seeded:x"])
def test_another_order_is_refused(order: str) -> None:
    text = f'option_order = "{order}"\n' + card_files()["pbc_res"].read_text()
    with pytest.raises(CardError, match="option_order"):
        parse_task_card(text)
