"""Plain: formats of 8 bits a channel that Pillow reads as their files mean them."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

from PIL import Image

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.raster import Raster, of_pillow

_TAG = 0x0112


def read_plain(data: bytes, format: str, limit: int) -> Raster:
    """The first picture in the file `data` of Pillow's `format`.

    Raises:
        ImageError: it has more pixels than `limit`.
    """
    with Image.open(BytesIO(data), formats=[format]) as opened:
        width, height = opened.size
        if width * height > limit:
            raise ImageError(
                f"the image is too large: {width}x{height} is {width * height} pixels, limit "
                f"{limit}"
            )
        frames = getattr(opened, "n_frames", 1)
        opened.seek(0)
        orientation = opened.getexif().get(_TAG, 1) if format == "WEBP" else 1
        opened.load()
        raster = of_pillow(opened, (f"first of {frames} frames",) if frames > 1 else ())
    known = isinstance(orientation, int) and 1 <= orientation <= 8
    return replace(raster, orientation=orientation if known else 1, alpha_ignorable=format == "BMP")
