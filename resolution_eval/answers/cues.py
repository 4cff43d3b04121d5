"""Cues: the words that announce an answer, as in "Answer: B", "the answer is B", "boxed{B}"."""

from __future__ import annotations

from collections.abc import Sequence

from resolution_eval.answers.words import Word


def word_set(words: str) -> frozenset[str]:
    """The words of a space-separated list."""
    return frozenset(words.split())


CUES = word_set(
    "answer answers ans option choice response conclusion diagnosis prediction assistant boxed"
    " respuesta resposta réponse antwort risposta ответ 答案"
)
COPULAS = word_set("is are be was would should must could might es est ist è 是 为")
_MARKS = frozenset(":={>")


def is_cue(words: Sequence[Word], i: int) -> bool:
    """Whether word `i` announces an answer: it is followed by a colon, a brace or a copula.

    "Option B" is no cue: an explanation names options too.
    """
    if words[i].plain not in CUES or i + 1 == len(words):
        return False
    return bool(_MARKS & set(words[i].after)) or words[i + 1].plain in COPULAS
