"""PNG: only the chunks that pixels need reach the decoder, each with its checksum verified."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import imagecodecs
import numpy as np
from PIL import Image

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.exif import orientation_in, orientation_in_xmp
from resolution_eval.pixels.raster import Raster, of_pillow

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_GREY, _RGB, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 4, 6
_SRGB_GAMMA = 45_455
"""gAMA of 1/2.2, in units of 1/100,000."""


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    body: bytes

    @property
    def written(self) -> bytes:
        checked = self.kind + self.body
        return len(self.body).to_bytes(4, "big") + checked + zlib.crc32(checked).to_bytes(4, "big")


def read_png(data: bytes, limit: int) -> Raster:
    """The image in the PNG file `data`; of an animation its first picture.

    Raises:
        ImageError: a chunk that pixels need is damaged, cut short or absent; or the image has more
            pixels than `limit`.
    """
    _refuse_size(data[8:33], limit)
    chunks = list(_chunks(data))
    bare = _SIGNATURE + b"".join(chunk.written for chunk in chunks if chunk.kind in _NEEDED)
    notes = _notes(chunks)
    bits, colour = chunks[0].body[8:10]
    orientation = _orientation(chunks)
    if bits == 16:
        return _deep(bare, colour, chunks, orientation, notes)
    with Image.open(BytesIO(bare), formats=["PNG"]) as opened:
        opened.load()
        raster = of_pillow(opened, notes)
    return Raster(
        values=raster.values,
        bits=8,
        alpha=raster.alpha,
        orientation=orientation,
        notes=raster.notes,
        few_levels=raster.few_levels,
    )


def _refuse_size(header: bytes, limit: int) -> None:
    """Raise where the header of the file is no whole one, or says more pixels than `limit`."""
    if len(header) < 25 or header[:8] != b"\0\0\0\x0dIHDR":
        raise ImageError("the PNG is damaged: it does not begin with a whole header")
    width, height = int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")
    if not width or not height:
        raise ImageError("the PNG is damaged: its header has no width or height")
    if width * height > limit:
        raise ImageError(
            f"the image is too large: {width}x{height} is {width * height} pixels, limit {limit}"
        )


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """The chunks of the file up to its end.

    Raises:
        ImageError: one that pixels need fails its checksum, or the file ends within its pixels.
    """
    place = len(_SIGNATURE)
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        kind = data[place + 4 : place + 8]
        end = place + 8 + length
        body, checksum = data[place + 8 : end], data[end : end + 4]
        whole = end + 4 <= len(data)
        if kind == b"IEND":
            yield _Chunk(kind, b"")
            return
        if kind in _NEEDED:
            if not whole:
                raise ImageError(f"the PNG is cut short within its chunk {kind.decode()}")
            if zlib.crc32(kind + body) != int.from_bytes(checksum, "big"):
                raise ImageError(
                    f"the PNG is damaged: its chunk {kind.decode()} fails its checksum"
                )
        elif not whole:
            break
        yield _Chunk(kind, body)
        place = end + 4
    raise ImageError("the PNG is cut short: it has no end chunk")


def _notes(chunks: list[_Chunk]) -> tuple[str, ...]:
    notes = []
    kinds = [chunk.kind for chunk in chunks]
    animated = next((chunk.body for chunk in chunks if chunk.kind == b"acTL"), b"")
    if len(animated) == 8 and b"IDAT" in kinds:
        first = kinds.index(b"IDAT")
        own = 0 if b"fcTL" in kinds[:first] else 1
        frames = int.from_bytes(animated[:4], "big") + own
        notes += [f"first of {frames} frames"] if frames > 1 else []
    gamma = next((chunk.body for chunk in chunks if chunk.kind == b"gAMA"), b"")
    value = int.from_bytes(gamma, "big")
    if len(gamma) == 4 and value and abs(value - _SRGB_GAMMA) > 500 and b"sRGB" not in kinds:
        notes.append(f"gamma {value / 100_000:g} of the file not applied")
    return tuple(notes)


def _orientation(chunks: list[_Chunk]) -> int:
    for chunk in chunks:
        if chunk.kind == b"eXIf":
            return orientation_in(chunk.body)
        if chunk.kind == b"iTXt" and chunk.body.startswith(b"XML:com.adobe.xmp\0\0"):
            return orientation_in_xmp(chunk.body)
    return 1


def _deep(
    data: bytes, colour: int, chunks: list[_Chunk], orientation: int, notes: tuple[str, ...]
) -> Raster:
    """16 bits a channel, which Pillow would cut to 8."""
    clear = next((chunk.body for chunk in chunks if chunk.kind == b"tRNS"), b"")
    bare = data if not clear else _without(data, b"tRNS")
    try:
        values = imagecodecs.png_decode(bare)
    except (ValueError, RuntimeError) as error:
        raise ImageError("the PNG is damaged: its pixels cannot be unpacked") from error
    alpha = None
    if colour in (_GREY_ALPHA, _RGB_ALPHA):
        alpha = values[..., -1] / 65_535
        values = values[..., 0] if colour == _GREY_ALPHA else values[..., :3]
    elif clear:
        key = np.frombuffer(clear, ">u2")
        hit = values == key[0] if colour == _GREY else (values == key).all(-1)
        alpha = (~hit).astype(np.float64)
    return Raster(values=values, bits=16, alpha=alpha, orientation=orientation, notes=notes)


def _without(data: bytes, kind: bytes) -> bytes:
    return _SIGNATURE + b"".join(chunk.written for chunk in _chunks(data) if chunk.kind != kind)
