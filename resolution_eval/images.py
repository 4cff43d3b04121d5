"""Images: from the bytes of a file to RGB pixels by stated rules, and the project's one resize."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageFile

from resolution_eval.errors import ImageError, UsageError, suggest
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
"""Formats that are read. PIL knows more, some of which start other programs (EPS: Ghostscript)."""

DEFAULT_PIXEL_LIMIT = 89_478_485
"""Largest image in pixels where `PIL.Image.MAX_IMAGE_PIXELS` was switched off: PIL's default."""

CONSTANT_GREY = 128
"""What a deep grey image (16 or 32 bit) of pixels all alike becomes: it has no range to spread."""

_ORIENTATION_TAG = 0x0112
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

_MODE_NOTES = {"1": "1-bit", "L": "greyscale", "P": "palette", "LA": "greyscale", "PA": "palette"}


@dataclass(frozen=True)
class Decoded:
    """An image in 8-bit RGB, and what was done to make it so."""

    image: Image.Image
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        """Source resolution in pixels, upright."""
        return Size(*self.image.size)


def decode(data: bytes) -> Decoded:
    """The first frame of the image file `data`, upright, in 8-bit RGB.

    Every rule that changed something is named in `notes`:

    - 1-bit, greyscale and palette become RGB ("1-bit", "greyscale", "palette"); CMYK and the like
      by PIL's conversion, without colour management ("CMYK").
    - Transparency of any kind (RGBA, LA, palette or a transparent colour) is laid over white
      ("alpha over white").
    - 16-bit and 32-bit grey is spread linearly from its own minimum and maximum to 0..255
      ("16-bit, min-max 12..4000"); if all pixels are alike they become 128
      ("16-bit, constant 7 shown as 128"). Colour files of 16 bits a channel are cut to their
      upper 8 bits by PIL, without a note.
    - The EXIF orientation is applied ("exif orientation 6 applied").
    - Of an animation or multi-page file the first frame is taken ("first of 4 frames").

    Raises:
        ImageError: no bytes; not one of `FORMATS`; corrupt; cut short before its last pixel,
            whatever `PIL.ImageFile.LOAD_TRUNCATED_IMAGES` says; more pixels than
            `PIL.Image.MAX_IMAGE_PIXELS` (than 89,478,485 where that is None); grey pixels that
            are not finite.
    """
    if not data:
        raise ImageError("the image file is empty (0 bytes)")
    try:
        with _refusing_truncated(), Image.open(BytesIO(data), formats=FORMATS) as opened:
            return _upright_rgb(opened)
    except ImageError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(f"the image is too large: {error}") from error
    except Exception as error:  # PIL raises a dozen types on broken files; each is named here
        raise ImageError(
            f"the image file of {len(data)} bytes cannot be decoded: "
            f"{type(error).__name__}: {error}"
        ) from error


def _upright_rgb(opened: ImageFile.ImageFile) -> Decoded:
    _check_pixels(opened)
    frames = getattr(opened, "n_frames", 1)
    notes = [f"first of {frames} frames"] if frames > 1 else []
    opened.seek(0)
    orientation = opened.getexif().get(_ORIENTATION_TAG, 1)
    opened.load()
    image = _to_rgb(opened, notes)
    if orientation in _TURNS:
        # PIL turns a TIFF while it loads it, and then forgets the tag; the others it leaves to us.
        left = opened.getexif().get(_ORIENTATION_TAG, 1)
        image = image.transpose(_TURNS[left]) if left in _TURNS else image
        notes.append(f"exif orientation {orientation} applied")
    return Decoded(image, tuple(notes))


def _check_pixels(image: Image.Image) -> None:
    limit = Image.MAX_IMAGE_PIXELS or DEFAULT_PIXEL_LIMIT
    size = Size(*image.size)
    if size.pixels > limit:
        raise ImageError(f"the image is too large: {size} is {size.pixels} pixels, limit {limit}")


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """`image` in RGB, detached from its file; what was done is added to `notes`."""
    if image.mode.startswith(("I", "F")):
        image = _spread(image, notes)
    elif image.mode not in ("RGB", "RGBA"):
        notes.append(_MODE_NOTES.get(image.mode, image.mode))
    if image.has_transparency_data:
        notes.append("alpha over white")
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return image.convert("RGB")


def _spread(image: Image.Image, notes: list[str]) -> Image.Image:
    """Deep grey (modes I;16*, I and F) spread from its minimum and maximum to 8 bits; pixels of a
    transparent grey become white, and do not count for the range.
    """
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageError("the image has pixels that are not finite (NaN or infinite)")
    clear = values == image.info.get("transparency", np.nan)
    opaque = values[~clear] if clear.any() else values
    low, high = (float(opaque.min()), float(opaque.max())) if opaque.size else (0.0, 0.0)
    depth = "16-bit" if image.mode.startswith("I;16") else "32-bit"
    if low == high:
        if opaque.size:
            notes.append(f"{depth}, constant {low:g} shown as {CONSTANT_GREY}")
        spread = np.full(values.shape, CONSTANT_GREY, np.uint8)
    else:
        notes.append(f"{depth}, min-max {low:g}..{high:g}")
        values = values.clip(low, high, out=values)
        spread = np.floor((values - low) / (high - low) * 255 + 0.5).astype(np.uint8)
    if clear.any():
        notes.append("alpha over white")
        spread[clear] = 255
    return Image.fromarray(spread)


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
