"""Colour: none where NO_COLOR is set, or where what is written goes into a file.

lmms-eval tells its logger to write colour codes wherever it writes.
"""

from __future__ import annotations

import os
from functools import wraps
from typing import Any

from loguru import logger


def is_plain(stream: Any) -> bool:
    """Whether no colour code may be written to `stream`.

    Source: no-color.org: any value of NO_COLOR that is not empty turns colour off.
    """
    isatty = getattr(stream, "isatty", None)
    return bool(os.environ.get("NO_COLOR")) or isatty is None or not isatty()


def plain_logs() -> None:
    """Have the logger add no sink that colours where none may, whatever it is told."""
    original = logger.add
    if hasattr(original, "__wrapped__"):
        return

    @wraps(original)
    def add(sink: Any, **options: Any) -> int:
        if options.get("colorize") and is_plain(sink):
            options["colorize"] = False
        return original(sink, **options)

    logger.add = add  # type: ignore[method-assign]
