"""Stored size: width and height of an image file in pixels, as boxes and masks are held against."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from resolution_eval.ground.errors import ImageError
from resolution_eval.images import FORMATS, decode
from resolution_eval.pixels import format_of
from resolution_eval.pixels.dicom import dicom_size
from resolution_eval.pixels.display_choices import EncodedImage, Options, options_of
from resolution_eval.pixels.formats import DICOM
from resolution_eval.pixels.slide import BEGINNING

AS_STORED = Options()
"""Nothing is chosen."""


def stored_size(data: bytes) -> tuple[int, int]:
    """Width and height of the image file `data`: from its header, where that is quickly read, else
    of the image as it is decoded with the options that travel with `data`.

    Raises:
        ImageError: it cannot be told: the image fails when it is asked for.
    """
    limit = options_of(data).max_pixels
    size = dicom_size(data) if format_of(data) is DICOM else _of_picture(BytesIO(data), limit)
    return size or decode(data).image.size


def size_on_disk(path: Path, options: Options = AS_STORED) -> tuple[int, int] | None:
    """The stored size of the file `path`, shown as `options` say, of which no more is read than
    tells it; none where it cannot be told, which is told when the image is asked for.
    """
    try:
        with path.open("rb") as file:
            in_header = format_of(file.read(BEGINNING)) is not DICOM
        size = _of_picture(path, options.max_pixels) if in_header else None
        return size or stored_size(EncodedImage.of(path.read_bytes(), options))
    except (OSError, ImageError):
        return None


def _of_picture(source: Path | BinaryIO, limit: int | None) -> tuple[int, int] | None:
    """By Pillow; none where it does not read the format, or only a decoding tells: of more pixels
    than `limit`, or Pillow's own.
    """
    most = limit or Image.MAX_IMAGE_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source, formats=FORMATS) as opened:
                size = opened.size
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return None
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"its size cannot be read ({type(error).__name__})") from error
    return size if most is None or size[0] * size[1] <= most else None
