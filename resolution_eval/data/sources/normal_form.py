"""Normal form: the normal form in which labels, headers, options and paths are compared.

Two spellings of one thing that a person reads alike (case, composed accents, a no-break space, a
full stop at the end) must not become two classes, two images or two options.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


def normal(text: str) -> str:
    """`text` in the form that is compared: NFC, no case, single blanks, no full stop at an end.

    Example:
        >>> normal(" Benign\\u00a0 tumour.") == normal("benign tumour")
        True
        >>> normal("grade 1.5") == normal("grade 15")
        False
    """
    plain = unicodedata.normalize("NFC", text.translate(_INVISIBLE)).casefold()
    return unicodedata.normalize("NFC", " ".join(plain.split()).strip(".").strip()) or text.strip()


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
    found: dict[str, dict[str, int]] = {}
    for text in texts:
        counts = found.setdefault(normal(text), {})
        counts[text] = counts.get(text, 0) + 1
    return {form: sorted(counts, key=lambda t: (-counts[t], t)) for form, counts in found.items()}


def nearest(text: str, known: Mapping[str, str] | Iterable[str]) -> str | None:
    """The one of `known` that `text` was perhaps meant to be."""
    names = list(known)
    alike = [name for name in names if normal(name) == normal(text)]
    close = alike or get_close_matches(text, names, n=1, cutoff=0.5)
    return close[0] if close else None
