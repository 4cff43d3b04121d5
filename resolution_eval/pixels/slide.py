"""Slide: a whole-slide image, or a region of it, at a size of its pixels in µm, by OpenSlide.

OpenSlide is the extra `wsi`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from math import inf
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import numpy as np

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.display_choices import Options, Region
from resolution_eval.pixels.formats import TIFF, Format, format_of
from resolution_eval.pixels.raster import Raster

if TYPE_CHECKING:
    from openslide import OpenSlide

BEGINNING = 4096
"""Bytes of a file that tell its format."""
_ROUNDED = 1.001
"""A slide's own µm per pixel are rounded: it may be this many times coarser than asked."""


def read_slide(data: bytes, limit: int, options: Options) -> Raster:
    """The slide in the file `data`, or the region of it that `options` name, at their µm per pixel.

    Read is the coarsest level that is no coarser than that; what it is to be reduced to is the
    raster's `shown_size`. Without µm a region is read at the finest level. Where `options` name
    the file on disk, `data` need only be its beginning.

    Raises:
        ImageError: OpenSlide is not installed; the file is no slide, or does not say how large its
            pixels are; they are larger than asked for; the region is not all inside the slide; or
            what is to be read has more pixels than `limit`.
    """
    with _open(data, options.path) as slide:
        return _raster(slide, limit, options)


def microns_of(path: Path) -> tuple[float, float]:
    """µm per pixel of the finest level of the slide `path`, across and down.

    Raises:
        ImageError: as `read_slide`, and where the file is no TIFF.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        refuse_no_slide(format_of(file.read(BEGINNING)), Options(microns=1))
    with _open(b"", path) as slide:
        return _own_microns(slide)


def refuse_finer(own: tuple[float, float], microns: float) -> None:
    """Raise ImageError where a slide of `own` µm per pixel holds nothing as fine as `microns`."""
    if max(own) > microns * _ROUNDED:
        raise ImageError(
            f"the slide has {max(own):g} µm per pixel, and {microns:g} were asked for: "
            "there is nothing finer in it; ask for more"
        )


def refuse_no_slide(format: Format, options: Options) -> None:
    """Raise ImageError where a region or a number of µm is asked of a file that is no TIFF:
    OpenSlide opens some of other formats, whose pixels nobody here compared with an independent
    decoder.
    """
    if format is TIFF:
        return
    if options.microns is not None:
        raise ImageError(
            f"it is {format.name}, which does not say how many µm a pixel is as a slide in TIFF "
            "does, and a size in µm was asked for; give --resolutions in pixels, and no --microns"
        )
    if options.region is not None:
        raise ImageError(
            f"it is {format.name}, and a region is of a whole slide in TIFF; cut the image to its "
            "region and leave the cell empty"
        )


@contextmanager
def _open(data: bytes, path: Path | None) -> Iterator[OpenSlide]:
    try:
        import openslide
    except ImportError as error:
        raise ImageError(
            "a region or a size of pixels in µm was asked for; install resolution-eval[wsi] to "
            "read slides"
        ) from error
    with _on_disk(data) if path is None else nullcontext(path) as file:
        try:
            with openslide.OpenSlide(file) as slide:
                yield slide
        except openslide.OpenSlideError as error:  # its text names the temporary file
            raise ImageError(
                f"the TIFF file of {file.stat().st_size} bytes is no slide that OpenSlide reads, "
                "or is damaged: a slide has tiles, and is whole"
            ) from error


@contextmanager
def _on_disk(data: bytes) -> Iterator[Path]:
    """A file with `data`, for a library that reads no other."""
    with NamedTemporaryFile(suffix=".tif") as copy:
        copy.write(data)
        copy.flush()
        yield Path(copy.name)


def _raster(slide: OpenSlide, limit: int, options: Options) -> Raster:
    region = _inside(slide, options.region)
    across, down = own = (1.0, 1.0) if options.microns is None else _own_microns(slide)
    microns = options.microns or 1.0
    refuse_finer(own, microns)
    size = (
        max(1, round(region.width * across / microns)),
        max(1, round(region.height * down / microns)),
    )
    level = slide.get_best_level_for_downsample(microns / max(own) * _ROUNDED)
    reduction = slide.level_downsamples[level]
    columns = max(1, round(region.width / reduction))
    rows = max(1, round(region.height / reduction))
    if options.region is None:
        columns, rows = slide.level_dimensions[level]
    if columns * rows > limit:
        raise ImageError(
            f"the slide is too large: its level of {columns}x{rows} is {columns * rows} pixels, "
            f"limit {limit}; ask for more µm per pixel, or raise --max-pixels"
        )
    pixels = np.asarray(slide.read_region((region.x, region.y), level, (columns, rows)))
    exact = (region.width * across / size[0], region.height * down / size[1])
    return Raster(
        values=pixels[..., :3],
        bits=8,
        alpha=pixels[..., 3] / 255 if pixels[..., 3].min() < 255 else None,
        shown_size=size,
        notes=_notes(options, across * reduction),
        microns=None if options.microns is None else exact,
    )


def _notes(options: Options, level: float) -> tuple[str, ...]:
    notes = []
    if options.region is not None:
        notes.append(f"region {options.region} of the slide, in pixels of its finest level")
    if options.microns is not None:
        notes.append(f"slide at {options.microns:g} um per pixel, from its level of {level:g} um")
    return tuple(notes)


def _inside(slide: OpenSlide, region: Region | None) -> Region:
    """The region, all of it inside the slide; the whole slide where there is none."""
    width, height = slide.dimensions
    if region is None:
        return Region(0, 0, width, height)
    if region.x + region.width > width or region.y + region.height > height:
        raise ImageError(
            f"the region {region} leads out of the slide of {width}x{height} pixels; a region is "
            "x,y,width,height in pixels of the finest level"
        )
    return region


def _own_microns(slide: OpenSlide) -> tuple[float, float]:
    """µm per pixel of the finest level, across and down, if the file says what can be."""
    microns = [slide.properties.get(f"openslide.mpp-{axis}") for axis in "xy"]
    if not all(microns):
        raise ImageError(
            "the TIFF file does not say how many µm a pixel is, and a size in µm was asked for; "
            "give --resolutions in pixels, and no --microns"
        )
    try:
        across, down = (float(value) for value in microns if value)
    except ValueError as error:
        raise ImageError(f"the TIFF file says that a pixel is {microns} µm: no number") from error
    if not (0 < across < inf and 0 < down < inf):
        raise ImageError(f"the TIFF file says that a pixel is {across:g} x {down:g} µm: no size")
    return across, down
