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


def flamingo_prompt(text: str) -> str:
    """`text` as Flamingo reads it: behind the token of its image, up to where the answer begins.

    The answer follows after one space: ``flamingo_prompt(text) + " " + choice``.

    Example:
        >>> flamingo_prompt("Which cell is this?")
        '<image>Which cell is this?\\nAnswer:'
    """
    return f"<image>{text}\nAnswer:"
