"""Modern: JPEG XL and JPEG-LS, which imagecodecs reads at their own depth."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.raster import Raster


def read_jpegxl(data: bytes, limit: int) -> Raster:
    """The image in the JPEG XL file `data`, already upright.

    Raises:
        ImageError: it is damaged, or has more pixels than `limit`.
    """
    return _decoded(imagecodecs.jpegxl_decode, "JPEG XL", data, limit)


def read_jpegls(data: bytes, limit: int) -> Raster:
    """The image in the JPEG-LS file `data`.

    Raises:
        ImageError: it is damaged, or has more pixels than `limit`.
    """
    return _decoded(imagecodecs.jpegls_decode, "JPEG-LS", data, limit)


def _decoded(decode: Any, name: str, data: bytes, limit: int) -> Raster:
    try:
        values = np.asarray(decode(data))
    except (ValueError, RuntimeError) as error:
        raise ImageError(f"the {name} file of {len(data)} bytes is damaged or cut short") from error
    notes: tuple[str, ...] = ()
    if values.ndim == 4:
        notes, values = (f"first of {len(values)} frames",), values[0]
    if values.shape[0] * values.shape[1] > limit:
        raise ImageError(
            f"the image is too large: {values.shape[1]}x{values.shape[0]} is "
            f"{values.shape[0] * values.shape[1]} pixels, limit {limit}"
        )
    alpha = None
    if values.ndim == 3 and values.shape[2] in (2, 4):
        full = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
        alpha = values[..., -1] / full
        values = values[..., :-1]
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim == 2 and values.dtype == np.uint8:
        notes = (*notes, "greyscale")
    return Raster(values=values, bits=8 * values.dtype.itemsize, alpha=alpha, notes=notes)
