"""Lines: where in a JSON text a value stands, for messages that name the line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')

Place = tuple[str | int, ...]


def line_at(text: str, place: Sequence[str | int]) -> int | None:
    """Line (from 1) of the value at `place` in valid JSON; of the deepest part of it that exists.

    Example:
        >>> line_at('{"cells": [\\n{"n": 1},\\n{"n": 2}]}', ("cells", 1, "n"))
        3
    """
    wanted = tuple(place)
    best, start = -1, None
    for at, offset in _values(text):
        if len(at) > best and at == wanted[: len(at)]:
            best, start = len(at), offset
            if at == wanted:
                break
    return None if start is None else text.count("\n", 0, start) + 1


def _values(text: str) -> Iterator[tuple[Place, int]]:
    """Place and offset of every value, in the order of the document."""
    path: list[str | int] = []
    naming = False
    for token in _TOKEN.finditer(text):
        word = token.group()
        if word in ("}", "]"):
            path.pop()
        elif word == ",":
            naming = isinstance(path[-1], str)
            if not naming:
                path[-1] = int(path[-1]) + 1
        elif naming and word != ":":
            path[-1] = str(json.loads(word, strict=False))
        elif word == ":":
            naming = False
            continue
        else:
            yield tuple(path), token.start()
            if word in ("{", "["):
                path.append("" if word == "{" else 0)
        naming = (naming and word == ",") or word == "{"
