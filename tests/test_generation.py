"""How an answer is written: as asked, or refused; nothing that is asked is passed over unseen."""

from __future__ import annotations

from typing import Any

import pytest

from resolution_eval.answers.generation import Generation, cut, generation
from resolution_eval.ground.errors import UsageError

SAMPLED = {"do_sample": True}


def test_the_tasks_own_arguments_are_greedy() -> None:
    given = {"max_new_tokens": 64, "do_sample": False, "until": ["\nQuestion:"]}
    assert generation(given, ours=True) == Generation(until=("\nQuestion:",))
    assert generation({"until": "end"}, ours=True).until == ("end",)
    assert generation({}, ours=True).sampling == {}


def test_what_is_asked_of_sampling_is_done() -> None:
    asked = generation({**SAMPLED, "temperature": 0.7, "top_p": 0.9}, ours=True)
    assert asked.sampling == {"temperature": 0.7, "top_p": 0.9, "top_k": 0}
    assert generation(SAMPLED, ours=True).sampling["temperature"] == 1.0


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"top_k": 5}, "no argument 'top_k'; did you mean 'top_p'"),
        ({"temperature": 0.7}, "temperature=0.7 does nothing without sampling"),
        ({"top_p": 0.5}, "top_p=0.5 does nothing without sampling"),
        ({**SAMPLED, "temperature": 0}, "temperature: Input should be greater than 0"),
        ({**SAMPLED, "top_p": 0}, "top_p: Input should be greater than 0"),
        ({**SAMPLED, "top_p": 1.5}, "top_p: Input should be less than or equal to 1"),
        ({**SAMPLED, "temperature": float("nan")}, "temperature"),
        ({"max_new_tokens": 0}, "max_new_tokens: Input should be greater than or equal to 1"),
        ({"max_new_tokens": 8.5}, "max_new_tokens: Input should be a valid integer"),
        ({"num_beams": 0}, "num_beams"),
        ({"do_sample": "perhaps"}, "do_sample"),
    ],
)
def test_what_is_impossible_or_would_do_nothing_is_refused(
    given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=f"--gen_kwargs: .*{complaint}"):
        generation(given, ours=True)


def test_a_task_of_the_hosts_own_may_say_what_is_for_other_models() -> None:
    given = {"image_aspect_ratio": "pad", "temperature": 0.2, "top_p": None, "max_new_tokens": 4}
    assert generation(given, ours=False) == Generation(max_new_tokens=4)
    with pytest.raises(UsageError, match="greater than 0"):
        generation({**SAMPLED, "temperature": 0}, ours=False)


def test_zero_without_sampling_is_greedy() -> None:
    assert generation({"temperature": 0, "top_p": 1}, ours=True) == Generation()


@pytest.mark.parametrize(
    ("until", "left"), [((), "a, b. c"), ((".", ","), "a"), (("", "b"), "a, "), (("z",), "a, b. c")]
)
def test_an_answer_ends_before_the_first_of_its_ends(until: tuple[str, ...], left: str) -> None:
    assert cut("a, b. c", until) == left
