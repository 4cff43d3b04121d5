"""Compression of a text against an earlier one that it is much like."""

from __future__ import annotations

import zlib

LEVEL = 6


def compressed(text: str, like: bytes) -> bytes:
    """The text in few bytes, from which `restored` makes it with the same `like`.

    Half a character, which a server may have cut, is kept.

    Example:
        >>> like = b"all of the same words, and one number: 1"
        >>> short = compressed("all of the same words, and one number: 2", like)
        >>> len(short) < 20, restored(short, like)
        (True, 'all of the same words, and one number: 2')
    """
    machine = zlib.compressobj(LEVEL, zdict=like)
    return machine.compress(text.encode("utf-8", "surrogatepass")) + machine.flush()


def restored(data: bytes, like: bytes) -> str:
    """The text that was compressed."""
    return zlib.decompressobj(zdict=like).decompress(data).decode("utf-8", "surrogatepass")
