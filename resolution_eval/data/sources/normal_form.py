"""Normal form: the normal form in which labels, headers, options and paths are compared.

Two spellings of one thing that a person reads alike (case, composed accents, a no-break space, a
full stop at the end, another hyphen or apostrophe, an underscore, a letter of another alphabet,
"1.0" for "1") must not become two classes, two images or two options.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache

_ALIKE = (
    dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\ufe63"), "-")
    | dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4`"), "'")
    | dict.fromkeys(map(ord, "\u201c\u201d"), '"')
    | {full: chr(full - 0xFEE0) for full in range(0xFF01, 0xFF5F)}
    | {one: unicodedata.normalize("NFKC", chr(one)) for one in range(0x2160, 0x2180)}
)
"""Hyphens, apostrophes, quotes, full-width letters and Roman numerals of one character, to the
plain ones."""
_TWINS = str.maketrans("аеорсухіјѕο", "aeopcyxijso")
"""Letters, Cyrillic and Greek, that look like Latin ones."""
_MIXED = re.compile(r"[^\W\d_]{2,}")
_UNDERSCORE = re.compile(r"(?<=[^\W_])_+(?=[^\W_])")
_WHOLE = re.compile(r"0*(\d+)(?:\.0+)?", re.ASCII)
_INVISIBLE = dict.fromkeys(
    (
        *(0x00AD, 0x034F, 0x061C, 0xFEFF, *range(0x180B, 0x180F), *range(0x200B, 0x2010)),
        *(*range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10)),
        *(*range(0x09), *range(0x0E, 0x1C), 0x7F),
    )
)
"""Soft hyphens, joiners, marks of direction and of variants, and control characters but blanks."""


@lru_cache(maxsize=65_536)
def normal(text: str) -> str:
    """`text` in the form that is compared: NFC, no case, single blanks, no full stop at an end.

    Example:
        >>> normal(" Benign\\u00a0 tumour.") == normal("benign tumour")
        True
        >>> normal("grade 1.5") == normal("grade 15")
        False
        >>> normal("T\\u2011cell_1") == normal("t-cell 1"), normal("1.0") == normal("01")
        (True, True)
    """
    text = text.translate(_INVISIBLE).translate(_ALIKE)
    plain = unicodedata.normalize("NFC", _UNDERSCORE.sub(" ", text)).casefold()
    plain = _MIXED.sub(_one_alphabet, plain)
    if number := _WHOLE.fullmatch(plain.strip()):
        return number[1]
    return unicodedata.normalize("NFC", " ".join(plain.split()).strip(".").strip()) or text.strip()


def _one_alphabet(word: re.Match[str]) -> str:
    """A word of Latin letters with twins from other alphabets among them, in Latin."""
    latin = word[0].translate(_TWINS)
    mixed = latin != word[0] and any("a" <= letter <= "z" for letter in word[0])
    return latin if mixed and latin.isascii() else word[0]


def matching(text: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `text` is, letter for letter, else in normal form; none where none is
    or several are.
    """
    names = list(known)
    if text in names:
        return text
    same = [name for name in names if normal(name) == normal(text)]
    return same[0] if len(same) == 1 else None


def spellings(texts: Iterable[str]) -> dict[str, list[str]]:
    """Normal form to the different spellings of it in `texts`, the most frequent first."""
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        forms[normal(text)][text] += 1
    return {form: sorted(counts, key=lambda t: (-counts[t], t)) for form, counts in forms.items()}


def nearest(text: str, known: Mapping[str, str] | Iterable[str]) -> str | None:
    """The one of `known` that `text` was perhaps meant to be."""
    names = list(known)
    alike = [name for name in names if normal(name) == normal(text)]
    close = alike or get_close_matches(text, names, n=1, cutoff=0.5)
    return close[0] if close else None
