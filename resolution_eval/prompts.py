"""The text that a model is asked with: one wording for every task, and Flamingo's form of it."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

INSTRUCTION = "Answer with the letter or the name of one option."
OPEN_INSTRUCTION = "Answer with one word or a short phrase."


def question_text(question: str, choices: Sequence[str]) -> str:
    """The question, its options on lines of their own behind letters, and how to answer.

    Without choices it is the question and how to answer. Options beyond the 26th carry no letter.

    Example:
        >>> print(question_text("Which cell is this?", ["monocyte", "platelet"]))
        Which cell is this?
        A. monocyte
        B. platelet
        Answer with the letter or the name of one option.
    """
    if not choices:
        return f"{question}\n{OPEN_INSTRUCTION}"
    letters = [f"{letter}. " for letter in ascii_uppercase]
    letters += [""] * (len(choices) - len(letters))
    options = (letter + choice for letter, choice in zip(letters, choices, strict=False))
    return "\n".join((question, *options, INSTRUCTION))


def flamingo_prompt(text: str, *, demonstrations: Sequence[tuple[str, str]] = ()) -> str:
    """`text` as Flamingo reads it: behind the token of its image, up to where the answer begins.

    The answer follows after one space: ``flamingo_prompt(text) + " " + choice``. Demonstrations
    (question, answer) go before it, each behind an image's token of its own and closed by the token
    that Flamingo was trained to see between one image's text and the next.

    Source: Awadalla et al. 2023, arXiv:2308.01390, and its evaluation code.

    Example:
        >>> flamingo_prompt("Which cell is this?")
        '<image>Which cell is this?\\nAnswer:'
        >>> flamingo_prompt("And this?", demonstrations=[("This?", "a ring")])
        '<image>This?\\nAnswer: a ring<|endofchunk|><image>And this?\\nAnswer:'
    """
    shown = "".join(
        f"<image>{question}\nAnswer: {answer}<|endofchunk|>" for question, answer in demonstrations
    )
    return f"{shown}<image>{text}\nAnswer:"
