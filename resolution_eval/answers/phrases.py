"""Phrases: short answers to open questions, normalised and compared with their references.

Two answers are equal when their keys are. The key of an answer has its words in order, without

- case, punctuation, hyphens, and the articles a, an, the (unless nothing else remains);
- plurals ("lymphocytes", "metastases") and possessives;
- British and American spelling ("tumour", "oedema");
- the spelling of numbers: "3.0", "03" and "three" are 3, "1,000" is 1000, "2,5" is 2.5;
- the choice of unit: a number and its unit are one word, lengths in millimetres ("3.0 cm", "3cm"
  and "30 mm" are 30mm), volumes in millilitres, masses in grams. A number without its unit is
  another answer: 3 is not 3 cm;
- the spelling of sides: "L" and "lt" are left, "R" and "rt" right, "bilateral" is both.

A compound may be written apart: "x-ray" and "gall bladder" equal "xray" and "gallbladder".
Synonyms are not known: "MRI" is not "magnetic resonance imaging", and "fracture" shares a word
with "no fracture". An LLM judge is the place for those.

**Laterality**: left is never right. An answer that names other sides than a reference that names
any (the wrong one, or both to be safe) scores a token F1 of 0, whatever else they share: "left
lung" for "right lung" would otherwise earn 0.5 for a finding on the wrong side of the patient.
An answer that names no side is incomplete, and keeps what F1 its words earn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import groupby, zip_longest

from resolution_eval.answers.cues import COPULAS, is_cue, others, word_set
from resolution_eval.answers.reply_text import plain, reply
from resolution_eval.answers.words import Word, read_words

_ARTICLES = word_set("a an the")
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ORDINALS = {"1st": "first", "2nd": "second", "3rd": "third", "4th": "fourth", "5th": "fifth"}
_ORDINALS |= {"6th": "sixth", "7th": "seventh", "8th": "eighth", "9th": "ninth", "10th": "tenth"}
_SIDES = {"l": "left", "lt": "left", "r": "right", "rt": "right"}
_SIDES |= {"bilateral": "both", "bilaterally": "both"}
_NAMED_SIDES = {"left": {"left"}, "right": {"right"}, "both": {"left", "right"}}
_UNITS = {
    name: (unit, power)
    for unit, names in {
        "mm": {"nm": -6, "um": -3, "μm": -3, "mm": 0, "cm": 1},
        "ml": {"ul": -3, "μl": -3, "ml": 0, "cc": 0, "dl": 2, "l": 3},
        "g": {"ug": -6, "μg": -6, "mg": -3, "g": 0, "kg": 3},
        "hu": {"hu": 0},
        "%": {"%": 0, "percent": 0},
    }.items()
    for name, power in names.items()
}
"""Each unit as a power of ten of the one that its kind of quantity is compared in."""
_UNITS |= {
    prefix + stem + ending: _UNITS[symbol + unit]
    for prefix, symbol in (("nano", "n"), ("micro", "u"), ("milli", "m"), ("centi", "c"))
    for stem, unit in (("met", "m"), ("lit", "l"))
    for ending in ("er", "re", "ers", "res")
    if symbol + unit in _UNITS
}
_SHORT = 6
_CONCLUDING = word_set("conclusion diagnosis prediction response")
_CLOSING = {'"': '"', "{": "}", ">": "<"}


def final_answer(text: str) -> str:
    """The phrase of a generated `text` that answers an open question; "" when there is none.

    It is what follows the last cue ("Answer:", "the answer is"), else the reply, up to the end of
    its line or of the quotes or braces that it opens in.

    Example:
        >>> final_answer("The opacity is basal.\\nAnswer: right lower lobe\\nQuestion: Where?")
        'right lower lobe'
    """
    said = reply(text)
    words = read_words(said)
    dropped = {word.start for word in others(words)}
    cues = [i + 1 for i in range(len(words)) if is_cue(words, i) and words[i].start not in dropped]
    if cues and _stands_before(said, words, cues):
        cues = []
    start = cues[-1] if cues else 0
    while cues and start < len(words) - 1 and words[start].plain in COPULAS:
        start += 1
    if start >= len(words):
        return ""
    line = said[words[start].start :].partition("\n")[0]
    closing = _CLOSING.get(words[start].before[-1:]) if cues else None
    return line.partition(closing)[0].strip() if closing else line.strip()


def _stands_before(said: str, words: Sequence[Word], cues: Sequence[int]) -> bool:
    """Whether a short first paragraph is the answer, and all cues after it only conclude."""
    first, break_, _ = said.partition("\n\n")
    short = len(read_words(first)) <= _SHORT and bool(break_) and ":" not in first
    return short and all(words[cue - 1].plain in _CONCLUDING for cue in cues)


def normalise(text: str) -> str:
    """The comparison key of a short answer (not for display); "" when it has no word.

    Example:
        >>> normalise("The R. lung: 3.0 cm nodules") == normalise("right lung, 30mm nodule")
        True
    """
    return " ".join(_tokens(text))


def exact_match(prediction: str, reference: str) -> bool:
    """Whether the answer that a generated text gives equals `reference`; never when it gives none.

    Example:
        >>> exact_match("Answer: X-rays", "xray"), exact_match("left lung", "right lung")
        (True, False)
    """
    return _equal(_tokens(final_answer(prediction)), _tokens(reference))


def token_f1(prediction: str, reference: str) -> float:
    """Overlap of the answer's words with those of `reference`, from 0 to 1 (1 for an exact match).

    F1 = 2 P R / (P + R), with P and R the shares of the answer's and of the reference's words
    that they have in common, repeated words counted (Rajpurkar et al. 2016, arXiv:1606.05250).
    0 when they contradict in laterality.

    Example:
        >>> token_f1("right lobe", "right lower lobe"), token_f1("left lobe", "right lower lobe")
        (0.8, 0.0)
    """
    answered, expected = _tokens(final_answer(prediction)), _tokens(reference)
    if _equal(answered, expected):
        return 1.0
    sides, expected_sides = _sides(answered), _sides(expected)
    if sides and expected_sides and sides != expected_sides:
        return 0.0
    shared = (Counter(answered) & Counter(expected)).total()
    return 2 * shared / (len(answered) + len(expected)) if shared else 0.0


def _equal(answered: Sequence[str], expected: Sequence[str]) -> bool:
    """Whether two answers are equal, compounds written apart or together."""
    return bool(answered) and _compounds(answered) == _compounds(expected)


def _compounds(tokens: Sequence[str]) -> list[str]:
    """`tokens` with each run of letters-only ones joined."""
    return [
        piece
        for is_letters, run in groupby(tokens, key=str.isalpha)
        for piece in (["".join(run)] if is_letters else run)
    ]


def _sides(tokens: Sequence[str]) -> set[str]:
    """The sides of the body that `tokens` name."""
    return {side for token in tokens for side in _NAMED_SIDES.get(token, ())}


def _tokens(text: str) -> list[str]:
    tokens = list(_keys(read_words(plain(text))))
    return [token for token in tokens if token not in _ARTICLES] or tokens


def _keys(words: Sequence[Word]) -> Iterator[str]:
    """The key of each word, of a number with its unit as one."""
    number: str | None = None  # the previous word, when it is a number
    for word, following in zip_longest(words, words[1:]):
        unit = _UNITS.get(word.plain)
        if number is not None and unit:
            number = None
            continue
        number = _number(word)
        next_unit = _UNITS.get(following.plain) if following else None
        if number is None:
            yield _SIDES.get(word.plain) or _ORDINALS.get(word.plain, word.key)
        else:
            yield _quantity(number, *next_unit) if next_unit else number


def _number(word: Word) -> str | None:
    """The digits of a word that is a number, as a word or in figures; None for another word."""
    if word.plain in _NUMBERS:
        return str(_NUMBERS.index(word.plain))
    if not word.key[-1:].isdecimal():
        return None
    try:
        Decimal(word.key)
    except InvalidOperation:
        return None
    return word.key


def _quantity(value: str, unit: str, power: int) -> str:
    """A number with its unit, in the unit that its kind of quantity is compared in."""
    sign, digits, exponent = Decimal(value).as_tuple()
    assert isinstance(exponent, int)
    shifted = format(Decimal((sign, digits, exponent + power)), "f")
    return (shifted.rstrip("0").rstrip(".") if "." in shifted else shifted) + unit
