"""Options: what a user may choose of how files of many values or frames are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

FIRST = "first"
FULL = "full range"


@dataclass(frozen=True)
class Options:
    """How an image file is shown where its format leaves a choice."""

    window: str = FIRST
    """DICOM: "first" (the file's own first window or VOI LUT), "full range", or "CENTRE/WIDTH"."""
    frame: int | Literal["first", "middle"] = "first"
    """DICOM: the frame of several, by number from 1, "first" or "middle"."""
    max_pixels: int | None = None
    """Most pixels of an image that is decoded; none: Pillow's own limit."""


class EncodedImage(bytes):
    """The bytes of an image file, with the options of the data set that it comes from."""

    options: Options

    @classmethod
    def of(cls, data: bytes, options: Options) -> Self:
        """`data` with `options`."""
        made = cls(data)
        made.options = options
        return made


def options_of(data: bytes) -> Options:
    """The options that travel with `data`; the defaults where none do."""
    return data.options if isinstance(data, EncodedImage) else Options()
