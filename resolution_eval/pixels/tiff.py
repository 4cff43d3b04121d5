"""TIFF: tags decide what the samples mean, before any is decoded."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.exif import TAG, orientation_of
from resolution_eval.pixels.jpeg import refuse_damaged_scan
from resolution_eval.pixels.raster import Raster, Values, refuse_large

GREY, WHITE_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 1, 0, 2, 3, 5, 6
LAB, ICCLAB = 8, 9
"""Photometric interpretations (tag 262) that are read."""
_UNREAD = {
    4: "a transparency mask",
    10: "ITU L*a*b*",
    32803: "a raw camera mosaic (CFA)",
    34892: "linear raw camera data",
    32844: "logarithmic luminance (LogL)",
    32845: "logarithmic colour (LogLuv)",
}
_REDUCED, _MASK = 1, 4
"""Bits of the subfile type (tag 254)."""
_UNSPECIFIED, _ASSOCIATED, _UNASSOCIATED = 0, 1, 2
_JPEG = {6, 7, 33007}
_GDAL_NODATA = 42113
MAX_PAGES = 10_000
"""Most pages that are looked at: each takes 3 kB of memory."""

logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("tifffile").propagate = False


def read_tiff(data: bytes, limit: int) -> Raster:
    """The first page of the TIFF file `data` that is neither a reduced copy nor a mask.

    Raises:
        ImageError: its tags mean something that is not read (named with the remedy), it is cut
            short or damaged, or has more pixels than `limit`.
    """
    with tifffile.TiffFile(BytesIO(data)) as file:
        page, notes = _page(file)
        _refuse_unread(page)
        refuse_large(page.imagewidth, page.imagelength, limit)
        _refuse_cut(page, data)
        values = _channels_last(page, page.asarray())
        depth = page.shape[page.axes.index("Z")] if "Z" in page.axes else 1
        notes = (*notes, f"first of {depth} slices") if depth > 1 else notes
        return _raster(page, values, notes)


def _page(file: tifffile.TiffFile) -> tuple[tifffile.TiffPage, tuple[str, ...]]:
    """The page that is shown, and why."""
    pages = list(_pages(file))
    if not pages:
        raise ImageError("the TIFF file has no page")
    shown = next((place for place, page in enumerate(pages) if _is_whole(page)), None)
    if shown is None:
        raise ImageError("every page of the TIFF file is a reduced copy or a mask (tag 254)")
    notes = []
    whole = sum(map(_is_whole, pages))
    if whole > 1:
        notes.append(f"first of {whole} frames" + ", or more" * (len(pages) == MAX_PAGES))
    if shown > 0:
        notes.append(f"page {shown + 1}: those before it are reduced copies or masks")
    return pages[shown], tuple(notes)


def _pages(file: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    """The first `MAX_PAGES` pages, each of which names the next one's place: a place that was there
    before is refused, since they would never end.
    """
    seen: set[int] = set()
    for page in islice(file.pages, MAX_PAGES):
        if page.offset in seen:
            raise ImageError(
                f"page {len(seen) + 1} of the TIFF leads back to an earlier one; the file is "
                "damaged, get it again"
            )
        seen.add(page.offset)
        yield page.aspage()


def _is_whole(page: tifffile.TiffPage) -> bool:
    if 254 in page.tags:
        return not int(page.subfiletype) & (_REDUCED | _MASK)
    old = page.tags.get(255)
    return old is None or old.value != 2


def _refuse_unread(page: tifffile.TiffPage) -> None:
    kind = int(page.photometric) if page.photometric is not None else -1
    if kind not in (GREY, WHITE_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB, ICCLAB):
        what = _UNREAD.get(kind, f"the unknown photometric interpretation {kind}")
        raise ImageError(f"the TIFF holds {what}, which is not read; save it as grey or RGB")
    if 262 not in page.tags:
        raise ImageError(
            "the TIFF does not say what its samples mean (no photometric interpretation, tag 262); "
            "save it again with a program that writes the tag"
        )
    if page.dtype is None:
        raise ImageError(
            f"the TIFF has samples of {page.bitspersample} bits in sample format "
            f"{int(page.sampleformat)}, which are not read; save it as 8- or 16-bit grey or RGB"
        )
    if page.dtype.kind == "c":
        raise ImageError("the TIFF has complex numbers, which are no picture; save a magnitude")


def _refuse_cut(page: tifffile.TiffPage, data: bytes) -> None:
    places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    missing = sum(count == 0 for _, count in places)
    if missing or not places:
        raise ImageError(f"the TIFF lacks {missing} of {len(places)} of its strips or tiles")
    end = max(offset + count for offset, count in places)
    if end > len(data):
        raise ImageError(
            f"the TIFF is cut short: its pixels reach to byte {end}, but it has {len(data)} bytes"
        )
    if int(page.compression) in _JPEG:
        for offset, count in places:
            refuse_damaged_scan(_whole_jpeg(page, data[offset : offset + count]))


def _whole_jpeg(page: tifffile.TiffPage, segment: bytes) -> bytes:
    """A strip or tile with the tables that the page keeps apart put in (TIFF Technical Note 2)."""
    tables = page.jpegtables
    if tables is None or not segment.startswith(b"\xff\xd8"):
        return segment
    return tables.removesuffix(b"\xff\xd9") + segment[2:]


def _channels_last(page: tifffile.TiffPage, values: Values) -> Values:
    """Rows, columns and, where there are several, samples; of a volume the first slice."""
    axes = page.axes
    if "Z" in axes:
        values = values.take(0, axes.index("Z"))
        axes = axes.replace("Z", "")
    if "S" in axes:
        values = np.moveaxis(values, axes.index("S"), -1)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    return values


def _raster(page: tifffile.TiffPage, values: Values, notes: tuple[str, ...]) -> Raster:
    kind = int(page.photometric)
    samples = {RGB: 3, YCBCR: 3, LAB: 3, ICCLAB: 3, CMYK: 4}.get(kind, 1)
    values, alpha, associated, told = _without_extras(page, values, samples)
    common: dict[str, Any] = {
        "alpha": alpha,
        "associated": associated,
        "padding": _named_padding(page),
        "orientation": orientation_of(tag.value if (tag := page.tags.get(TAG)) else None),
    }
    notes = (*notes, *told)
    if kind == PALETTE:
        return _looked_up(page, values, common, notes)
    if kind in (CMYK, LAB, ICCLAB):
        return _converted(page, values, common, notes)
    if kind == YCBCR and int(page.compression) not in _JPEG:
        raise ImageError(
            "the TIFF holds YCbCr that is not JPEG-compressed, which is not read; save it as RGB"
        )
    return _scaled(page, values, common, notes)


def _without_extras(
    page: tifffile.TiffPage, values: Values, samples: int
) -> tuple[Values, Values | None, bool, tuple[str, ...]]:
    """The samples that the photometric interpretation has, and the opacity among the others."""
    channels = 1 if values.ndim == 2 else values.shape[2]
    extras = [int(extra) for extra in page.extrasamples]
    if channels < samples:
        raise ImageError(f"the TIFF has {channels} samples a pixel; {samples} are needed (tag 262)")
    unspecified = channels - samples - len([extra for extra in extras if extra != _UNSPECIFIED])
    if samples == 1 and unspecified > 1:
        raise ImageError(
            f"the TIFF has {channels} samples a pixel, but calls them grey (tag 262): are they "
            "colours, or channels of a microscope? Save the channel, or RGB, that should be seen"
        )
    if channels == samples:
        return values, None, False, ()
    own = values[..., 0] if samples == 1 else values[..., :samples]
    kinds = [extra for extra in extras if extra in (_ASSOCIATED, _UNASSOCIATED)]
    notes = (f"{unspecified} unspecified sample(s) left out",) if unspecified > 0 else ()
    if not kinds:
        return own, None, False, notes
    place = samples + extras.index(kinds[0])
    full = 1.0 if values.dtype.kind == "f" else float(2 ** _bits(page) - 1)
    return own, values[..., place] / full, kinds[0] == _ASSOCIATED, notes


def _bits(page: tifffile.TiffPage) -> int:
    bits = page.bitspersample
    return int(max(bits)) if isinstance(bits, Sequence) else int(bits)


def _named_padding(page: tifffile.TiffPage) -> tuple[float, ...]:
    """The value of no data, as GDAL writes it (tag 42113)."""
    tag = page.tags.get(_GDAL_NODATA)
    try:
        value = float(str(tag.value).strip("\0 ")) if tag is not None else None
    except ValueError:
        return ()
    return () if value is None or np.isnan(value) else (value,)


def _scaled(
    page: tifffile.TiffPage, values: Values, common: dict[str, Any], notes: tuple[str, ...]
) -> Raster:
    """Grey or RGB: below 8 bits brought to 8, others left to the rules for deep samples."""
    bits = _bits(page)
    single = values.dtype == bool or bits == 1
    if single:
        values, notes = values.astype(np.uint8) * np.uint8(255), (*notes, "1-bit")
    elif values.dtype == np.uint8:
        notes = (*notes, "greyscale") if values.ndim == 2 else notes
        if bits != 8:
            values = np.floor(values * (255 / (2**bits - 1)) + 0.5).astype(np.uint8)
    return Raster(
        values=values,
        bits=bits,
        white_is_zero=int(page.photometric) == WHITE_IS_ZERO,
        notes=notes,
        few_levels=single,
        **common,
    )


def _looked_up(
    page: tifffile.TiffPage, values: Values, common: dict[str, Any], notes: tuple[str, ...]
) -> Raster:
    """Palette colours, which TIFF writes in 16 bits; some programs write 8 in their place."""
    table = np.asarray(page.colormap)
    if int(values.max(initial=0)) >= table.shape[1]:
        raise ImageError(
            f"the TIFF has a palette of {table.shape[1]} colours and a pixel of number "
            f"{int(values.max())}"
        )
    in_eight = int(table.max(initial=0)) < 256
    colours = table.T[values]
    eight = colours if in_eight else colours >> 8
    told = ("palette", "palette of 8 bits") if in_eight and table.any() else ("palette",)
    common = common | {"padding": ()}
    return Raster(values=eight.astype(np.uint8), bits=8, notes=(*notes, *told), **common)


def _converted(
    page: tifffile.TiffPage, values: Values, common: dict[str, Any], notes: tuple[str, ...]
) -> Raster:
    """CMYK without colour management, and CIE L*a*b* of 8 bits by its definition."""
    kind, name = int(page.photometric), "CMYK"
    if values.dtype == np.uint16:
        values = (values >> 8).astype(np.uint8)
    if values.dtype != np.uint8:
        raise ImageError(
            f"the TIFF has CMYK or L*a*b* of {values.dtype}, which is not read; save it as RGB"
        )
    if kind == CMYK:
        ink = page.tags.get(332)
        if ink is not None and int(ink.value) != 1:
            raise ImageError("the TIFF has inks other than CMYK (tag 332); save it as RGB")
        image = Image.fromarray(np.ascontiguousarray(values), mode="CMYK").convert("RGB")
    else:
        name = "CIE L*a*b*"
        image = _lab_to_rgb(values, signed=kind == LAB)
    return Raster(values=np.asarray(image), bits=8, notes=(*notes, name), **common)


def _lab_to_rgb(values: Values, *, signed: bool) -> Image.Image:
    """sRGB of CIE L*a*b* (D50), a and b signed (tag 262 = 8) or offset by 128 (9)."""
    if not signed:  # Pillow unpacks LAB as TIFF has it, signed
        values = values ^ np.array([0, 0x80, 0x80], np.uint8)
    lab = Image.frombytes("LAB", values.shape[1::-1], np.ascontiguousarray(values).tobytes())
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(*profiles, "LAB", "RGB")
    shown = ImageCms.applyTransform(lab, transform)
    assert shown is not None
    return shown
