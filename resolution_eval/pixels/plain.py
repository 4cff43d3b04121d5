"""Plain: formats that Pillow reads as their files mean them, and Netpbm of more than 8 bits."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.exif import TAG, orientation_of
from resolution_eval.pixels.raster import Raster, Values, of_pillow, refuse_large

_HEADER = re.compile(
    rb"P([2356])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s"
)


def read_plain(data: bytes, format: str, limit: int) -> Raster:
    """The first picture in the file `data` of Pillow's `format`, of at most `limit` pixels."""
    with Image.open(BytesIO(data), formats=[format]) as opened:
        refuse_large(*opened.size, limit)
        frames = getattr(opened, "n_frames", 1)
        opened.seek(0)
        orientation = orientation_of(opened.getexif().get(TAG) if format == "WEBP" else None)
        opened.load()
        raster = of_pillow(opened, (f"first of {frames} frames",) if frames > 1 else ())
    return replace(raster, orientation=orientation, alpha_ignorable=format == "BMP")


def read_netpbm(data: bytes, limit: int) -> Raster:
    """The image in the PBM, PGM, PPM or PFM file `data`: PGM and PPM of more than 8 bits by their
    own largest value.

    Raises:
        ImageError: it is damaged or cut short, or has more pixels than `limit`.
    """
    header = _HEADER.match(data[:4096])
    if header is None or int(header[4]) <= 255:
        return read_plain(data, "PPM", limit)
    kind, width, height, most = (int(group) for group in header.groups())
    refuse_large(width, height, limit)
    if most > 65_535 or not width or not height:
        raise ImageError(f"the Netpbm header is impossible: {width}x{height}, largest value {most}")
    channels = 3 if kind in (3, 6) else 1
    values = _samples(data[header.end() :], width * height * channels, binary=kind >= 5)
    if int(values.max()) > most:
        raise ImageError(f"the Netpbm file has a value of {int(values.max())}, above its {most}")
    shape = (height, width, 3) if channels == 3 else (height, width)
    window = (0.0, float(most)) if channels == 3 and most < 65_535 else None
    return Raster(values=values.reshape(shape), bits=most.bit_length(), window=window)


def _samples(body: bytes, count: int, *, binary: bool) -> Values:
    if binary:
        values = np.frombuffer(body[: 2 * count], ">u2").astype(np.uint16)
    else:
        try:
            values = np.array(body.split()[:count], dtype=np.int64).astype(np.uint16)
        except (ValueError, OverflowError) as error:
            raise ImageError("the Netpbm file has text that is no number") from error
    if len(values) < count:
        raise ImageError(f"the Netpbm file is cut short: {len(values)} of {count} values")
    return values
