"""Words: a text as a sequence of words, each with the characters that part it from its neighbours.

Words are compared by a key that ignores case, British and American spelling ("tumour", "oedema",
"fibre", "localised", "grey"), English and Latin plurals ("nodes", "metastases", "vertebrae",
"bronchi"), a possessive 's, and how a number is written ("3.0", "1,000").
A hyphen parts words as a space does, a number is parted from its unit, and each CJK character is
a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

# NFKC writes the micro sign as Greek mu
_UNIT = r"(?:nm|um|μm|mm|cm|ml|μl|ul|dl|l|cc|mg|μg|ug|kg|g|hu)"
_CJK = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_NUMBER = r"(?:(?<![\w.)])[-+])?(?:\d+(?:[.,]\d+)*|(?<![\w.])\.\d+)"
_WORD = re.compile(
    rf"{_NUMBER}(?={_UNIT}\b)|{_NUMBER}(?![^\W{_CJK}])|答案|[{_CJK}]"
    rf"|[^\W_{_CJK}]+(?:'[^\W_{_CJK}]+)*|[<>≤≥](?=\s?\d)|(?<=[^\W_])\+|%",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DECIMAL = re.compile(r"[-+]?\d*(?:[.,]\d+)?")
_SPELLINGS = (
    (re.compile(r"[ao]e(?=[a-z])"), "e"),
    (re.compile(r"our(?=(?:s|ed|ing|less|al|ally)?$)"), "or"),
    (re.compile(r"(?<=[bcdfgkptv])re(?=s?$)"), "er"),
    (re.compile(r"is(?=(?:es?|ed|ing|ations?)$)"), "iz"),
    (re.compile(r"^grey"), "gray"),
)
"""British forms and the American ones that they are compared as; in words of five letters or more,
and in "grey".
"""
_LONGEST_NUMBER = 24  # digits; a longer one keeps its spelling (Decimal would round it)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text."""

    text: str
    """As written."""
    plain: str
    """Without case."""
    key: str
    """Equal for words that mean the same here."""
    start: int
    """Offset of its first character in the text."""
    before: str
    """Characters between the previous word, or the start of the text, and this one."""
    after: str
    """Characters between this word and the next, or the end of the text."""


def read_words(text: str) -> list[Word]:
    """The words of `text` (already made plain: see `replies.plain`), in order.

    Example:
        >>> [word.key for word in read_words("Non-calcified NODES, 3.0cm")]
        ['non', 'calcified', 'nod', '3', 'cm']
    """
    matches = list(_WORD.finditer(text))
    ends = [0, *(match.end() for match in matches)]
    starts = [*(match.start() for match in matches), len(text)]
    return [
        _word(match[0], match.start(), text[ends[i] : starts[i]], text[ends[i + 1] : starts[i + 1]])
        for i, match in enumerate(matches)
    ]


def _word(text: str, start: int, before: str, after: str) -> Word:
    lower = text.casefold()
    return Word(text, lower, key(lower), start, before, after)


def key(word: str) -> str:
    """The form of one lower-case `word` in which a number and a word have one spelling, and a
    plural none.

    The form is for comparison only: it is not always a word.

    Example:
        >>> key("metastases") == key("metastasis"), key("ileum") == key("ileus"), key("1,000")
        (True, False, '1000')
        >>> key("tumours") == key("tumor"), key("haemorrhage") == key("hemorrhage")
        (True, True)
    """
    if any(character.isdecimal() for character in word):
        return number(word)
    word = word.removesuffix("'s")
    if len(word) <= 3:
        return word
    for british, american in _SPELLINGS if len(word) > 4 or word == "grey" else ():
        word = british.sub(american, word)
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    word = word.removesuffix("e")
    for ending, shared in (("us", ""), ("um", "a"), ("is", ""), ("i", "")):
        if word.endswith(ending):
            return word[: -len(ending)] + shared
    return word


def number(text: str) -> str:
    """The shortest spelling of a number ("3.0" and "3,0" as "3"); any other text as it is.

    A comma before exactly three digits parts thousands; any other comma is a decimal one.
    """
    if len(text) > _LONGEST_NUMBER:
        return text
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if not _DECIMAL.fullmatch(text):
        return text
    digits = format(Decimal(text.replace(",", ".")), "f")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits).removesuffix("-0") or "0"
