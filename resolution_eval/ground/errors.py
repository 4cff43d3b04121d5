"""The errors that a user can cause, each saying what was found, what was needed and what to do.

ResolutionEvalError
├── UsageError      an argument that is unknown, impossible or contradictory
├── CardError       a task or model card that breaks its schema
├── DataError       a data set that is absent, incomplete or inconsistent
├── ImageError      one image that cannot be decoded: its sample fails, the run goes on
├── ModelError      a checkpoint or package that is absent or does not fit
├── RecordError     results that cannot be read, or do not follow from their own samples
└── PublishError    a hub or a git repository that refused what was published
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path


class ResolutionEvalError(Exception):
    """Base of every error that the commands show without a traceback."""


class UsageError(ResolutionEvalError, ValueError):
    """An argument is unknown, impossible or contradicts another."""


class CardError(ResolutionEvalError, ValueError):
    """A card (TOML) breaks its schema."""


class DataError(ResolutionEvalError):
    """A data set is absent, incomplete or inconsistent."""


class ImageError(ResolutionEvalError):
    """One image cannot be decoded."""


class ModelError(ResolutionEvalError):
    """A checkpoint, or a package it needs, is absent or does not fit."""


class RecordError(ResolutionEvalError):
    """Results cannot be read, or do not follow from their own samples."""


class PublishError(ResolutionEvalError):
    """A hub or a git repository refused what was published."""


def suggest(name: str, options: Iterable[str]) -> str:
    """Advice for a name that is not among `options`.

    Example:
        >>> suggest("bicubik", ["bicubic", "box"])
        "did you mean 'bicubic'?"
        >>> suggest("qwen2_5", ["qwen2_5_vl", "qwen3_5"])
        "did you mean 'qwen2_5_vl'?"
    """
    names = sorted(options)
    begun = [each for each in names if name and each.startswith(name)]
    close = get_close_matches(name, begun, n=1, cutoff=0.6) or get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"choose from {names}"


UNSHOWN = ("Cc", "Cf", "Cs", "Cn")
"""Unicode's categories of characters that are not shown, or that move others: control, format
(bidi, zero-width), surrogate, unassigned."""


_IGNORED = (
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810)),
    *(*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x2800, 0x3164),
    *(*range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFF9)),
    *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
)
"""Characters that Unicode lists as ignorable where they are not known (letters and marks among
them), and the blank pattern of Braille."""
_INVISIBLE = frozenset(map(chr, _IGNORED))


def unseen(character: str) -> bool:
    """Whether a character is not shown, or moves others.

    Example:
        >>> [unseen(c) for c in ("a", "é", "\u202e", "\u3164")]
        [False, False, True, True]
    """
    return unicodedata.category(character) in UNSHOWN or character in _INVISIBLE


def visible(text: str) -> str:
    """`text` with every character that is not shown, or that moves others, as its escape.

    A message may quote the stranger's text that it refuses, and a terminal obeys escapes.

    Example:
        >>> visible("a\\u202eb\\x1b[31m")
        'a\\\\u202eb\\\\x1b[31m'
    """
    return "".join(ascii(c)[1:-1] if c != "\n" and unseen(c) else c for c in text)


def printable() -> None:
    """Have the standard streams print what they cannot encode as its escape, not end the program:
    a terminal in latin-1, cp1252 or ASCII loses a sign, and never a result.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and getattr(stream, "errors", "") in ("strict", None):
            reconfigure(errors="backslashreplace")


def refuse_misspelled(what: str, name: str, ours: Iterable[str]) -> None:
    """Raise UsageError of a name nearly one of `ours`; any other is for lmms-eval to know."""
    names = sorted(ours)
    close = [] if name in names else get_close_matches(name, names, n=1, cutoff=0.8)
    if close:
        raise UsageError(f"there is no {what} {name!r}; did you mean {close[0]!r}?")


def output_folder(path: Path) -> Path:
    """`path`, made where it is missing, before hours of work are to be written there.

    Raises:
        UsageError: it is a file, or cannot be made or written.
    """
    advice = "name a folder that can be written"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be a folder ({error.strerror}); {advice}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{path} cannot be written; {advice}")
    return path


@contextmanager
def host_boundary() -> Iterator[None]:
    """Turn our errors into an exit with one message, at the edge towards lmms-eval.

    lmms-eval retries a task's loading five times, prints a traceback for every exception and then
    exits with status 0; `SystemExit` passes through all three.
    """
    try:
        yield
    except ResolutionEvalError as error:
        raise SystemExit(visible(f"resolution-eval: {error}")) from error
