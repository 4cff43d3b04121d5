"""Modern: JPEG 2000, JPEG XL and JPEG-LS, which imagecodecs reads at their own depth."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.formats import JPEGLS, JPEGXL, Format
from resolution_eval.pixels.jpeg import segments_of
from resolution_eval.pixels.plain import read_plain
from resolution_eval.pixels.raster import Raster, refuse_large, with_alpha

_SIZ = b"\xff\x4f\xff\x51"
"""What a codestream of JPEG 2000 begins with."""
_CODESTREAM = re.compile(rb"(?:\A|jxlc|jxlp.{4})\xff\x0a", re.DOTALL)
"""What a codestream of JPEG XL begins with, bare or in a box."""
_SIDES = (9, 13, 18, 30)
"""Bits that a side of JPEG XL may take."""
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, where JPEG XL tells the height alone."""
_FRAME = 0xF7
"""The marker of a JPEG-LS frame."""
_DECODERS: dict[Format, Callable[[bytes], Any]] = {
    JPEGXL: imagecodecs.jpegxl_decode,
    JPEGLS: imagecodecs.jpegls_decode,
}


def read_modern(data: bytes, format: Format, limit: int) -> Raster:
    """The image in the JPEG XL (already upright) or JPEG-LS file `data`.

    Raises:
        ImageError: it is damaged, or has more pixels than `limit`.
    """
    refuse_large(*_told_size(data, format), limit)  # before anything is decoded
    try:
        values = np.asarray(_DECODERS[format](data))
    except (ValueError, RuntimeError) as error:
        raise ImageError(
            f"the {format.name} file of {len(data)} bytes is damaged or cut short"
        ) from error
    notes: tuple[str, ...] = ()
    if values.ndim == 4:
        notes, values = (f"first of {len(values)} frames",), values[0]
    refuse_large(values.shape[1], values.shape[0], limit)
    full = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    values, alpha = with_alpha(values, full)
    if values.ndim == 2 and values.dtype == np.uint8:
        notes = (*notes, "greyscale")
    return Raster(values=values, bits=8 * values.dtype.itemsize, alpha=alpha, notes=notes)


def _told_size(data: bytes, format: Format) -> tuple[int, int]:
    """Width and height that the header tells; nothing to hold against the limit where none does.

    Source: ISO/IEC 14495-1, annex C; ISO/IEC 18181-1, annex D.2 (SizeHeader).
    """
    if format is JPEGLS:
        head = next((part.body for part in segments_of(data) if part.marker == _FRAME), b"")
        return int.from_bytes(head[3:5], "big"), int.from_bytes(head[1:3], "big")
    begin = _CODESTREAM.search(data)
    bits = int.from_bytes(data[begin.end() : begin.end() + 14], "little") if begin else 0

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side() -> int:
        return 8 * (take(5) + 1) if small else 1 + take(_SIDES[take(2)])

    small = take(1)
    height = side()
    if ratio := take(3):
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    return side(), height


def read_jpeg2000(data: bytes, limit: int) -> Raster:
    """The image in the JPEG 2000 file or codestream `data`; its depth decides who decodes it.

    Raises:
        ImageError: it is cut short or damaged, or has more pixels than `limit`.
    """
    start = data.find(_SIZ)
    header = data[start + 4 : start + 45]
    if start < 0 or len(header) < 41:
        raise ImageError("the JPEG 2000 file is damaged: it has no codestream")
    if b"\xff\xd9" not in data[-2:] and b"\xff\xd9" not in data[start:][-64:]:
        raise ImageError("the JPEG 2000 file is cut short: its codestream has no end mark")
    depth = header[38]
    bits, signed = (depth & 0x7F) + 1, bool(depth & 0x80)
    if bits <= 8 and not signed:
        return read_plain(data, "JPEG2000", limit)
    width, height = (int.from_bytes(header[at : at + 4], "big") for at in (4, 8))
    refuse_large(width, height, limit)
    try:
        values = np.asarray(imagecodecs.jpeg2k_decode(data))
    except (ValueError, RuntimeError) as error:
        raise ImageError("the JPEG 2000 file is damaged: its pixels cannot be unpacked") from error
    values, alpha = with_alpha(values, 2**bits - 1)
    return Raster(values=values, bits=bits, alpha=alpha)
