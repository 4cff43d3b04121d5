"""Option letters: the letters that data puts before options, and what a letter stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from string import ascii_uppercase

_LETTERED = re.compile(r"^\(?([A-Z])\s*[:.)]\s*(?=\S)")


def without_letter(choice: str) -> str:
    """The choice without the letter before it, if it has one."""
    return _LETTERED.sub("", choice, count=1)


def unlettered(choices: Iterable[str]) -> tuple[str, ...]:
    """The choices without the letters that the data puts before them ("B: kidney"), where all have
    theirs: else a "C." is a part of a name.

    Example:
        >>> unlettered(["A. E. coli", "B. C. elegans"]), unlettered(["mouse", "C. elegans"])
        (('E. coli', 'C. elegans'), ('mouse', 'C. elegans'))
    """
    texts = tuple(choices)
    return tuple(map(without_letter, texts)) if has_letters(texts) else texts


def has_letters(choices: Iterable[str]) -> bool:
    """Whether each choice begins with the letter of its place."""
    marks = [_LETTERED.match(choice) for choice in choices]
    return all(mark and mark[1] == ascii_uppercase[i % 26] for i, mark in enumerate(marks))
