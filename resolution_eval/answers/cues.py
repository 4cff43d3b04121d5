"""Cues: the words that announce an answer, as in "Answer: B", "the answer is B", "boxed{B}"."""

from __future__ import annotations

from collections.abc import Sequence

from resolution_eval.answers.words import Word


def word_set(words: str) -> frozenset[str]:
    """The words of a space-separated list."""
    return frozenset(words.split())


CUES = word_set(
    "answer answers ans option choice response conclusion diagnosis prediction assistant boxed"
    " verdict selection label class therefore conclude"
    " respuesta resposta réponse antwort risposta ответ 答案"
)
COPULAS = word_set("is are be was would should must could might es est ist è 是 为")
_ANNOUNCED = CUES | word_set("diagnoses choices options responses considerations possibilities")
_MARKS = frozenset(":={>")


# A cue with one of these before it announces what is not the answer.
_OTHERS = word_set(
    "incorrect wrong false inaccurate second secondary 2nd third 3rd differential differentials"
    " alternative alternate other another less least runner-up runner next rejected excluded"
    " eliminated discarded unlikely improbable previous earlier initial preliminary tentative"
    " distractor opposite non not possible-but common competing remaining contrary worst"
)
_BETWEEN = word_set("best most likely possible plausible correct up")


def is_other(words: Sequence[Word], i: int) -> bool:
    """Whether cue `i` announces something else than the answer ("second choice:", "incorrect
    answers:", "differential diagnosis:").
    """
    before = i - 1
    while before >= 0 and words[before].plain in _BETWEEN and not _parts(words[before].after):
        before -= 1
    return before >= 0 and words[before].plain in _OTHERS and not _parts(words[before].after)


def _parts(gap: str) -> bool:
    return bool(set(gap) & set(".,;:!?\n"))


def others(words: Sequence[Word]) -> list[Word]:
    """The words that tell of something else than the answer: from a cue of others to the end of its
    line, and the lines of a list that follow it.
    """
    told: list[Word] = []
    i = 0
    while i < len(words):
        if not (words[i].plain in _ANNOUNCED and is_other(words, i) and _announces(words, i)):
            i += 1
            continue
        while i > 0 and words[i - 1].plain in _OTHERS | _BETWEEN and not _parts(words[i - 1].after):
            i -= 1
        while i < len(words):
            told.append(words[i])
            i += 1
            if i < len(words) and _ends_others(words, i):
                break
    return told


def _announces(words: Sequence[Word], i: int) -> bool:
    """Whether what is announced at `i` follows: a colon, a copula, or a line of its own."""
    if i + 1 == len(words):
        return False
    return is_cue(words, i) or bool({":", "\n", "-"} & set(words[i].after))


def _ends_others(words: Sequence[Word], i: int) -> bool:
    """Whether a line that is no item of a list begins at `i`, or a cue of the answer is there."""
    if "\n" in words[i].before and not _continues(words, i):
        return True
    return words[i - 1].plain not in _OTHERS | _BETWEEN and is_cue(words, i)


def _continues(words: Sequence[Word], i: int) -> bool:
    """Whether the line that begins at `i` is an item of a list."""
    mark = words[i].before.rpartition("\n")[2].strip()
    numbered = words[i].key.isdecimal() and words[i].after[:1] in (".", ")")
    return "\n\n" not in words[i].before and (mark in ("-", "•", "+", "*") or numbered)


def is_cue(words: Sequence[Word], i: int) -> bool:
    """Whether word `i` announces an answer: it is followed by a colon, a brace or a copula.

    "Option B" is no cue: an explanation names options too.
    """
    if i + 1 == len(words):
        return False
    if words[i].plain == "answer's":
        return True
    if words[i].plain not in CUES:
        return False
    return bool(_MARKS & set(words[i].after)) or words[i + 1].plain in COPULAS
