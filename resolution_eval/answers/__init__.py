"""Answers: what a generated text says, as one of the choices, as yes or no, or as a short phrase.

    judge           what an answer is worth: what it says, whether that is right, token F1
    parse_choice    the choice that a text answers, by letter or by text; None when unparseable
    parse_yes_no    the same for yes and no
    normalise       a short open answer as its comparison key
    exact_match     whether an open answer equals its reference
    token_f1        how much of an open answer and its reference overlap, from 0 to 1
    final_answer    the phrase of a generated text that answers an open question
    reply           the part of a generated text that is the model's reply

Parsing is strict on purpose: a guess here would be reported as the model's accuracy. An answer that
is not understood is None, which the caller scores wrong and counts in the unparseable rate.
"""

from resolution_eval.answers.choices import parse_choice, parse_yes_no
from resolution_eval.answers.marks import AnswerMark, judge
from resolution_eval.answers.phrases import exact_match, final_answer, normalise, token_f1
from resolution_eval.answers.reply_text import reply

__all__ = [
    "AnswerMark",
    "exact_match",
    "final_answer",
    "judge",
    "normalise",
    "parse_choice",
    "parse_yes_no",
    "reply",
    "token_f1",
]
