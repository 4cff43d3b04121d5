"""Images: from the bytes of a file to RGB pixels by stated rules, and the project's one resize."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile

from resolution_eval.ground.errors import ImageError, UsageError, suggest
from resolution_eval.pixels import read
from resolution_eval.pixels.display_choices import options_of
from resolution_eval.pixels.rules import to_rgb
from resolution_eval.resolution import Resolution, Size, budget_size

DEFAULT_FILTER = "bicubic"
FILTERS: dict[str, Image.Resampling] = {
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}
"""Resampling filters by name.

All widen with the reduction (antialiasing) except `nearest`, which picks pixels.
"""

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000")
"""Formats that are read, by Pillow's names; JPEG XL, JPEG-LS and DICOM, which Pillow lacks, are
beside them in `pixels.formats`.
"""

DEFAULT_PIXEL_LIMIT = 89_478_485
"""Largest image in pixels where `PIL.Image.MAX_IMAGE_PIXELS` was switched off: PIL's default."""

_TURNS: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation (TIFF 6.0 / CIPA DC-008, tag 0x0112) to the turn that sets the image upright."""


@dataclass(frozen=True)
class DecodedImage:
    """An image in 8-bit RGB, and what was done to make it so."""

    image: Image.Image
    notes: tuple[str, ...] = ()
    microns: tuple[float, float] | None = None
    """µm across and down that a pixel is, of a whole slide that was asked for so."""

    @property
    def size(self) -> Size:
        """Source resolution in pixels, upright."""
        return Size(*self.image.size)

    def microns_at(self, size: Size) -> tuple[float, float] | None:
        """µm across and down that a pixel is where the image is shown at `size`; none where nobody
        says how large its own are.
        """
        if self.microns is None:
            return None
        across, down = self.microns
        own = self.size
        return across * own.width / size.width, down * own.height / size.height


def decode(data: bytes) -> DecodedImage:
    """The first frame of the image file `data`, upright, in 8-bit RGB.

    The rules are those of `pixels.rules.RULES`; every rule that changed something is named in
    `notes` ("16-bit, min-max 12..4000", "exif orientation 6 applied", "first of 4 frames"). What
    the samples of a file mean is read from the file before any is decoded.

    Raises:
        ImageError: no bytes; not one of `FORMATS` (what it is and what to do is named); corrupt,
            cut short before its last pixel, or a damaged scan, whatever
            `PIL.ImageFile.LOAD_TRUNCATED_IMAGES` says; more pixels than `pixel_limit`; hidden by
            its own opacity; or no pixel that is a number.
    """
    if not data:
        raise ImageError("the image file is empty (0 bytes)")
    with _refusing_truncated(), _allowing(options_of(data).max_pixels):
        options = options_of(data)
        raster = read(data, options.max_pixels or pixel_limit(), options)
        rgb, notes = to_rgb(raster)
    image = Image.fromarray(rgb)
    if raster.shown_size is not None and raster.shown_size != image.size:
        image = resize(image, Size(*raster.shown_size), "box")
    if raster.orientation in _TURNS:
        image = image.transpose(_TURNS[raster.orientation])
        notes = (*notes, f"exif orientation {raster.orientation} applied")
    return DecodedImage(image, notes, raster.microns)


@contextmanager
def stored(source: Path | BinaryIO) -> Iterator[Image.Image]:
    """The image `source` as Pillow has it before a pixel is decoded, for a mask.

    Only `FORMATS` are opened: Pillow knows formats that are programs, which it would run.

    Raises:
        ImageError: it is none of them, or has more pixels than `pixel_limit`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(source, formats=FORMATS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"it cannot be opened ({error})") from error
    with opened:
        pixels = opened.width * opened.height
        if pixels > pixel_limit():
            raise ImageError(f"it is too large: {pixels:,} pixels, limit {pixel_limit():,}")
        yield opened


_RAISED = threading.Lock()


@contextmanager
def _allowing(pixels: int | None) -> Iterator[None]:
    """Let Pillow open images of up to `pixels`, where that is more than its limit, one at a time:
    the limit is the whole process's.
    """
    if pixels is None or Image.MAX_IMAGE_PIXELS is None or pixels <= Image.MAX_IMAGE_PIXELS:
        yield
        return
    with _RAISED:
        own, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = own


def pixel_limit() -> int:
    """Largest number of pixels of an image that is decoded."""
    return Image.MAX_IMAGE_PIXELS or DEFAULT_PIXEL_LIMIT


class _LenientElsewhere:
    """Stands in for `PIL.ImageFile.LOAD_TRUNCATED_IMAGES` where something set it to true.

    lmms-eval does on import, for the whole process; PIL then fills what is missing of a cut file
    with grey and says nothing. PIL only asks whether the flag is true, at the moment it decodes:
    this one is false in a thread that is inside `decode` and true in all others, so nobody else
    notices.
    """

    strict = threading.local()

    def __bool__(self) -> bool:
        return not getattr(self.strict, "on", False)


@contextmanager
def _refusing_truncated() -> Iterator[None]:
    """Let PIL raise on truncated files in this thread, whatever the process-wide flag says."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        ImageFile.LOAD_TRUNCATED_IMAGES = _LenientElsewhere()  # type: ignore[assignment]
    _LenientElsewhere.strict.on = True
    try:
        yield
    finally:
        _LenientElsewhere.strict.on = False


def resize(image: Image.Image, size: Size, filter: str = DEFAULT_FILTER) -> Image.Image:
    """`image` (RGB) at `size`, the only resize of this project.

    PIL's convolution in 8 bits, horizontally then vertically: the filter's support grows with the
    reduction (antialiasing), except for `nearest`.

    Raises:
        UsageError: there is no filter of that name.
    """
    if filter not in FILTERS:
        raise UsageError(f"no filter named {filter!r}; {suggest(filter, FILTERS)}")
    if image.mode != "RGB":
        raise ValueError(f"an RGB image is needed, received mode {image.mode!r}; decode it first")
    return image.resize((size.width, size.height), FILTERS[filter])


def render(image: Image.Image, r: Resolution, filter: str = DEFAULT_FILTER) -> Image.Image:
    """`image` (RGB) at inference resolution `r`; the same object where its size does not change."""
    source = Size(*image.size)
    size = budget_size(source, r)
    return image if size == source else resize(image, size, filter)
