"""Stored size: width and height of an image file in pixels, as boxes and masks are held against."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from resolution_eval.ground.errors import ImageError
from resolution_eval.images import decode
from resolution_eval.pixels import format_of
from resolution_eval.pixels.display_choices import EncodedImage, Options, options_of
from resolution_eval.pixels.formats import DICOM

AS_STORED = Options()
"""Nothing is chosen."""


def stored_size(data: bytes) -> tuple[int, int]:
    """Width and height of the image file `data`: from its header, where that is quickly read, else
    of the image as it is decoded with the options that travel with `data`.

    Raises:
        ImageError: it cannot be told: the image fails when it is asked for.
    """
    size = _of_dicom(data) if format_of(data) is DICOM else _of_picture(data)
    return size or decode(data).image.size


def size_on_disk(path: Path, options: Options = AS_STORED) -> tuple[int, int] | None:
    """The stored size of the file `path`, shown as `options` say; none where it cannot be told,
    which is told when the image is asked for.
    """
    try:
        return stored_size(EncodedImage.of(path.read_bytes(), options))
    except (OSError, ImageError):
        return None


def _of_dicom(data: bytes) -> tuple[int, int] | None:
    try:
        import pydicom
    except ImportError:
        return None
    header = pydicom.dcmread(BytesIO(data), stop_before_pixels=True, force=True)
    size = int(header.get("Columns") or 0), int(header.get("Rows") or 0)
    return size if all(size) else None


def _of_picture(data: bytes) -> tuple[int, int] | None:
    """By Pillow; none where it does not read the format, or only a decoding tells."""
    most = options_of(data).max_pixels or Image.MAX_IMAGE_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data)) as opened:
                size = opened.size
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return None
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"its size cannot be read ({type(error).__name__})") from error
    return size if most is None or size[0] * size[1] <= most else None
