"""Characters: whether what a stranger's record says can be shown as it is."""

from __future__ import annotations

from resolution_eval.ground.errors import unseen

MAX_NAME = 500
"""Longest text of an answer's row, the answer itself excepted."""


def hostile(text: str, longest: int) -> str | None:
    """Why `text` is not shown as it is: too long, or a character that hides or reorders others."""
    if len(text) > longest:
        return f"{len(text)} characters; at most {longest}"
    bad = [c for c in text if c not in "\n\t" and unseen(c)]
    return f"holds U+{ord(bad[0]):04X}, which is not shown" if bad else None
