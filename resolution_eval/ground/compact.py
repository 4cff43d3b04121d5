"""Compact lists: they hold their items as bytes, and make each anew when it is asked for.

What a run keeps of every sample until it writes them (replies, verdicts, whole lines) is alike from
sample to sample: compressed against the first of its kind it takes a tenth of its objects' memory.
"""

from __future__ import annotations

import pickle
import zlib
from collections import defaultdict
from collections.abc import Iterable, MutableSequence, Sequence
from typing import Any, overload

WORTH = 160
"""Bytes from which an item is compressed: a shorter one gains less than the header takes."""
LEVEL = 3
REMEMBERED = 4096
"""Different items that are kept as one object for all who hold an equal one."""


class Held(bytes):
    """An item as bytes, by a codec."""

    __slots__ = ()


class Codec:
    """Items to bytes and back, exactly, the later ones compressed against the first."""

    def __init__(self, pattern: bytes | None = None) -> None:
        self._pattern: dict[int, bytes] = {} if pattern is None else {0: pattern}
        self._seen: dict[bytes, Held] = {}

    def encode(self, item: Any) -> Held:
        """The item as bytes; may be called in several threads."""
        data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        if len(data) >= WORTH:
            # one thread's item becomes the pattern of all
            machine = zlib.compressobj(LEVEL, zdict=self._pattern.setdefault(0, data))
            data = b"z" + machine.compress(data) + machine.flush()
        found = self._seen.get(data)
        if found is None:
            found = Held(data)
            if len(self._seen) < REMEMBERED:
                self._seen[data] = found
        return found

    def decode(self, held: Held) -> Any:
        """The item, made anew."""
        if held[:1] != b"z":
            return pickle.loads(held)  # noqa: S301  (this process wrote it)
        machine = zlib.decompressobj(zdict=self._pattern[0])
        data = machine.decompress(held[1:]) + machine.flush()
        return pickle.loads(data)  # noqa: S301  (this process wrote it)

    def __reduce__(self) -> tuple[type[Codec], tuple[bytes | None]]:
        return Codec, (self._pattern.get(0),)


CODECS: defaultdict[str, Codec] = defaultdict(Codec)
"""The codecs of this process, by what they hold: items of one kind are alike."""


class CompactList(MutableSequence[Any]):
    """A list whose items are bytes until they are asked for; each time a new object.

    Changing an item that was taken out changes nothing here.

    Example:
        >>> kept = CompactList([{"r": 28}, {"r": 56}])
        >>> kept[1]["r"] = 0
        >>> kept.append({"r": 112})
        >>> kept == [{"r": 28}, {"r": 56}, {"r": 112}]
        True
    """

    def __init__(self, items: Iterable[Any] = (), codec: Codec | None = None) -> None:
        self._codec = codec or Codec()
        self._held = [self._bytes(item) for item in items]

    @classmethod
    def of(cls, kind: str, items: Iterable[Any] = ()) -> CompactList:
        """One of this process's `kind`, which takes what that codec has encoded as it is."""
        return cls(items, CODECS[kind])

    def _bytes(self, item: Any) -> Held:
        return item if isinstance(item, Held) else self._codec.encode(item)

    def __len__(self) -> int:
        return len(self._held)

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> CompactList: ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return CompactList(self._held[place], self._codec)
        return self._codec.decode(self._held[place])

    def __setitem__(self, place: Any, item: Any) -> None:
        if isinstance(place, slice):
            self._held[place] = [self._bytes(each) for each in item]
        else:
            self._held[place] = self._bytes(item)

    def __delitem__(self, place: int | slice) -> None:
        del self._held[place]

    def insert(self, index: int, value: Any) -> None:
        """Puts an item before a place."""
        self._held.insert(index, self._bytes(value))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"CompactList({list(self)!r})"
