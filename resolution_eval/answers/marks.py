"""Marks: what an answer says of the choices or in words, and whether that is right.

The one place that decides so: a run's verdicts and the leaderboard's re-scoring both ask it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from resolution_eval.answers.choices import parse_choice
from resolution_eval.answers.phrases import exact_match, final_answer, normalise, token_f1


@dataclass(frozen=True)
class AnswerMark:
    """What one answer is worth. A sample that failed has no answer, and so no mark."""

    prediction: str | None
    """The choice, or without choices the normalised phrase; None where nothing can be read."""
    correct: Literal[0, 1]
    """Exact match where there are no choices. An answer that cannot be read is wrong."""
    f1: float | None
    """Token F1 with the target, of an open question; None of a closed one."""


def judge(
    answer: str | None,
    scores: Sequence[float] | None,
    choices: Sequence[str],
    target: str,
    form: Literal["closed", "open"],
) -> AnswerMark:
    """The mark of an answer to a question of `form` with `choices` and the right answer `target`.

    Where choices were ranked, their `scores` decide, the first of equals, and the text does not.

    Example:
        >>> judge("B", None, ["benign", "malignant"], "malignant", "closed").correct
        1
        >>> judge("B", [-0.1, -2.0], ["benign", "malignant"], "malignant", "closed").prediction
        'benign'

    Raises:
        ValueError: there is not one finite score for every choice.
    """
    f1 = token_f1(answer or "", target) if form == "open" else None
    if not choices:
        prediction = None if answer is None else normalise(final_answer(answer)) or None
        return AnswerMark(prediction, 1 if answer and exact_match(answer, target) else 0, f1)
    prediction = _choice(answer, scores, choices)
    return AnswerMark(prediction, 1 if prediction == target else 0, f1)


def _choice(
    answer: str | None, scores: Sequence[float] | None, choices: Sequence[str]
) -> str | None:
    """The choice ranked first, or said in `answer`; None where none is said."""
    if scores is not None:
        if len(scores) != len(choices) or not all(map(math.isfinite, scores)):
            raise ValueError(f"{len(choices)} choices need as many finite scores, found {scores}")
        return choices[max(range(len(scores)), key=scores.__getitem__)]
    said = None if answer is None else parse_choice(answer, choices)
    return None if said is None else choices[said]
