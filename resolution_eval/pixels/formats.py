"""Formats: what kind of file bytes are, by their first bytes and by our own name.

A library's word for a file that it cannot read differs from version to version and holds addresses
of memory; records hold ours.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    name: str
    remedy: str | None = None
    """What to do with a file that is not read; none where it is."""


def _at(offset: int, *marks: bytes, data: bytes) -> bool:
    return data.startswith(marks, offset)


def _riff(kind: bytes, data: bytes) -> bool:
    return data.startswith(b"RIFF") and data[8:12] == kind


def _iso(*brands: bytes, data: bytes) -> bool:
    """A file of ISO 14496-12 (a box `ftyp` first) with one of these major brands."""
    return data[4:8] == b"ftyp" and data[8:12] in brands


def _text(*marks: bytes, data: bytes) -> bool:
    head = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return head.startswith(marks)


def _netpbm(data: bytes) -> bool:
    return len(data) > 2 and data[:2] in _NETPBM and data[2:3].isspace()


def _jpegls(data: bytes) -> bool:
    """A file of JPEG markers whose frame, the first that is no application's, is JPEG-LS."""
    place = 2 if data.startswith(b"\xff\xd8\xff") else len(data)
    while data[place : place + 1] == b"\xff" and 0xE0 <= data[place + 1] <= 0xEF:
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return data[place : place + 2] == b"\xff\xf7"


HEAD_OF_NIFTI = 540
"""Bytes of the longer of its two kinds of header."""

HEAD_OF_GZIP = 64 * 1024
"""Bytes of a gzipped file among which those are looked for, past empty members."""


def inflated_head(data: bytes) -> bytes:
    """The first bytes of a file, of a gzipped one those of what it holds; never many."""
    if not data.startswith(b"\x1f\x8b"):
        return data[:HEAD_OF_NIFTI]
    head = b""
    with (
        suppress(OSError, EOFError, zlib.error),
        gzip.GzipFile(fileobj=BytesIO(data[:HEAD_OF_GZIP])) as file,
    ):
        while len(head) < HEAD_OF_NIFTI and (more := file.read1(HEAD_OF_NIFTI - len(head))):
            head += more
    return head


def _nifti(data: bytes) -> bool:
    """A NIfTI file of either version, plain or gzipped."""
    head = inflated_head(data)
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


_NETPBM = tuple(b"P" + kind for kind in (b"1", b"2", b"3", b"4", b"5", b"6", b"f"))
_OF_GROUP_8 = (b"\x00", b"\x01", b"\x05", b"\x08", b"\x12", b"\x16", b"\x18", b"\x20")
"""Elements that a DICOM file without a header begins with: all of group 0008."""
_CONVERT = "convert it to PNG or TIFF without loss"

PNG = Format("PNG")
JPEG = Format("JPEG")
TIFF = Format("TIFF")
BMP = Format("BMP")
GIF = Format("GIF")
WEBP = Format("WebP")
NETPBM = Format("Netpbm (PBM, PGM, PPM, PFM)")
JPEG2000 = Format("JPEG 2000")
JPEGXL = Format("JPEG XL")
JPEGLS = Format("JPEG-LS")
DICOM = Format("DICOM")
NIFTI = Format("NIfTI")

_TABLE: tuple[tuple[Callable[..., bool], Format], ...] = (
    (partial(_at, 0, b"\x89PNG\r\n\x1a\n"), PNG),
    (_jpegls, JPEGLS),
    (partial(_at, 0, b"\xff\xd8\xff"), JPEG),
    (partial(_at, 0, b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TIFF),
    (partial(_at, 0, b"BM"), BMP),
    (partial(_at, 0, b"GIF87a", b"GIF89a"), GIF),
    (partial(_riff, b"WEBP"), WEBP),
    (_netpbm, NETPBM),
    (partial(_at, 0, b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), JPEG2000),
    (partial(_at, 0, b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"), JPEGXL),
    (partial(_at, 128, b"DICM"), DICOM),
    (partial(_at, 0, *(b"\x08\0" + one + b"\0" for one in _OF_GROUP_8), b"\x02\0\0\0"), DICOM),
    (_nifti, NIFTI),
    (partial(_iso, b"avif", b"avis"), Format("AVIF", _CONVERT)),
    (partial(_iso, b"heic", b"heix", b"mif1", b"msf1", b"hevc"), Format("HEIC", _CONVERT)),
    (partial(_at, 0, b"\x1f\x8b"), Format("gzip", "unpack it")),
    (partial(_at, 0, b"PK\x03\x04"), Format("zip", "unpack it")),
    (partial(_at, 0, b"%PDF"), Format("PDF", "take the image out of it and save it as PNG")),
    (partial(_at, 0, b"%!PS", b"\xc5\xd0\xd3\xc6"), Format("PostScript", _CONVERT)),
    (partial(_at, 0, b"\x93NUMPY"), Format("NumPy array", "save it as TIFF with tifffile")),
    (partial(_at, 0, b"\x89HDF\r\n\x1a\n"), Format("HDF5", "save its images as PNG or TIFF")),
    (partial(_at, 0, b"NRRD"), Format("NRRD", "save its slices as PNG or TIFF")),
    (partial(_at, 0, b"ObjectType"), Format("MetaImage", "save its slices as PNG or TIFF")),
    (partial(_at, 0, b"SIMPLE  ="), Format("FITS", _CONVERT)),
    (partial(_at, 0, b"8BPS"), Format("Photoshop", _CONVERT)),
    (partial(_at, 0, b"\0\0\x01\0"), Format("icon", _CONVERT)),
    (partial(_at, 0, b"II\xbc"), Format("JPEG XR", _CONVERT)),
    (partial(_at, 0, b"v/1\x01"), Format("OpenEXR", _CONVERT)),
    (partial(_at, 0, b"PF\n", b"P7\n"), Format("Netpbm of colour floats or PAM", _CONVERT)),
    (
        partial(_text, b"version https://git-lfs"),
        Format("Git LFS pointer", "fetch the file itself with `git lfs pull`"),
    ),
    (
        partial(_text, b"<!doctype html", b"<html"),
        Format("web page", "the download gave an error page; download the image again"),
    ),
    (partial(_text, b"<?xml", b"<svg"), Format("XML or SVG", "save it as PNG")),
)

UNKNOWN = Format("unknown", "is it an image, and whole? If so, " + _CONVERT)


def format_of(data: bytes) -> Format:
    """The format of the file `data`, or `UNKNOWN`.

    Example:
        >>> format_of(b"GIF89a").name, format_of(b"%PDF-1.7").remedy
        ('GIF', 'take the image out of it and save it as PNG')
    """
    return next((format for sniff, format in _TABLE if sniff(data=data)), UNKNOWN)


READ = tuple(dict.fromkeys(format.name for _, format in _TABLE if format.remedy is None))
"""Names of the formats that are read."""
REFUSED = {format.name: format.remedy for _, format in _TABLE if format.remedy is not None}
"""Names of those that are told apart and refused, each with what to do."""
