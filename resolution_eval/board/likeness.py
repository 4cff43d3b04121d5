"""Likeness: names that are spelt otherwise and look the same."""

from __future__ import annotations

import re
import unicodedata

PROJECT = "resolution-eval"
"""This project, as a submitter; others may not look like it."""
SCRIPTS = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
"""Scripts whose letters are taken for each other's; a word is of one of them."""
_ALIKE = str.maketrans(
    "АВСЕНІЈКМОРЅТХУаесԁһіјкӏмоԛѕтхуѡрпиΑΒΕΖΗΙΚΜΝΟΡΤΥΧανυοκρτωϲոսօհ01I|ℓıɑɡ",
    "ABCEHIJKMOPSTXYaecdhijklmoqstxywpnuABEZHIKMNOPTYXavuokptwcnuoholllliag",
)


def skeleton(name: str) -> str:
    """What a reader takes `name` for: letters and digits alone, those that look alike as one.

    Source: after Unicode Technical Standard 39, section 4, for the scripts above.

    Example:
        >>> skeleton("Rеsоlutіоn Eval") == skeleton("resolution-eval")
        True
    """
    plain = unicodedata.normalize("NFKC", name)
    bare = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
    same = bare.translate(_ALIKE).casefold().translate(_ALIKE)
    return "".join(character for character in same if character.isalnum())


def mixed(name: str) -> str | None:
    """The first word of `name` that mixes scripts whose letters look alike; None where none does.

    Example:
        >>> mixed("Rеsolution lab"), mixed("Лаборатория lab"), mixed("β-lactam")
        ('Rеsolution', None, None)
    """
    for word in re.findall(r"[^\W\d_]+", name):
        found = {unicodedata.name(c, "").partition(" ")[0] for c in word if c.isalpha()}
        if len(found & SCRIPTS) > 1:
            return str(word)
    return None
