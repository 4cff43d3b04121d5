"""Choices: which of a question's choices a generated text answers, parsed strictly.

The text is cut to the model's reply (`replies`) and read as words (`words`). A *mention* is a
letter that labels a choice, or the whole text of a choice, matched as whole words, the longest
first and never in a compound ("B-cell", "pneumonia-like", "N/A"). It means a set of choices: one,
or more when choices share a text or are letters themselves. Some mentions are *weak*: a letter,
"no", "none". They count only where punctuation, the end of the text or a word such as "because"
shows that they stand as an answer: "A lymphocyte" has no letter A, "no pneumonia" no answer "no".

The answer is stated in the first of these that the reply has:

1. **a final answer**: mentions straight after the last cue ("Answer:", "the answer is", "boxed{")
   that has any. It wins over all that came before it, as in a chain of thought; only a cue that
   follows an answer at once ("Answer: B. Answer: C") goes on with it;
2. **an opening answer**: mentions straight at the start ("B. smooth muscle", "Yes, ..."); what
   follows is an explanation;
3. **a sentence of the final answer**: mentions in the line after the last cue;
4. **the whole reply**: all mentions in it.

A walk through the options ("A) adipose - no", "B: correct"), each on a line with its weight, is no
opening answer: it states the one option that it affirms.

In 1 and 2 only filler words ("it is", "option", "or") part the mentions, and a strong mention is
followed by punctuation ("lymphocytes are absent" is no opening answer). In 3 and 4 a mention in a
clause with a denial ("not", "without", "cannot", "whether", a question mark) is left out; a list
("no debris, mucus or adipose") is one clause.

What a sentence that begins with "Wait" or "Correction" says of the choices takes the place of all
before it; where it states none, what was said before stands if it is named last again.

The verdict is the one choice that every mention of that place can mean. Letter and text that
agree mean one choice; letter and text that contradict, or a hedge ("A or B"), mean none: None.
A denial never affirms: "no pneumonia" is neither "no" nor "no finding".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase

from resolution_eval.answers.cues import COPULAS, is_cue, is_other, others, word_set
from resolution_eval.answers.mentions import (
    PHRASE_ENDS,
    REASONS,
    SENTENCE_ENDS,
    Mention,
    denies,
    is_letter,
    marks_off,
    mentions_in,
    phrases_of,
)
from resolution_eval.answers.reply_text import reply
from resolution_eval.answers.words import Word, read_words

_FILLERS = COPULAS | word_set(
    "the a an it it's its this that these option choice letter answer most best likely probably"
    " definitely clearly possibly perhaps maybe either both or and i think believe say choose"
    " pick select la le el die 选 择 项"
)
# "B is correct" states an answer as "B" does, "B was considered" does not.
_CONFIRMATIONS = word_set("correct right answer best appropriate likely")
# Weigh an option in a walk through all of them.
_AFFIRMED = word_set("yes correct right true likely best fits matches")
# With a denial among them say of a choice, after a colon or in brackets, that it is not so.
_JUDGEMENTS = word_set(
    "no not none absent negative unlikely excluded ruled out false present seen visible detected"
    " observed identified evident likely very found is was it here there incorrect wrong"
)
_NEAR = 8
"""Words within which a weight of a choice, and the next one's, are looked for."""
_PREDICATES = word_set("can has have had does did were")
# Set off a letter in running text: "option B", "I would pick B".
_LEADS = word_set(
    "option choice letter answer is it's be say choose pick select with but grade stage class"
    " category type level score 选 择 项 是"
)
# Deny what follows them in their clause, not what stands before ("CT without contrast").
_FORWARD = word_set("no without non lack lacks lacking except versus vs against unlike 无")
# Between two choices weigh both and affirm neither.
_VERSUS = word_set("versus vs v")
# At the start of a sentence take back what was said before.
_TAKES_BACK = word_set("wait correction oops sorry scratch")
# Begin a clause without punctuation.
_TURNS = word_set(
    "but however while whereas although though because so therefore thus hence rather instead"
    " unlike then"
)
_CLAUSE_ENDS = frozenset(".;!?—\n。")


_OWN_MARK = re.compile(r"\A\W{0,4}A\W{0,2}:\W{0,3}(?=yes\b|no\b)", re.IGNORECASE)
_PLAIN_NO = re.compile(r"(\banswer\W{0,3}:\W{0,4})no(?= (?!choice|option|answer)\w)", re.IGNORECASE)


def parse_choice(text: str, choices: Sequence[str]) -> int | None:
    """The index of the choice that `text` answers, by its letter or its text; None: unparseable.

    Choices are lettered A to Z in their order; a 27th has no letter. A choice without a word
    ("+") has only its letter. The rules are at the top of this module.

    Example:
        >>> tissues = ["adipose", "smooth muscle", "lymphocytes"]
        >>> parse_choice("The answer is (B).", tissues)
        1
        >>> parse_choice("A lymphocyte is shown.", tissues)
        2
        >>> parse_choice("B. adipose", tissues) is None
        True
    """
    return _verdict(text, choices, letters=ascii_lowercase[: len(choices)])


def parse_yes_no(text: str) -> bool | None:
    """Whether `text` answers yes (True) or no (False), by the same rules; None: unparseable.

    Example:
        >>> parse_yes_no("Yes, there is no doubt."), parse_yes_no("There is no pneumonia.")
        (True, None)
    """
    verdict = _verdict(text, ("no", "yes"), letters="")
    return None if verdict is None else bool(verdict)


def _verdict(text: str, choices: Sequence[str], *, letters: str) -> int | None:
    words = _of_the_answer(reply(text), asks_yes_no={*map(str.lower, choices)} == {"yes", "no"})
    phrases = phrases_of(choices, letters)
    mentions = mentions_in(words, phrases)
    said, start = _said(words, mentions), _taken_back(words, mentions)
    if start is None:
        return said
    again = words[start:]
    since = _said(again, mentions_in(again, phrases))
    return said if since is None and said in mentions[max(mentions)].means else since


def _said(words: Sequence[Word], mentions: Mapping[int, Mention]) -> int | None:
    """The choice that the words answer, by the first of the places that has any."""
    stated = _final(words, mentions)
    if not stated and (weighed := _weighed(words, mentions)):
        return _common(weighed[0])
    stated = stated or _stated(words, mentions, 0)
    return _common(stated or _final_line(words, mentions) or _affirmed(words, mentions))


def _taken_back(words: Sequence[Word], mentions: Mapping[int, Mention]) -> int | None:
    """The word behind the last one that takes back what was said ("Wait, it is A.") and that a
    choice is named after; None where there is none.
    """
    for i in reversed(range(1, max(mentions, default=0))):
        if words[i].plain in _TAKES_BACK and _CLAUSE_ENDS & set(words[i].before):
            return i + 1
    return None


def _of_the_answer(said: str, *, asks_yes_no: bool) -> list[Word]:
    """The words of a reply without those that tell of other answers ("Second choice: F").

    Of yes and no, "A:" at the start is the model's own mark of its answer, not a letter; and a "no"
    straight after a cue answers, whatever it denies further ("Answer: No evidence of fluid").
    """
    if asks_yes_no:
        said = _PLAIN_NO.sub(r"\1no.", _OWN_MARK.sub("Answer: ", said))
    words = read_words(said)
    dropped = {id(word) for word in others(words)}
    return [word for word in words if id(word) not in dropped] if dropped else words


def _common(mentions: Iterable[Mention]) -> int | None:
    """The one choice that all of `mentions` can mean; None when there is none or several."""
    meanings = [mention.means for mention in mentions]
    shared = frozenset.intersection(*meanings) if meanings else frozenset[int]()
    return next(iter(shared)) if len(shared) == 1 else None


def _weighed(words: Sequence[Word], mentions: Mapping[int, Mention]) -> tuple[list[Mention]] | None:
    """The mentions that a walk through the options affirms ("A) adipose - no", "B: correct"); None
    where the reply is no such walk: from the first option on, in order, each with its weight.
    """
    starts = [i for i in sorted(mentions) if _begins_item(words, i)]
    if [_common([mentions[i]]) for i in starts] != list(range(len(starts))) or len(starts) < 2:
        return None
    ends = [*starts[1:], len(words)]
    weights = [
        words[_run_end(words, mentions, i) : end] for i, end in zip(starts, ends, strict=True)
    ]
    if starts[0] != 0 or not weights[0] or weights[0][0].plain in REASONS:
        return None
    affirmed = [i for i, end in zip(starts, ends, strict=True) if _is_affirmed(words[i:end])]
    return ([mentions[i] for i in affirmed],)


def _begins_item(words: Sequence[Word], i: int) -> bool:
    """Whether a line begins at mention `i`, or it is a letter with its weight ("A: 0.1")."""
    if i == 0 or "\n" in words[i].before:
        return True
    return is_letter(words[i]) and bool({":", "="} & set(words[i].after))


def _is_affirmed(words: Sequence[Word]) -> bool:
    """Whether the weight of an option says yes, and nothing in it says no."""
    marks = {mark for word in words for mark in word.after}
    plain = {word.plain for word in words}
    denied = any(map(denies, plain)) or bool(marks & set("✗✘❌☒"))
    return not denied and (bool(plain & _AFFIRMED) or bool(marks & set("✓✔✅☑")))


def _final(words: Sequence[Word], mentions: Mapping[int, Mention]) -> list[Mention]:
    """The mentions straight after the last cue that has any.

    A cue within what an earlier one states, as in "answer: B, option: adipose", goes on with it.
    """
    final: list[Mention] = []
    read = 0
    for i in range(len(words)):
        if i >= read and is_cue(words, i) and not is_other(words, i):
            read = _run_end(words, mentions, i + 1)
            final = _stated(words, mentions, i + 1) or final
    return final


def _run_end(words: Sequence[Word], mentions: Mapping[int, Mention], start: int) -> int:
    """The index after the mentions and fillers that follow each other from word `start` on."""
    i = start
    while i < len(words) and (i in mentions or words[i].plain in _FILLERS):
        if i > start and "?" in words[i].before:
            break
        i = mentions[i].end if i in mentions else i + 1
    return i


def _stated(words: Sequence[Word], mentions: Mapping[int, Mention], start: int) -> list[Mention]:
    """The mentions from word `start` on that only fillers part; none unless they end a phrase."""
    stated: list[Mention] = []
    for i in range(start, _run_end(words, mentions, start)):
        if i in mentions and (not stated or i >= stated[-1].end):
            stated.append(mentions[i])
    if not stated or not _ends(words, stated[-1]):
        return []
    last = stated[-1]
    if _is_judged_absent(words, last):
        return []
    near = range(last.end + 1, min(last.end + _NEAR, len(words)))
    further = (_has_share(words, mentions[i]) for i in near if i in mentions)
    return [] if _has_share(words, last) and any(further) else stated


def _has_share(words: Sequence[Word], mention: Mention) -> bool:
    """Whether a percentage, or a number from 0 to 1, follows a mention: "A: 20 %, C: 0.8"."""
    following = words[mention.end : mention.end + 2]
    if not following or not following[0].key.replace(".", "", 1).isdecimal():
        return False
    return following[-1].text == "%" or float(following[0].key) <= 1


def _is_judged_absent(words: Sequence[Word], mention: Mention) -> bool:
    """Whether all that follows a mention in its phrase says that it is not so: "pneumonia: no",
    "pneumonia (unlikely)"; "benign - no atypia" says more.
    """
    if denies(words[mention.start].plain):
        return False
    judgement: list[str] = []
    for i in range(mention.end, min(mention.end + _NEAR, len(words))):
        if set(".;,)\n") & set(words[i].before):
            break
        judgement.append(words[i].plain)
    return any(map(denies, judgement)) and _JUDGEMENTS.issuperset(judgement)


def _ends(words: Sequence[Word], mention: Mention) -> bool:
    """Whether a phrase, or a confirmation ("is the correct answer"), ends with `mention`."""
    following = [word.plain for word in words[mention.end : mention.end + 4]]
    after = set(words[mention.end - 1].after)
    if not following or "?" in after or SENTENCE_ENDS & after:
        return "?" not in after
    if following[0] in COPULAS:
        return next((w for w in following[1:] if w not in ("the", "most")), "") in _CONFIRMATIONS
    if following[0] in _PREDICATES or denies(following[0]):
        return False
    return mention.weak or bool(PHRASE_ENDS & after) or following[0] in REASONS


def _final_line(words: Sequence[Word], mentions: Mapping[int, Mention]) -> list[Mention]:
    """The affirmed mentions in the line after the last cue."""
    start = max((i + 1 for i in range(len(words)) if is_cue(words, i)), default=len(words))
    lines = (i for i in range(start + 1, len(words)) if "\n" in words[i].before)
    end = next(lines, len(words))
    return [mention for mention in _affirmed(words, mentions) if start <= mention.start < end]


def _affirmed(words: Sequence[Word], mentions: Mapping[int, Mention]) -> list[Mention]:
    """The mentions in clauses without a denial, or before one that reaches forward only."""
    affirmed: list[Mention] = []
    clause: list[Mention] = []
    ends = {mention.end - 1 for mention in mentions.values()}
    denied, closed = False, False
    i = 0
    while i < len(words):
        if i > 0 and _opens_clause(words, mentions, i):
            affirmed += [] if denied or "?" in words[i].before else clause
            clause, denied, closed = [], False, False
        joined = i > 1 and i - 2 in ends and words[i - 1].plain in ("or", "and", "nor")
        if i in mentions and (joined or _is_set_off(words, mentions[i])):
            unsaid = closed or _is_judged_absent(words, mentions[i])
            clause += [] if unsaid else [mentions[i]]
            i = mentions[i].end
        else:
            if words[i].plain == "non":
                # it reaches the next word, where only a hyphen or space parts them
                i += i + 1 < len(words) and words[i].after in ("-", " ")
            elif words[i].plain in _VERSUS and i + 1 in mentions and i - 1 in ends:
                denied = True
            elif words[i].plain in _FORWARD and clause:
                closed = True
            else:
                denied |= denies(words[i].plain)
            i += 1
    return affirmed + ([] if denied or (words and "?" in words[-1].after) else clause)


def _is_set_off(words: Sequence[Word], mention: Mention) -> bool:
    """Whether a mention is strong, or what precedes it shows that it is an answer."""
    word = words[mention.start]
    if not mention.weak or mention.start == 0:
        return True
    if is_letter(word) and words[mention.start - 1].plain in _LEADS:
        return True
    return marks_off(word.before, is_letter(word))


def _opens_clause(words: Sequence[Word], mentions: Mapping[int, Mention], i: int) -> bool:
    """Whether a clause begins at word `i`; a comma before a further item of a list begins none."""
    before = set(words[i].before)
    if _CLAUSE_ENDS & before or words[i].plain in _TURNS:
        return True
    item = i + (words[i].plain in ("or", "and", "nor"))
    return "," in before and item not in mentions
