"""JPEG 2000: the depth in its header decides who decodes it."""

from __future__ import annotations

import imagecodecs
import numpy as np

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.plain import read_plain
from resolution_eval.pixels.raster import Raster

_SIZ = b"\xff\x4f\xff\x51"


def read_jpeg2000(data: bytes, limit: int) -> Raster:
    """The image in the JPEG 2000 file or codestream `data`.

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
    if width * height > limit:
        raise ImageError(
            f"the image is too large: {width}x{height} is {width * height} pixels, limit {limit}"
        )
    return _deep(data, bits)


def _deep(data: bytes, bits: int) -> Raster:
    try:
        values = np.asarray(imagecodecs.jpeg2k_decode(data))
    except (ValueError, RuntimeError) as error:
        raise ImageError("the JPEG 2000 file is damaged: its pixels cannot be unpacked") from error
    alpha = None
    if values.ndim == 3 and values.shape[2] in (2, 4):
        alpha = values[..., -1] / (2**bits - 1)
        values = values[..., 0] if values.shape[2] == 2 else values[..., :3]
    return Raster(values=values, bits=bits, alpha=alpha)
