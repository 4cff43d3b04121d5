"""Display choices: what a user may choose of how files of many values or frames are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from resolution_eval.ground.errors import ImageError, UsageError

FIRST = "first"
FULL = "full range"


class Region(NamedTuple):
    """A rectangle of a whole slide, in pixels of its finest level, from its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return ",".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> Region:
        """The region written as "x,y,width,height".

        Raises:
            UsageError: it is not four whole numbers, or has no extent.
        """
        words = [word.strip() for word in text.split(",")]
        if len(words) != 4 or not all(word.isascii() and word.isdecimal() for word in words):
            raise UsageError(
                f"region {text!r} is not x,y,width,height; write four whole numbers of pixels of "
                'the finest level, as "2048,4096,512,512"'
            )
        region = cls(*map(int, words))
        if not region.width or not region.height:
            raise UsageError(f"region {text!r} has no extent; width and height are 1 pixel or more")
        return region


Place = int | Literal["first", "middle"]
"""By number from 1, or `first`; `middle` is number n // 2 + 1."""


def place_among(count: int, chosen: Place, refusal: str) -> int:
    """The place from 0 that is chosen among `count`; ImageError, `refusal` and the count, where
    there are fewer.
    """
    if not isinstance(chosen, int):
        return count // 2 if chosen == "middle" else 0
    if chosen > count:
        raise ImageError(f"{refusal} {count}")
    return chosen - 1


class Cut(NamedTuple):
    """Which slice of a volume is shown."""

    axis: str = "axial"
    """`axial`, `coronal` or `sagittal`: what the slice stands across is the patient's own axis."""
    place: Place = "middle"
    """From the patient's left, the back or below."""
    volume: int | None = None
    """By number from 1, of a file that has several."""

    @classmethod
    def parse(cls, text: str) -> Cut:
        """The slice written as "axial:middle", "coronal:12" or "axial:12:3" (of volume 3);
        UsageError where it is written otherwise.
        """
        axis, *rest = (word.strip().lower() for word in text.split(":"))
        place, *volume = rest or ["middle"]
        numbered = all(word.isascii() and word.isdecimal() and int(word) for word in volume)
        known = place in ("first", "middle") or (place.isascii() and place.isdecimal())
        if axis not in ("axial", "coronal", "sagittal") or not known or not numbered or volume[1:]:
            raise UsageError(
                f"no slice {text!r}; write AXIS:SLICE or AXIS:SLICE:VOLUME, AXIS axial, coronal or "
                "sagittal, SLICE first, middle or a number from 1, as axial:middle"
            )
        if place.isdecimal() and not int(place):
            raise UsageError(f"no slice {text!r}; slices are counted from 1")
        chosen: Any = int(place) if place.isdecimal() else place
        return cls(axis, chosen, int(volume[0]) if volume else None)


MIDDLE = Cut()


@dataclass(frozen=True)
class Options:
    """How an image file is shown where its format leaves a choice."""

    window: str = FIRST
    """DICOM: "first" (the file's own first window or VOI LUT), "full range", or "CENTRE/WIDTH";
    NIfTI: "first" is the file's display range."""
    frame: Place = "first"
    """DICOM: the frame of several."""
    slice: Cut = MIDDLE
    """NIfTI: the slice of a volume."""
    max_pixels: int | None = None
    """Most pixels of an image that is decoded; none: Pillow's own limit."""
    microns: float | None = None
    """Whole-slide images: µm that are one pixel; none: the file's first page as it is."""
    region: Region | None = None
    """Whole-slide images: what of them is shown; none: all."""
    path: Path | None = None
    """The file on disk that the bytes are the beginning of; none where they are all of it."""

    def file_size(self, data: bytes) -> int:
        """Bytes of the whole file that `data`, or their beginning, are; ImageError where it is no
        longer there.
        """
        if self.path is None:
            return len(data)
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise ImageError(f"the image file is no longer there ({error.strerror})") from error


def numbers(window: str) -> tuple[float, float]:
    """Centre and width of a window written as "40/400".

    Raises:
        UsageError: it is written otherwise, no finite numbers, or the width is not above 0.
    """
    centre, _, width = window.partition("/")
    try:
        pair = float(centre), float(width)
    except ValueError:
        pair = (0.0, 0.0)
    if not pair[1] > 0 or not all(map(isfinite, pair)):
        raise UsageError(
            f"no window {window!r}; write CENTRE/WIDTH, as 40/400, or '{FIRST}' or '{FULL}'"
        )
    return pair


def checked(chosen: Mapping[str, Any]) -> Options:
    """The options with what the user chose; UsageError where a value is impossible."""
    cut = Cut.parse(chosen["slice"]) if "slice" in chosen else MIDDLE
    options = Options(**{**chosen, "slice": cut})
    if options.window not in (FIRST, FULL):
        numbers(options.window)
    if options.frame not in ("first", "middle") and (
        not isinstance(options.frame, int) or options.frame < 1
    ):
        raise UsageError(f"no frame {options.frame!r}; give first, middle, or a number from 1")
    if options.max_pixels is not None and options.max_pixels < 1:
        raise UsageError(
            f"--max-pixels {options.max_pixels} is impossible; give a number of pixels"
        )
    if options.microns is not None and not 0 < options.microns < inf:
        raise UsageError(f"--microns {options.microns} is impossible; give µm per pixel above 0")
    return options


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
