"""Reply text: the part of a text that a model says in answer, not its thinking or rambling.

A reply is what remains when

1. characters are made plain: NFKC (full-width, circled and mathematical letters, non-breaking
   spaces), one hyphen, one apostrophe, no invisible characters;
2. thinking is removed: all up to the last mark that closes it, and all from one left open.
   `THOUGHTS` and `ANSWERS` name the containers, `_CONTAINERS` how a name is marked as one;
3. the text is cut where a base language model begins to invent the next turn ("Question:",
   "<|endofchunk|>"), if something was said before;
4. of a list of boxes, some ticked and some not, the ticked ones remain;
5. where a container of an answer holds something, only the last one's content remains;
6. other tags ("<image>", "<b>") and LaTeX wrappers ("\\text") become spaces.

Every pattern is bounded, so that the time is linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_PLAIN = str.maketrans(
    dict.fromkeys("‐‑‒–−", "-")
    | dict.fromkeys("’‘ʼ`´", "'")
    | {"×": "x", "✕": "x", "⁄": "/"}
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", None)
)
THINKING = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),  # Magistral
    ("<seed:think>", "</seed:think>"),
    ("<|channel>thought", "<channel|>"),  # Gemma 4
    ("<unused94>", "<unused95>"),  # MedGemma
)
"""Tags that a prompt opens a thinking with, and that close it."""
_POWERS = re.compile("(?<=[0-9])([⁺⁻]?[⁰¹²³⁴-⁹]+)")
_FRACTION = re.compile("([0-9]{0,9})[ \u00a0]?([¼½¾⅐-⅞])")

THOUGHTS = (
    *("think", "thinking", "thought", "thoughts", "reasoning", "reason", "analysis", "analyse"),
    *("reflection", "rationale", "scratchpad", "plan", "summary", "caption", "observation"),
    *("observations", "description", "inner_monologue", "commentary", "reasoning_content"),
    *("deliberation", "scratch", "cot", "chain_of_thought", "reasoning_trace", "monologue"),
)
"""Names of containers for what is said on the way to an answer."""
ANSWERS = (
    *("answer", "final", "final_answer", "finalanswer", "conclusion", "solution", "response"),
    *("output", "result", "box", "verdict", "ans", "selection", "prediction"),
)
"""Names of containers for the answer itself."""
_NAMES = "|".join(sorted((*THOUGHTS, *ANSWERS), key=len, reverse=True))
_CONTAINERS = tuple(
    re.compile(pattern.replace("NAMES", _NAMES), re.IGNORECASE)
    for pattern in (
        r"<(?P<closes>/?)(?:seed:)?(?P<name>NAMES)>",
        r"\[(?P<closes>/?)(?P<name>NAMES)\]",
        r"◁(?P<closes>/?)(?P<name>NAMES)▷",
        r"<\|(?P<closes>/?)(?P<name>NAMES)\|>",
        r"<\|(?:begin|start|(?P<closes>end))_(?:of_)?(?P<name>NAMES)\|>",
        r"<unused9(?:4|(?P<closes>5))>(?P<name>)",  # MedGemma's thoughts
        r"<\|channel>(?P<name>thought)(?P<closes>)",  # Gemma 4's
        r"<(?P<closes>channel)\|>(?P<name>)",
        r"<\|channel\|> ?(?P<name>analysis|commentary|final)[\w .=]{0,40}"
        r"(?:<\|constrain\|>\w{1,9})?<\|message\|>(?P<closes>)",
        r"(?-i:assistant(?P<name>analysis|commentary|final))(?P<closes>)",
        r"(?-i:\A\s*(?P<name>analysis)(?=[A-Z\"*(\[]))(?P<closes>)",
    )
)
"""How names are marked as containers: tags, square brackets, special tokens, and the channels of
gpt-oss with its special tokens or, where a tokenizer left them out, without.
"""
_NEXT_TURN = re.compile(
    r"\b(?P<who>Question|QUESTION|User|USER|Human|HUMAN)[ \t]{0,3}\d{0,3}[*'\" \t]{0,3}:"
    r"|^[#* \t]{0,6}Q\d{0,3}[ \t]?:"
    r"|<\|?/?(?:endofchunk|im_end|eot_id|endoftext|end_of_turn|eos|s|end|return)\|?>",
    re.MULTILINE,
)
_NAMED_BEFORE = re.compile(
    r"(?i)(?:\b(?:the|this|that|a|an|your|my|our|each|every|given|original|main|of|about|to|on|for"
    r"|identify|understand|analy[sz]e|read|restate|interpret|consider|review|clarify|recall))"
    r"[* ]{0,6}$"
)
"""What comes before "Question:" where that is a heading of the reply itself."""
_NEAR = 40
_TICKED = re.compile(r"[ \t]{0,9}[-*+]?[ \t]{0,3}(?:\[[xX✓✔]\]|[☑✅✔✓])")
_EMPTY = re.compile(r"[ \t]{0,9}[-*+]?[ \t]{0,3}(?:\[ ?\]|[☐⬜❌✗✘])")
_TAG = re.compile(r"<\|?/?(?!answer)[\w ]{1,30}/?\|?>", re.IGNORECASE)
_LETTER = re.compile(r"[^\W_]")
_LIST_NUMBER = re.compile(r"^\s{0,9}[#*> ]{0,6}\d{1,2}[.)][* ]*")
_LATEX = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\b")


def plain(text: str) -> str:
    """`text` in NFKC with one hyphen, one apostrophe and no invisible characters.

    What NFKC would make another number is written out before: a fraction ("1½" is 1.5, not
    "11/2") and a power ("10³" is 10^3, not 103). A multiplication sign is an x.

    Example:
        >>> plain("1½ × 10³ µm")
        '1.5 x 10^3 μm'
    """
    text = _FRACTION.sub(_decimal, _POWERS.sub(r"^\1", text))
    return unicodedata.normalize("NFKC", text.translate(_PLAIN)).translate(_PLAIN)


def _decimal(match: re.Match[str]) -> str:
    value = int(match[1] or 0) + unicodedata.numeric(match[2])
    return f"{value:.4g}"


def reply(text: str) -> str:
    """The part of a generated `text` that is the model's reply; "" when there is none.

    Example:
        >>> reply("<think>adipose?</think> smooth muscle\\nQuestion: What organ? Answer: colon")
        'smooth muscle'
    """
    said = _before_next_turn(_without_thoughts(_BRACKETED.sub(r"(\1)", plain(text))))
    return _LATEX.sub(" ", _TAG.sub(" ", _answer_in(_ticked(said)))).strip()


def _ticked(text: str) -> str:
    """`text` without the lines of boxes that are empty, where another box is ticked.

    Example:
        >>> _ticked("Answer:\\n- [ ] A\\n- [x] B")
        'Answer:\\n- [x] B'
    """
    lines = text.split("\n")
    if not any(map(_TICKED.match, lines)):
        return text
    return "\n".join(line for line in lines if not _EMPTY.match(line))


def _marks(text: str) -> Iterator[tuple[int, int, bool, bool]]:
    """Each mark of a container: where it starts and ends, whether it is of an answer, and whether
    it opens.
    """
    matches = (match for pattern in _CONTAINERS for match in pattern.finditer(text))
    for match in sorted(matches, key=re.Match.start):
        yield match.start(), match.end(), match["name"].lower() in ANSWERS, not match["closes"]


_BRACKETED = re.compile(r"<{2,3} ?([A-Za-z]) ?>{2,3}")
"""A letter set off as `<<<B>>>`, which is no tag."""


def _without_thoughts(text: str) -> str:
    """`text` after the last thought that is closed, or that an answer's mark ends, and before the
    first one that is left open.
    """
    start, opened = 0, None
    for begins, ends, answers, opens in _marks(text):
        if not answers and opens:
            opened = begins if opened is None else opened
        elif not answers:
            start, opened = ends, None
        elif opens and opened is not None:
            start, opened = begins, None
    return text[start:opened] if opened is None or opened >= start else text[start:]


def _answer_in(text: str) -> str:
    """What the last container of an answer holds that holds a word; `text` where there is none."""
    opened, held = None, None
    for begins, ends, answers, opens in _marks(text):
        if opened is not None and _LETTER.search(text, opened, begins):
            held = text[opened:begins]
        opened = ends if answers and opens else None
    if opened is not None and _LETTER.search(text, opened):
        held = text[opened:]
    return text if held is None else held


def _before_next_turn(text: str) -> str:
    """`text` up to the first invented turn that follows a word; all of it when there is none."""
    untagged = _TAG.sub(lambda tag: " " * len(tag[0]), text)
    untagged = _LIST_NUMBER.sub(lambda number: " " * len(number[0]), untagged)
    first = _LETTER.search(untagged)
    if first is None:
        return text
    for turn in _NEXT_TURN.finditer(text, first.end()):
        if not turn["who"] or not _is_heading(text, turn.start("who")):
            return text[: turn.start()]
    return text


def _is_heading(text: str, place: int) -> bool:
    """Whether "Question:" at `place` ends a heading of the reply ("Identify the Question:")."""
    before = text[max(0, place - _NEAR) : place].rpartition("\n")[2]
    return _NAMED_BEFORE.search(before) is not None
