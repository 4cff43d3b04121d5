"""Likeness: texts that do not read as they are: characters that hide, names that look the same."""

from __future__ import annotations

import re
import unicodedata

from resolution_eval.ground.errors import unseen

SCRIPTS = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
"""Scripts whose letters are taken for each other's; a word is of one of them."""
_ALIKE = str.maketrans(
    "АВСЕНІЈКМОРЅТХУаесԁһіјкӏмоԛѕтхуѡрпиΑΒΕΖΗΙΚΜΝΟΡΤΥΧανυοκρτωϲոսօհ01I|ℓıɑɡ",
    "ABCEHIJKMOPSTXYaecdhijklmoqstxywpnuABEZHIKMNOPTYXavuokptwcnuoholllliag",
)


def hostile(text: str, longest: int) -> str | None:
    """Why `text` is not shown as it is: too long, or a character that hides or reorders others."""
    if len(text) > longest:
        return f"{len(text)} characters; at most {longest}"
    bad = [c for c in text if c not in "\n\t" and unseen(c)]
    return f"holds U+{ord(bad[0]):04X}, which is not shown" if bad else None


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
        scripts = {unicodedata.name(c, "").partition(" ")[0] for c in word if c.isalpha()}
        if len(scripts & SCRIPTS) > 1:
            return str(word)
    return None
