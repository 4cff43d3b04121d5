"""JPEG: what its scans hold is checked strictly, what its other segments hold not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import simplejpeg
from PIL import Image

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.exif import orientation_in
from resolution_eval.pixels.raster import Raster, of_pillow, refuse_large

_SOI, _EOI, _SOS, _TEM, _APP0, _APP1, _APP2, _APP14, _COM = (
    *(0xD8, 0xD9, 0xDA, 0x01, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE),
)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_KEPT = frozenset({_APP0, _APP14})
"""Segments of applications that say how colours are stored (JFIF, Adobe)."""
_MARK = re.compile(rb"\xff([^\xff])")
"""A marker; what fills the bytes before it is passed over."""
_IN_SCAN = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]", re.DOTALL)
"""The end of a scan: a marker that is neither a stuffed zero nor a restart."""
_DHT = 0xC4
_ZEROS = bytes(32)
_PADDING = re.compile(rb"(?:\xff[\xd0-\xd7]|\xff\x00|\x00|\xff)*\Z")
"""What may follow the last coded byte of a scan: zeros or ones of some encoders, a restart mark."""
_TAIL = 64
"""Bytes in which it is looked for."""
_HARMLESS = ("Warning: unknown JFIF revision", "Unknown Adobe color transform")


@dataclass(frozen=True)
class _Segment:
    marker: int
    body: bytes
    """What follows the length; of a scan also its entropy-coded data."""


@dataclass(frozen=True)
class _Frame:
    marker: int
    precision: int
    height: int
    width: int
    components: tuple[int, ...]


def read_jpeg(data: bytes, limit: int) -> Raster:
    """The image in the JPEG file `data`.

    Raises:
        ImageError: a scan is damaged, cut short or absent; or it has more pixels than `limit`.
    """
    segments = list(segments_of(data))
    frame = _frame(segments)
    refuse_large(frame.width, frame.height, limit)
    bare = _written(segments)
    exif = _first(segments, _APP1, b"Exif\0\0")
    orientation = 1 if exif is None else orientation_in(exif[6:])
    several = _first(segments, _APP2, b"MPF\0") is not None
    notes = ("first of several pictures (MPF)",) if several else ()
    if frame.precision > 8:
        _refuse_missing_scans(segments, frame)
        return replace(_deep(bare, frame.precision), orientation=orientation, notes=notes)
    refuse_damaged_scan(bare)
    with Image.open(BytesIO(bare), formats=["JPEG"]) as opened:
        opened.load()
        return replace(of_pillow(opened, notes), orientation=orientation)


def refuse_damaged_scan(data: bytes) -> None:
    """Raise ImageError where the scans of the JPEG `data` are damaged, cut short, or lack a
    component or a band of coefficients, by libjpeg-turbo's own warnings.
    """
    segments = list(segments_of(data))
    frame = _frame(segments)
    _refuse_missing_scans(segments, frame)
    if frame.precision > 8:
        return
    if frame.marker not in _LOSSLESS:
        _refuse_impossible_zeros(segments)
    bare = _written(segments)
    fault = _fault(bare)
    if fault and "extraneous bytes before" in fault:
        bare = bare.removesuffix(b"\xff\xd9").rstrip(b"\0") + b"\xff\xd9"
        fault = _fault(bare)
    if fault and not fault.startswith(_HARMLESS):
        raise ImageError(f"the JPEG is damaged: {fault}")
    if frame.marker not in _PROGRESSIVE and _fault(_shortened(bare)) is None:
        raise ImageError("the JPEG is damaged: data are left over after its last pixel")


def _fault(data: bytes) -> str | None:
    """What libjpeg-turbo warns of or refuses; none where the scans are whole.

    All of the scans are decoded; the pixels, at an eighth of the size, are thrown away.
    """
    try:
        header = simplejpeg.decode_jpeg_header(data, strict=False)
    except ValueError as error:
        if "subsampling" not in str(error):
            raise
        raise ImageError(
            "the JPEG's colours are subsampled in a way (CMYK as a rule) in which its scan cannot "
            "be checked for damage; save it as RGB or PNG"
        ) from error
    space = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}.get(header[2], "RGB")
    try:
        simplejpeg.decode_jpeg(data, colorspace=space, min_height=1, min_width=1, min_factor=8)
    except ValueError as error:
        return str(error).removeprefix("Corrupt JPEG data: ")
    return None


def _shortened(data: bytes) -> bytes:
    """The file without the last coded byte of its last scan: a sound one is not decoded without it.

    A scan whose damage made the decoder read fewer bits than there are ends early. libjpeg-turbo
    reads eight bytes ahead and says nothing of those that it does not use.
    """
    scan = data.removesuffix(b"\xff\xd9").rstrip(b"\0")
    padding = _PADDING.search(scan[-_TAIL:])
    assert padding is not None
    return scan[: len(scan) - len(padding[0]) - 1] + b"\xff\xd9"


def segments_of(data: bytes) -> Iterator[_Segment]:
    """The segments of the first picture in `data`, up to its end mark."""
    place = 2
    while mark := _MARK.search(data, place):
        marker, place = mark[1][0], mark.end()
        if marker == _EOI:
            return
        if marker in (0, _TEM, _SOI) or 0xD0 <= marker <= 0xD7:
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        end = place + length
        if length < 2 or end > len(data):
            raise ImageError("the JPEG is cut short or damaged: a segment reaches beyond its end")
        if marker == _SOS:
            after = _IN_SCAN.search(data, end)
            end = after.start() if after else len(data)
        yield _Segment(marker, data[place + 2 : end])
        place = end


def _first(segments: list[_Segment], marker: int, begins: bytes = b"") -> bytes | None:
    """The first body of such a segment that begins so; None where there is none."""
    bodies = (part.body for part in segments if part.marker == marker)
    return next((body for body in bodies if body.startswith(begins)), None)


def _written(segments: list[_Segment]) -> bytes:
    """The file with what decoding needs, and no metadata."""
    parts = [b"\xff\xd8"]
    for segment in segments:
        metadata = 0xE0 <= segment.marker <= 0xEF or segment.marker == _COM
        if metadata and segment.marker not in _KEPT:
            continue
        if segment.marker == _SOS:
            length = int.from_bytes(segment.body[:1], "big") * 2 + 6
        else:
            length = len(segment.body) + 2
        parts.append(bytes([0xFF, segment.marker]) + length.to_bytes(2, "big") + segment.body)
    return b"".join([*parts, b"\xff\xd9"])


def _frame(segments: list[_Segment]) -> _Frame:
    frames = (part for part in segments if part.marker in _FRAMES)
    marker, body = next(((part.marker, part.body) for part in frames), (0, b""))
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise ImageError("the JPEG is cut short or damaged: it has no whole frame header")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if not height or not width:
        raise ImageError("the JPEG is damaged: its frame has no height or width")
    components = tuple(body[6 + 3 * place] for place in range(body[5]))
    return _Frame(marker, body[0], height, width, components)


def _scan_head(scan: _Segment) -> bytes:
    """Each component with its tables; then the first and the last coefficient, and their bits."""
    length = 2 * scan.body[0] + 3
    if len(scan.body) <= length:
        raise ImageError("the JPEG is cut short or damaged: a scan has no whole header")
    return scan.body[1 : 1 + length]


def _refuse_missing_scans(segments: list[_Segment], frame: _Frame) -> None:
    """Raise where a component, or a band of a progressive one, was never sent in full."""
    wanted = 64 if frame.marker in _PROGRESSIVE else 1
    low = {(component, place): 99 for component in frame.components for place in range(wanted)}
    for segment in segments:
        if segment.marker != _SOS or not segment.body:
            continue
        head = _scan_head(segment)
        first, last, bits = head[-3], min(head[-2], 63), head[-1] & 0xF
        if wanted == 1:
            first, last, bits = 0, 0, 0
        for component in head[:-3:2]:
            low.update({(component, place): bits for place in range(first, last + 1)})
    missing = {component for (component, _), bits in low.items() if bits}
    if missing:
        raise ImageError(
            f"the JPEG is cut short: the scans of {len(missing)} of its {len(frame.components)} "
            "components are not all there"
        )


def _refuse_impossible_zeros(segments: list[_Segment]) -> None:
    """Raise where a scan has a run of zero bytes that its Huffman codes cannot mean.

    A code of zeros alone is the first of its table. Where that says "no more coefficients", zeros
    are flat blocks; else they are blocks of 63 equal ones, which no picture has. Small damage of
    this kind keeps the number of blocks, so that no decoder notices it.
    """
    first: dict[int, int] = {}
    for segment in segments:
        if segment.marker == _DHT:
            first.update(_first_symbols(segment.body))
        if segment.marker != _SOS or _ZEROS not in segment.body:
            continue
        head = _scan_head(segment)
        start, refines = head[-3], head[-1] >> 4
        tables = {selector & 0xF for selector in head[1:-3:2]}
        progressive_dc = start == 0 and head[-2] == 0
        if not progressive_dc and not refines and any(first.get(t, 0) & 0xF for t in tables):
            raise ImageError("the JPEG is damaged: a run of zero bytes in its scan")


def _first_symbols(body: bytes) -> Iterator[tuple[int, int]]:
    """Each AC Huffman table's number, and the symbol of its code of zeros alone."""
    place = 0
    while place + 17 < len(body):
        count = sum(body[place + 1 : place + 17])
        if body[place] >> 4 == 1:
            yield body[place] & 0xF, body[place + 17]
        place += 17 + count


def _deep(data: bytes, bits: int) -> Raster:
    """12-bit and lossless JPEG of more than 8 bits, by libjpeg-turbo 3."""
    import imagecodecs

    try:
        values = imagecodecs.jpeg_decode(data)
    except (ValueError, RuntimeError) as error:
        raise ImageError(
            f"the JPEG of {bits} bits is damaged or of a kind that is not read; save it as PNG"
        ) from error
    if values.ndim == 3 and values.shape[2] != 3:
        raise ImageError(f"the JPEG has {values.shape[2]} channels of {bits} bits")
    return Raster(values=np.asarray(values), bits=bits)
