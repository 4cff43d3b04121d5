"""Reply texts in bytes: adapters owe lmms-eval all of a run's replies at once.

A reply is a line of a thousand characters, nearly all of them those of the first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from resolution_eval.host.compression import compressed, restored

_FIRST: list[bytes] = [b""]
"""The first text of every run; what is folded names it by its number."""
_latest: tuple[str, bytes] = ("", b"")
"""What was unfolded last: who keeps it need not fold it anew."""


def begin_replies() -> None:
    """What is folded from now on is alike among itself, and like nothing before."""
    _FIRST.append(b"")


def fold(text: str) -> bytes:
    """The text as bytes, the same object where it was unfolded just now."""
    known, folded = _latest
    if text is known or not text:
        return folded if text else b""
    _FIRST[-1] = _FIRST[-1] or text.encode("utf-8", "surrogatepass")
    return (len(_FIRST) - 1).to_bytes(4, "big") + compressed(text, _FIRST[-1])


def unfold(data: bytes) -> str:
    """The text that was folded."""
    global _latest
    if not data:
        return ""
    text = restored(data[4:], _FIRST[int.from_bytes(data[:4], "big")])
    _latest = (text, data)
    return text


class FoldedReplies(list[Any]):
    """A list of texts that holds bytes, and unfolds each when it is asked for.

    Example:
        >>> replies = FoldedReplies(["yes", ""])
        >>> replies[1] = "no"
        >>> list(replies), replies[0], replies == ["yes", "no"]
        (['yes', 'no'], 'yes', True)
    """

    __slots__ = ()

    def __init__(self, texts: Iterable[str]) -> None:
        super().__init__(map(fold, texts))

    def append(self, text: Any) -> None:
        super().append(fold(text))

    def __setitem__(self, place: Any, text: Any) -> None:
        super().__setitem__(place, fold(text))

    def __getitem__(self, place: Any) -> Any:
        kept = super().__getitem__(place)
        return list(map(unfold, kept)) if isinstance(place, slice) else unfold(kept)

    def __iter__(self) -> Iterator[str]:
        return map(unfold, super().__iter__())

    def __reversed__(self) -> Iterator[str]:
        return iter(list(self)[::-1])

    def __contains__(self, text: object) -> bool:
        return text in list(self)

    def __add__(self, other: Any) -> Any:
        return [*self, *other]

    def pop(self, place: Any = -1) -> str:
        return unfold(super().pop(place))

    def __eq__(self, other: object) -> bool:
        return list(self) == other

    def __ne__(self, other: object) -> bool:
        return list(self) != other

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)

    __hash__ = None
