"""PNG: only the chunks that pixels need reach the decoder, each with its checksum verified."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import imagecodecs
import numpy as np
from PIL import Image

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.exif import orientation_in, orientation_in_xmp
from resolution_eval.pixels.raster import Raster, of_pillow, refuse_large, with_alpha

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_GREY = 0
"""The colour type of grey without opacity."""
_SRGB_GAMMA = 45_455
"""gAMA of 1/2.2, in units of 1/100,000."""


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    body: bytes


def read_png(data: bytes, limit: int) -> Raster:
    """The image in the PNG file `data`; of an animation its first picture.

    Raises:
        ImageError: a chunk that pixels need is damaged, cut short or absent; or the image has more
            pixels than `limit`.
    """
    _refuse_size(data[8:33], limit)
    chunks = list(_chunks(data))
    notes, orientation = _notes(chunks), _orientation(chunks)
    bits, colour = chunks[0].body[8:10]
    if bits == 16:
        return replace(_deep(chunks, colour), orientation=orientation, notes=notes)
    with Image.open(BytesIO(_written(chunks, _NEEDED)), formats=["PNG"]) as opened:
        opened.load()
        return replace(of_pillow(opened, notes), orientation=orientation)


def _refuse_size(header: bytes, limit: int) -> None:
    """Raise where the header of the file is no whole one, or says more pixels than `limit`."""
    if len(header) < 25 or header[:8] != b"\0\0\0\x0dIHDR":
        raise ImageError("the PNG is damaged: it does not begin with a whole header")
    width, height = int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")
    if not width or not height:
        raise ImageError("the PNG is damaged: its header has no width or height")
    refuse_large(width, height, limit)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """The chunks of the file up to its end, those that pixels need with their checksums right."""
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


def _first(chunks: list[_Chunk], kind: bytes) -> bytes:
    """What the first chunk of a kind holds; nothing where there is none."""
    return next((chunk.body for chunk in chunks if chunk.kind == kind), b"")


def _written(chunks: list[_Chunk], kinds: Sequence[bytes]) -> bytes:
    """A file of the chunks of these kinds."""
    parts = [_SIGNATURE]
    for chunk in chunks:
        if chunk.kind in kinds:
            checked = chunk.kind + chunk.body
            parts += [len(chunk.body).to_bytes(4, "big"), checked]
            parts.append(zlib.crc32(checked).to_bytes(4, "big"))
    return b"".join(parts)


def _notes(chunks: list[_Chunk]) -> tuple[str, ...]:
    notes = []
    kinds = [chunk.kind for chunk in chunks]
    animated = _first(chunks, b"acTL")
    if len(animated) == 8 and b"IDAT" in kinds:
        first = kinds.index(b"IDAT")
        own = 0 if b"fcTL" in kinds[:first] else 1
        frames = int.from_bytes(animated[:4], "big") + own
        notes += [f"first of {frames} frames"] if frames > 1 else []
    gamma = _first(chunks, b"gAMA")
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


def _deep(chunks: list[_Chunk], colour: int) -> Raster:
    """16 bits a channel, which Pillow would cut to 8."""
    try:
        values = imagecodecs.png_decode(_written(chunks, (b"IHDR", b"PLTE", b"IDAT", b"IEND")))
    except (ValueError, RuntimeError) as error:
        raise ImageError("the PNG is damaged: its pixels cannot be unpacked") from error
    values, alpha = with_alpha(values, 65_535)
    if alpha is None and (clear := _first(chunks, b"tRNS")):
        key = np.frombuffer(clear, ">u2")
        hit = values == key[0] if colour == _GREY else (values == key).all(-1)
        alpha = (~hit).astype(np.float64)
    return Raster(values=values, bits=16, alpha=alpha)
