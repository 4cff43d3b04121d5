"""Pages of a parquet file: how many values each says it holds, read before any is decoded.

A file's footer may say less than its pages: the reader believes the pages, of which a few bytes can
stand for a billion equal values. Only the headers are read here.

Source: parquet-format, `parquet.thrift` (PageHeader), and Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_PAGES = 100_000
"""Most pages of a column chunk."""
_UNCOMPRESSED, _COMPRESSED = 2, 3
_DATA, _DICTIONARY, _DATA_V2 = 5, 7, 8
"""Fields of a PageHeader; the last three are structures whose first field is `num_values`."""
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 0, 1, 2, 3, 7, 8, 12
"""Kinds of a field; those between a byte and a double are whole numbers. A page's header has no
lists, sets or maps."""
_DEEP = 8
"""Deepest structure in a page's header."""


class PageError(ValueError):
    """The headers of a column's pages cannot be read."""


@dataclass(frozen=True)
class Page:
    """What one page says of itself."""

    values: int
    uncompressed: int
    """Bytes."""


def pages(data: bytes, start: int, size: int) -> Iterator[Page]:
    """The pages of the column chunk of `size` bytes at `start`.

    Raises:
        PageError: a header is damaged, or there are more than `MAX_PAGES`.
    """
    place, end = start, start + size
    for _ in range(MAX_PAGES):
        if place >= end:
            return
        header = _Compact(data, place)
        fields = header.structure(0)
        told = [fields[name] for name in (_DATA, _DICTIONARY, _DATA_V2) if name in fields]
        lengths = fields.get(_UNCOMPRESSED), fields.get(_COMPRESSED)
        if not all(type(length) is int and length >= 0 for length in lengths):
            raise PageError("a page says no length")
        counts = [one.get(1, 0) for one in told if isinstance(one, dict)]
        yield Page(sum(abs(count) for count in counts if type(count) is int), int(lengths[0] or 0))
        place = header.place + int(lengths[1] or 0)
    raise PageError(f"more than {MAX_PAGES} pages")


class _Compact:
    """Reads Thrift's compact protocol."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self.place = place

    def _byte(self) -> int:
        if not 0 <= self.place < len(self._data):
            raise PageError("a page's header ends early")
        self.place += 1
        return self._data[self.place - 1]

    def _varint(self) -> int:
        value = shift = 0
        while shift <= 63:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise PageError("a number without an end in a page's header")

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def structure(self, depth: int) -> dict[int, Any]:
        """A structure's fields by number."""
        if depth > _DEEP:
            raise PageError("a page's header is nested too deeply")
        fields: dict[int, Any] = {}
        name = 0
        while (head := self._byte()) != _STOP:
            delta, kind = head >> 4, head & 0x0F
            name = name + delta if delta else self._number()
            fields[name] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind < _DOUBLE:
            return self._number()
        if kind in (_DOUBLE, _BINARY):
            length = 8 if kind == _DOUBLE else self._varint()
            self.place += length
            return None
        if kind == _STRUCT:
            return self.structure(depth + 1)
        raise PageError(f"a field of kind {kind} in a page's header")
