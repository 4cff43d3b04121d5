"""Replies: the part of a generated text that a model says in answer, not its thinking or rambling.

A reply is what remains when

1. characters are made plain: NFKC (full-width, circled and mathematical letters, non-breaking
   spaces), one hyphen, one apostrophe, no invisible characters;
2. thinking is removed: all up to the last closing tag, and all from an opening tag left open;
3. the text is cut where a base language model begins to invent the next turn ("Question:",
   "<|endofchunk|>"), if something was said before;
4. other tags ("<image>", "<b>") and LaTeX wrappers ("\\text") become spaces.

Every pattern is bounded, so that the time is linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata

_PLAIN = str.maketrans(
    dict.fromkeys("‐‑‒–−", "-")
    | dict.fromkeys("’‘ʼ`´", "'")
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
"""Tags that a thinking opens and closes with."""
_NEXT_TURN = re.compile(
    r"\b(?:Question|QUESTION|User|USER|Human|HUMAN)[ \t]{0,3}\d{0,3}[*'\" \t]{0,3}:"
    r"|^[#* \t]{0,6}Q\d{0,3}[ \t]?:"
    r"|<\|?/?(?:endofchunk|im_end|eot_id|endoftext|end_of_turn|eos|s|end)\|?>",
    re.MULTILINE,
)
_TAG = re.compile(r"<\|?/?(?!answer)[\w ]{1,30}/?\|?>", re.IGNORECASE)
_LETTER = re.compile(r"[^\W_]")
_LATEX = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\b")


def plain(text: str) -> str:
    """`text` in NFKC with one hyphen, one apostrophe and no invisible characters."""
    return unicodedata.normalize("NFKC", text.translate(_PLAIN)).translate(_PLAIN)


def reply(text: str) -> str:
    """The part of a generated `text` that is the model's reply; "" when there is none.

    Example:
        >>> reply("<think>adipose?</think> smooth muscle\\nQuestion: What organ? Answer: colon")
        'smooth muscle'
    """
    said = plain(text)
    for opening, closing in THINKING:
        said = said.rpartition(closing)[2].partition(opening)[0]
    said = _before_next_turn(said)
    return _LATEX.sub(" ", _TAG.sub(" ", said)).strip()


def _before_next_turn(text: str) -> str:
    """`text` up to the first invented turn that follows a word; all of it when there is none."""
    untagged = _TAG.sub(lambda tag: " " * len(tag[0]), text)
    first = _LETTER.search(untagged)
    turn = _NEXT_TURN.search(text, first.end()) if first else None
    return text[: turn.start()] if turn else text
