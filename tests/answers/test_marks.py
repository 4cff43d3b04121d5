"""Marks: one answer's prediction, whether it is right, and F1, against a plain reading of each."""

from __future__ import annotations

import pytest

from resolution_eval.answers import AnswerMark, judge

CELLS = ("monocyte", "platelet", "basophil")


@pytest.mark.parametrize(
    ("answer", "scores", "mark"),
    [
        ("B", None, AnswerMark("platelet", 1, None)),
        ("basophil", None, AnswerMark("basophil", 0, None)),
        ("A or B", None, AnswerMark(None, 0, None)),
        ("", None, AnswerMark(None, 0, None)),
        (None, None, AnswerMark(None, 0, None)),
        ("monocyte", (-3.0, -1.0, -2.0), AnswerMark("platelet", 1, None)),
        (None, (-1.0, -3.0, -2.0), AnswerMark("monocyte", 0, None)),
        ("platelet", (-1.0, -1.0, -2.0), AnswerMark("monocyte", 0, None)),
    ],
)
def test_a_closed_answer_is_the_choice_ranked_first_or_said(answer, scores, mark) -> None:
    assert judge(answer, scores, CELLS, "platelet", "closed") == mark


def test_the_choice_follows_the_order_shown() -> None:
    scores = (-3.0, -1.0, -2.0)
    assert judge(None, scores, CELLS, "basophil", "closed").correct == 0
    assert judge(None, scores, (CELLS[1], CELLS[2], CELLS[0]), "basophil", "closed").correct == 1


@pytest.mark.parametrize(
    ("answer", "prediction", "correct", "f1"),
    [
        ("Left lung.", "left lung", 1, 1.0),
        ("lung", "lung", 0, 2 / 3),
        ("", None, 0, 0.0),
        (None, None, 0, 0.0),
    ],
)
def test_an_open_answer_is_its_phrase(answer, prediction, correct, f1) -> None:
    mark = judge(answer, None, (), "left lung", "open")
    assert (mark.prediction, mark.correct) == (prediction, correct)
    assert mark.f1 == pytest.approx(f1)


def test_a_closed_question_without_choices_has_exact_match_and_no_f1() -> None:
    assert judge("The answer is 3.", None, (), "3", "closed") == AnswerMark("3", 1, None)


@pytest.mark.parametrize("scores", [(), (-1.0, -2.0), (-1.0, float("nan"), -2.0)])
def test_scores_that_rank_nothing_are_refused(scores) -> None:
    with pytest.raises(ValueError, match="3 choices need as many finite scores"):
        judge("platelet", scores, CELLS, "platelet", "closed")
