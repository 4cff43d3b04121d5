"""Slide: a whole-slide image at a size of its pixels in µm, through OpenSlide (extra `wsi`)."""

from __future__ import annotations

from math import inf
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import numpy as np

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.raster import Raster

if TYPE_CHECKING:
    from openslide import OpenSlide

_ROUNDED = 1.001
"""A slide's own µm per pixel are rounded: it may be this many times coarser than asked."""


def read_slide(data: bytes, limit: int, microns: float) -> Raster:
    """The whole slide in the file `data`, of which `microns` µm are to be one pixel.

    Read is the coarsest level that is no coarser than that; what it is to be reduced to is the
    raster's `shown_size`.

    Raises:
        ImageError: OpenSlide is not installed; the file is no slide, or does not say how large its
            pixels are; they are larger than `microns`; or the level has more pixels than `limit`.
    """
    try:
        import openslide
    except ImportError as error:
        raise ImageError(
            "a size of pixels in µm was asked for; install resolution-eval[wsi] to read slides"
        ) from error
    with NamedTemporaryFile(suffix=".tif") as file:
        file.write(data)
        file.flush()
        try:
            with openslide.OpenSlide(file.name) as slide:
                return _raster(slide, limit, microns)
        except openslide.OpenSlideError as error:  # its text names the temporary file
            raise ImageError(
                f"the TIFF file of {len(data)} bytes is no slide that OpenSlide reads, or is "
                "damaged: a slide has tiles, and is whole"
            ) from error


def _raster(slide: OpenSlide, limit: int, microns: float) -> Raster:
    across, down = _own_microns(slide)
    if max(across, down) > microns * _ROUNDED:
        raise ImageError(
            f"the slide has {max(across, down):g} µm per pixel, and {microns:g} were asked for: "
            "there is nothing finer in it; ask for more"
        )
    width, height = slide.dimensions
    size = max(1, round(width * across / microns)), max(1, round(height * down / microns))
    level = slide.get_best_level_for_downsample(microns / max(across, down) * _ROUNDED)
    columns, rows = slide.level_dimensions[level]
    if columns * rows > limit:
        raise ImageError(
            f"the slide is too large: its level of {columns}x{rows} is {columns * rows} pixels, "
            f"limit {limit}; ask for more µm per pixel, or raise --max-pixels"
        )
    pixels = np.asarray(slide.read_region((0, 0), level, (columns, rows)))
    own = across * slide.level_downsamples[level]
    return Raster(
        values=pixels[..., :3],
        bits=8,
        alpha=pixels[..., 3] / 255 if pixels[..., 3].min() < 255 else None,
        shown_size=size,
        notes=(f"slide at {microns:g} um per pixel, from its level of {own:g} um",),
    )


def _own_microns(slide: OpenSlide) -> tuple[float, float]:
    """µm per pixel of the finest level, across and down.

    Raises:
        ImageError: the file does not say, or says what cannot be.
    """
    found = [slide.properties.get(f"openslide.mpp-{axis}") for axis in "xy"]
    if not all(found):
        raise ImageError(
            "the TIFF file does not say how many µm a pixel is, and a size in µm was asked for; "
            "run it without --microns"
        )
    across, down = (float(value) for value in found if value)
    if not (0 < across < inf and 0 < down < inf):
        raise ImageError(f"the TIFF file says that a pixel is {across:g} x {down:g} µm: no size")
    return across, down
