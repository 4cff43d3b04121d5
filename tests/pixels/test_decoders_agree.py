"""Every format, mode, depth and orientation against decoders that are not ours: equal pixels by the
stated rules, or a failure by name; never other pixels without a word.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from resolution_eval.ground.errors import ImageError
from resolution_eval.images import decode

pytestmark = pytest.mark.slow
MANY = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TURNED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}
"""Stored rows and columns to upright ones, by EXIF orientation (TIFF 6.0, tag 274)."""
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def picture(shape: tuple[int, ...], kind: str, levels: int, seed: int) -> np.ndarray:
    """Values of all of `levels` levels where there are pixels enough, from the type's lowest."""
    values = np.random.default_rng(seed).integers(0, levels, shape)
    return values.astype(kind)


def expected(values: np.ndarray, bits: int, *, white_is_zero: bool = False) -> np.ndarray:
    """The stated rules, once more: 8 bits as they are, deep grey spread from lowest to highest,
    colour of 16 bits by the depth that it uses.
    """
    wide = values.astype(np.float64)
    if values.dtype == np.uint8 and bits == 8:
        shown = wide
    elif values.ndim == 2:
        low, high = wide.min(), wide.max()
        shown = np.full(wide.shape, 128.0) if low == high else (wide - low) / (high - low) * 255
        if low == high:
            white_is_zero = False
    else:
        most = next(b for b in (8, 10, 12, 14, 16) if wide.max() < 2**b)
        shown = wide / (2 ** min(most, bits) - 1) * 255
    shown = 255 - shown if white_is_zero else shown
    return shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)


def agree(data: bytes, right: np.ndarray, within: float = 1) -> None:
    try:
        found = decode(data)
    except ImageError as error:
        assert str(error), "a failure has its name"
        return
    pixels = np.asarray(found.image).astype(float)
    assert pixels.shape == right.shape, (pixels.shape, right.shape, found.notes)
    if np.abs(pixels - right).max() > within:
        assert any("padding" in note for note in found.notes), found.notes


def must(data: bytes, right: np.ndarray, within: float = 1) -> None:
    """As `agree`, of what is promised to be read."""
    decode(data)
    agree(data, right, within)


def exif(orientation: int) -> bytes:
    entry = struct.pack("<HHIHH", 274, 3, 1, orientation, 0)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)


@MANY
@given(
    SHAPES,
    st.sampled_from(["uint8", "uint16"]),
    st.sampled_from([1, 3]),
    st.sampled_from([2, 17, 200, 256, 1024, 4096, 65536]),
    st.sampled_from(list(TURNED)),
    st.integers(0, 10**6),
)
def test_png(shape, kind, channels, levels, orientation, seed):
    full = shape if channels == 1 else (*shape, 3)
    values = picture(full, kind, min(levels, 2 ** (8 * np.dtype(kind).itemsize)), seed)
    data = imagecodecs.png_encode(values)
    assert np.array_equal(imagecodecs.png_decode(data), values)
    chunk = exif(orientation)
    body = b"eXIf" + chunk
    data = (
        data[:33]
        + struct.pack(">I", len(chunk))
        + body
        + struct.pack(">I", zlib.crc32(body))
        + data[33:]
    )
    must(data, TURNED[orientation](expected(values, 8 * values.dtype.itemsize)))


@MANY
@given(
    SHAPES,
    st.sampled_from([1, 2, 4]),
    st.sampled_from(["0", "P"]),
    st.integers(0, 10**6),
)
def test_png_of_fewer_bits(shape, bits, mode, seed):
    values = np.random.default_rng(seed).integers(0, 2**bits, shape).astype(np.uint8)
    colours = np.random.default_rng(seed + 1).integers(0, 256, (2**bits, 3)).astype(np.uint8)
    image = Image.fromarray(values, mode="P")
    ramp = np.repeat((np.arange(2**bits) * 255 // (2**bits - 1))[:, None], 3, axis=1)
    table = colours if mode == "P" else ramp.astype(np.uint8)
    image.putpalette(table.tobytes())
    data = BytesIO()
    image.save(data, "PNG", bits=bits)
    must(data.getvalue(), table[values].astype(float))


@MANY
@given(
    SHAPES,
    st.sampled_from(["uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"]),
    st.sampled_from(["minisblack", "miniswhite", "rgb", "planar"]),
    st.sampled_from([None, "lzw", "deflate", "packbits", "zstd"]),
    st.sampled_from(["<", ">"]),
    st.sampled_from(list(TURNED)),
    st.sampled_from([3, 200, 4096]),
    st.integers(0, 10**6),
)
def test_tiff(shape, kind, form, compression, order, orientation, levels, seed):
    colour = form in ("rgb", "planar")
    values = picture((*shape, 3) if colour else shape, kind, min(levels, 128), seed)
    if np.dtype(kind).itemsize > 1:
        values = (values.astype(np.float64) * (levels / 128)).astype(kind)
    stored = np.moveaxis(values, -1, 0) if form == "planar" else values
    options: dict[str, Any] = {"photometric": "rgb" if colour else form}
    if form == "planar":
        options["planarconfig"] = "separate"
    data = BytesIO()
    tifffile.imwrite(
        data,
        stored,
        metadata=None,
        compression=compression,
        byteorder=order,
        extratags=[(274, 3, 1, orientation, True)],
        **options,
    )
    bits = 8 * values.dtype.itemsize
    if colour and kind not in ("uint8", "uint16"):
        agree_colour(data.getvalue(), values, orientation)
        return
    right = expected(values, bits, white_is_zero=form == "miniswhite")
    must(data.getvalue(), TURNED[orientation](right))


def agree_colour(data: bytes, values: np.ndarray, orientation: int) -> None:
    """Colour of other depths is spread from lowest to highest, or float within 0 to 1 by 255."""
    wide = values.astype(np.float64)
    low, high = wide.min(), wide.max()
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    if low == high:
        decode(data)
        return
    must(data, TURNED[orientation]((wide - low) / (high - low) * 255))


@MANY
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.sampled_from(["L", "RGB", "CMYK"]),
    st.sampled_from([30, 75, 95]),
    st.booleans(),
    st.sampled_from([0, 2]),
    st.sampled_from(list(TURNED)),
    st.integers(0, 10**6),
)
def test_jpeg(shape, mode, quality, progressive, subsampling, orientation, seed):
    channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, *channels)).astype(np.uint8)
    image = Image.fromarray(coarse, mode=mode).resize(shape[::-1], Image.Resampling.BILINEAR)
    tag = Image.Exif()
    tag[274] = orientation
    data = BytesIO()
    options = {} if mode == "L" else {"subsampling": subsampling}
    image.save(data, "JPEG", quality=quality, progressive=progressive, exif=tag, **options)
    raw = imagecodecs.jpeg8_decode(data.getvalue())
    if mode == "CMYK" and subsampling:
        with pytest.raises(ImageError, match="cannot be checked for damage; save it as RGB"):
            decode(data.getvalue())
        return
    if mode == "CMYK":
        agree_shape(data.getvalue(), shape, orientation)
        return
    right = raw if raw.ndim == 3 else np.repeat(raw[..., None], 3, axis=2)
    must(data.getvalue(), TURNED[orientation](right.astype(float)), within=3)


def agree_shape(data: bytes, shape: tuple[int, int], orientation: int) -> None:
    found = np.asarray(decode(data).image)
    assert found.shape[:2] == (shape if orientation < 5 else shape[::-1])


@MANY
@given(
    SHAPES,
    st.sampled_from([(8, 8), (16, 10), (16, 12), (16, 16)]),
    st.booleans(),
    st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    st.sampled_from([(1, 0), (2, -100), (0.5, 7)]),
    st.integers(0, 10**6),
)
def test_dicom(shape, depth, signed, kind, rescale, seed):
    allocated, stored = depth
    low = -(2 ** (stored - 1)) if signed else 0
    values = np.random.default_rng(seed).integers(low, low + 2**stored, shape)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    data.Rows, data.Columns, data.SamplesPerPixel = *shape, 1
    data.PhotometricInterpretation, data.PixelRepresentation = kind, int(signed)
    data.BitsAllocated, data.BitsStored, data.HighBit = allocated, stored, stored - 1
    data.RescaleSlope, data.RescaleIntercept = rescale
    data.PixelData = values.astype(f"{'i' if signed else 'u'}{allocated // 8}").tobytes() + (
        b"\0" if allocated == 8 and values.size % 2 else b""
    )
    written = BytesIO()
    data.save_as(written, enforce_file_format=True)
    read = pydicom.dcmread(BytesIO(written.getvalue())).pixel_array
    assert np.array_equal(read, values)
    wide = values * rescale[0] + rescale[1]
    span = wide.max() - wide.min()
    right = np.full(shape, 128.0) if not span else (wide - wide.min()) / span * 255
    right = 255 - right if kind == "MONOCHROME1" and span else right
    agree(written.getvalue(), np.repeat(right[..., None], 3, axis=2))


@MANY
@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30), st.just(3))),
    st.sampled_from(["WEBP", "JPEG2000", "JPEGXL", "JPEGLS", "BMP", "PPM"]),
)
def test_lossless_colour_of_other_formats(values, name):
    encoders: dict[str, Callable[[np.ndarray], bytes]] = {
        "WEBP": lambda a: imagecodecs.webp_encode(a, lossless=True),
        "JPEG2000": lambda a: imagecodecs.jpeg2k_encode(a, reversible=True, level=0),
        "JPEGXL": lambda a: imagecodecs.jpegxl_encode(a, lossless=True),
        "JPEGLS": imagecodecs.jpegls_encode,
        "BMP": lambda a: _pillow(a, "BMP"),
        "PPM": lambda a: _pillow(a, "PPM"),
    }
    agree(encoders[name](values), values.astype(float), within=0)


def _pillow(values: np.ndarray, name: str) -> bytes:
    data = BytesIO()
    Image.fromarray(values).save(data, name)
    return data.getvalue()


@MANY
@given(
    st.integers(0, 10**6),
    st.sampled_from(["cut", "cut and marked", "zeros", "more"]),
    st.integers(64, 400),
    st.booleans(),
)
def test_a_scan_that_is_cut_overwritten_or_too_long_is_failed(seed, kind, length, progressive):
    """Damage of a few bytes may leave as many blocks as there were: no decoder can see that."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (12, 12, 3)).astype(np.uint8)
    image = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)
    stored = BytesIO()
    image.save(stored, "JPEG", quality=90, progressive=progressive)
    data = stored.getvalue()
    start = data.index(b"\xff\xda") + 14
    place = int(generator.integers(start, len(data) - length - 2))
    if kind == "zeros" and progressive:
        return  # a band of zeros can mean zeros there
    damaged = {
        "cut": data[:place],
        "cut and marked": data[:place] + b"\xff\xd9",
        "zeros": data[:place] + bytes(length) + data[place + length :],
        "more": data[:-2] + bytes([0x5A]) * length + b"\xff\xd9",
    }[kind]
    with pytest.raises(ImageError, match="JPEG"):
        decode(damaged)
