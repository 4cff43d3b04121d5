"""Exif: the orientation that a file's metadata gives, wherever it stands; damaged metadata none."""

from __future__ import annotations

import re
from struct import error as struct_error

from PIL import Image

TAG = 0x0112
"""Orientation, in EXIF as in TIFF."""
_XMP = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])")
_BROKEN = (
    *(SyntaxError, ValueError, OSError, KeyError, IndexError, TypeError, EOFError),
    struct_error,
)
_LARGEST = 1 << 20
"""Bytes of metadata that are looked through."""


def orientation_of(value: object) -> int:
    """The orientation that the value of `TAG` is, 1 to 8; 1 where it is none."""
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def orientation_in(exif: bytes) -> int:
    """The orientation in a block of EXIF data (from its TIFF header on); 1 where there is none.

    Pixels need no metadata: a damaged block is as none.
    """
    tags = Image.Exif()
    try:
        tags.load(b"Exif\0\0" + exif[:_LARGEST].removeprefix(b"Exif\0\0"))
        return orientation_of(tags.get(TAG))
    except _BROKEN:
        return 1


def orientation_in_xmp(xmp: bytes) -> int:
    """The orientation in a block of XMP; 1 where there is none."""
    match = _XMP.search(xmp[:_LARGEST])
    return int(match[1]) if match else 1
