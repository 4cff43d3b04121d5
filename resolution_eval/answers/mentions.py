"""Mentions: where a text names choices, as whole words, and whether each counts.

What a mention is, and which are weak, is told at the top of `choices`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from resolution_eval.answers.cues import word_set
from resolution_eval.answers.reply_text import plain
from resolution_eval.answers.words import Word, key, read_words

# May follow an answer without punctuation ("no there is none"); no article or determiner does.
REASONS = word_set("because since as due based given there it this that the these they i we")
_WEAK_WORDS = word_set("no none not true false")
_DENIALS = word_set(
    "not no nor neither never none without non absent absence cannot exclude excludes excluded"
    " excluding ruled rule rules unlikely rather instead unlike lack lacks lacking negative"
    " incorrect wrong false unable unclear unknown uncertain unsure whether if impossible"
    " difficult insufficient versus vs against except eliminate eliminates eliminated less"
    " 不 没 无 非"
)
# May stand between a denial and what it denies, within a choice that begins with one.
_INNER = 5
SENTENCE_ENDS = frozenset(".,;:!-—|([{\n。、")
PHRASE_ENDS = SENTENCE_ENDS | frozenset("?)]}<>\\")
_GRADED = ("grade", "stage", "class", "type", "category", "level", "score")
_ROMAN = {name: n for n, name in enumerate(("i", "ii", "iii", "iv", "v", "vi", "vii"), 1)}
_ARABIC = {str(n): n for n in range(9)} | {
    key(name): n
    for n, name in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")
    )
}
Phrases: TypeAlias = dict[str, list[tuple[tuple[str, ...], frozenset[int]]]]


@dataclass(frozen=True, slots=True)
class Mention:
    """Words `start` to `end` (excluded) name one of the choices that it `means`."""

    start: int
    end: int
    means: frozenset[int]
    weak: bool


def phrases_of(choices: Sequence[str], letters: str) -> Phrases:
    """Each phrase that names choices with those that it means, by its first key, longest first."""
    meanings: dict[tuple[str, ...], set[int]] = {}
    texts = [tuple(word.key for word in read_words(plain(choice))) for choice in choices]
    named = [*enumerate(texts), *((i, (letter,)) for i, letter in enumerate(letters))]
    for index, phrase in [*named, *_other_numerals(texts)]:
        if phrase:
            meanings.setdefault(phrase, set()).add(index)
    phrases: Phrases = {}
    for phrase in sorted(meanings, key=len, reverse=True):
        phrases.setdefault(phrase[0], []).append((phrase, frozenset(meanings[phrase])))
    return phrases


def _other_numerals(texts: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Grades in the numerals that the choices are not written in: "grade 2" of "grade II".

    Only where every choice ends with a numeral: then "I" is no letter and no word.
    """
    grades = [text for text in texts if text and (text[-1] in _ROMAN or text[-1] in _ARABIC)]
    if len(grades) < max(2, len(texts)):
        return
    own = set(texts)
    for index, text in enumerate(texts):
        number = _ROMAN.get(text[-1]) or _ARABIC.get(text[-1])
        spelt = [name for table in (_ROMAN, _ARABIC) for name in table if table[name] == number]
        for name in spelt:
            for lead in _leads(text[:-1]):
                if (*lead, name) not in own:
                    yield index, (*lead, name)
            if len(name) > 1 and (name,) not in own and name in _ROMAN:
                yield index, (name,)
            if name.isdecimal() and (name,) not in own and not text[:-1]:
                yield index, (name,)


def _leads(own: tuple[str, ...]) -> set[tuple[str, ...]]:
    """What may stand before a choice's numeral: its `own` words, in one or with "category" behind
    them ("BIRADS 4", "BI-RADS category 4"), or "grade" alone.
    """
    graded = [(key(word),) for word in _GRADED]
    written = {own, ("".join(own),), *((*own, *one) for one in graded)} if own else set()
    return {*written, *graded}


def mentions_in(words: Sequence[Word], phrases: Phrases) -> dict[int, Mention]:
    """The mentions that count, by their first word; of several at one word, the longest."""
    mentions: dict[int, Mention] = {}
    for start in reversed(range(len(words))):
        for phrase, means in phrases.get(words[start].key, ()):
            mention = _match(words, start, phrase, means) or _parted(
                words, start, phrase, means, mentions
            )
            if (
                mention
                and not _is_tied(words, mention, phrases)
                and (not mention.weak or _stands(words, mention, mentions))
            ):
                mentions[start] = mention
                break
    return mentions


def _match(
    words: Sequence[Word], start: int, phrase: tuple[str, ...], means: frozenset[int]
) -> Mention | None:
    """The mention of `phrase` at word `start`; None when other words are there."""
    end = start + len(phrase)
    if tuple(word.key for word in words[start:end]) != phrase:
        return None
    if len(phrase) == 1 and _numbers_a_list(words, start):
        return None
    first = words[start]
    if (
        len(phrase) > 1
        and first.plain in ("no", "without")
        and first.after.strip() not in ("", "-")
    ):
        return None  # "No, pneumonia."
    weak = len(phrase) == 1 and (is_letter(first) or first.plain in _WEAK_WORDS)
    return Mention(start, end, means, weak)


def _parted(
    words: Sequence[Word],
    start: int,
    phrase: tuple[str, ...],
    means: frozenset[int],
    mentions: Mapping[int, Mention],
) -> Mention | None:
    """The mention of a choice that begins with "no", with a few words after that: "no signs of
    diabetic retinopathy" of "no retinopathy".

    None where those words make it another of the `mentions`, which is what is denied: "no
    proliferative retinopathy" beside a choice of that name.
    """
    if len(phrase) < 2 or phrase[0] not in ("no", "without") or words[start].key != phrase[0]:
        return None
    rest = phrase[1:]
    for place in range(start + 1, min(start + 2 + _INNER, len(words) - len(rest) + 1)):
        if words[place].before.strip() not in ("", "-") or denies(words[place].plain):
            return None
        if tuple(word.key for word in words[place : place + len(rest)]) == rest:
            wider = (mentions[i].end > place for i in range(start + 1, place) if i in mentions)
            return None if any(wider) else Mention(start, place + len(rest), means, weak=False)
    return None


def _is_tied(words: Sequence[Word], mention: Mention, phrases: Phrases) -> bool:
    """Whether a mention is a part of a compound ("B-cell", "N/A", "H&E") or abbreviation ("e.g.").

    "A/B" is none when B is a letter too: it is a hedge.
    """
    gaps = []
    if mention.start > 0:
        gaps.append((words[mention.start].before, words[mention.start - 1]))
    if mention.end < len(words):
        gaps.append((words[mention.end - 1].after, words[mention.end]))
    letter = mention.weak and is_letter(words[mention.start])
    return any(
        gap == "-"
        or (letter and gap == "." and is_letter(neighbour))
        or (letter and gap in ("/", "&", "_") and neighbour.key not in phrases)
        for gap, neighbour in gaps
    )


def is_letter(word: Word) -> bool:
    return len(word.key) == 1 and word.key.isalpha()


def _numbers_a_list(words: Sequence[Word], i: int) -> bool:
    """Whether word `i` numbers a line, as in "1. First, ..."."""
    word = words[i]
    opens_line = i == 0 or "\n" in word.before
    return (
        opens_line
        and word.key.isdecimal()
        and word.after.startswith((". ", ") "))
        and "\n" not in word.after
        and i + 1 < len(words)
    )


def _stands(words: Sequence[Word], weak: Mention, mentions: Mapping[int, Mention]) -> bool:
    """Whether what follows a weak mention shows that it is an answer, not a part of a phrase."""
    word = words[weak.start]
    letter, is_article = is_letter(word), word.key in ("a", "i")
    if weak.end == len(words):
        cut_short = word.before.isspace() and not word.after.strip()
        return not (word.text in ("a", "i") and weak.start > 0 and cut_short)
    if marks_off(word.after, letter):
        return True
    following = words[weak.end].plain
    coordinated = following in ("or", "and")
    joined = mentions.get(weak.end + coordinated)
    if coordinated or "/" in word.after:
        return joined is not None
    if letter and joined:
        return not is_article or joined.weak
    return following in REASONS or (letter and following == "is")


def marks_off(gap: str, letter: bool) -> bool:
    """Whether `gap` sets off a weak mention: any mark does a letter, the end of a phrase a word."""
    marks = set(gap) - set(" \t")
    return bool(marks if letter else marks & PHRASE_ENDS)


def denies(word: str) -> bool:
    return word in _DENIALS or word.endswith("n't")
