"""PNG, JPEG, BMP, Netpbm, JPEG 2000 and modern formats, against the arrays that were written."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from resolution_eval.ground.errors import ImageError
from resolution_eval.images import decode
from resolution_eval.pixels import modern
from resolution_eval.pixels.formats import READ, REFUSED

RANDOM = np.random.default_rng(3)
GREY = RANDOM.integers(0, 256, (48, 64), dtype=np.uint8)
COLOURS = RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8)
for array in (GREY, COLOURS):
    array[0, 0], array[0, 1] = 0, 255
SMOOTH = np.asarray(Image.fromarray(COLOURS[:9, :12]).resize((180, 150), Image.Resampling.BICUBIC))


def encoded(image: Image.Image | np.ndarray, format: str = "PNG", **options) -> bytes:
    data = BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(data, format, **options)
    return data.getvalue()


def shown(data: bytes) -> np.ndarray:
    return np.asarray(decode(data).image)


def spread(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return np.round((values.astype(float) - low) / (high - low) * 255)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """The PNG with one chunk more, after its header."""
    return data[:33] + chunk(kind, body) + data[33:]


# --- PNG


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2, 3, 4]), st.sampled_from([8, 10, 12, 14, 16]), st.booleans())
def test_png_of_sixteen_bits_in_every_colour_type(channels, bits, opaque):
    base = np.dstack([COLOURS, GREY])[..., : max(channels, 1)]
    values = (base.astype(np.uint32) * (2**bits - 1) // 255).astype(np.uint16)
    if channels in (2, 4):
        alpha = np.full(GREY.shape, 65_535) if opaque else 20_000 + GREY.astype(np.uint32) * 150
        values[..., -1] = alpha
    data = imagecodecs.png_encode(values[..., 0] if channels == 1 else values)
    own = values[..., :3] if channels >= 3 else values[..., 0]
    expected = own.astype(float) / (2**bits - 1) * 255 if channels >= 3 else spread(own)
    if channels in (2, 4) and not opaque:
        share = values[..., -1] / 65_535
        share = share[..., None] if channels == 4 else share
        expected = expected * share + 255 * (1 - share)
    found = shown(data) if channels >= 3 else shown(data)[..., 0]
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits(bits):
    most = 2**bits - 1
    values = (GREY.astype(int) * most // 255).astype(np.uint8)
    rows = b"".join(
        b"\0" + np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:].ravel()).tobytes()
        for row in values
    )
    header = struct.pack(">IIBBBBB", 64, 48, bits, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert np.abs(shown(data)[..., 0] - np.round(values * (255 / most))).max() <= 1


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt", b"tEXt", b"eXIf", b"prVt"])
@pytest.mark.parametrize("size", [70_000, 2_000_000])
def test_no_metadata_however_large_or_broken_fails_sound_pixels(kind, size):
    zeros = zlib.compress(bytes(size))
    body = {
        b"iCCP": b"profile\0\0" + zeros,
        b"zTXt": b"Comment\0\0" + zeros,
        b"iTXt": b"Comment\0\1\0\0\0" + zeros,
        b"tEXt": b"Comment\0" + bytes(size).replace(b"\0", b"x"),
        b"eXIf": bytes(size),
        b"prVt": bytes(size),
    }[kind]
    data = with_chunk(encoded(COLOURS), kind, body)
    assert np.array_equal(shown(data), COLOURS)
    broken = bytearray(data)
    broken[33 + 8 + 3] ^= 0xFF  # its checksum fails now
    assert np.array_equal(shown(bytes(broken)), COLOURS)


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT"])
def test_a_damaged_chunk_that_pixels_need_fails(kind):
    data = bytearray(encoded(COLOURS))
    data[data.index(kind) + 9] ^= 1
    with pytest.raises(ImageError, match="fails its checksum"):
        decode(bytes(data))


def test_a_gamma_of_the_file_is_noted_and_not_applied():
    for gamma, notes in ((45_455, ()), (100_000, ("gamma 1 of the file not applied",))):
        data = with_chunk(encoded(COLOURS), b"gAMA", struct.pack(">I", gamma))
        assert np.array_equal(shown(data), COLOURS)
        assert decode(data).notes == notes


@pytest.mark.parametrize("level", [8, 16])
def test_interlaced_png(level):
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)]
    passes += [(1, 0, 2, 2), (0, 1, 1, 2)]
    values = COLOURS if level == 8 else COLOURS.astype(">u2") * 257
    rows = b"".join(
        b"\0" + row.tobytes()
        for x, y, dx, dy in passes
        for row in np.asarray(values, ">u2" if level == 16 else np.uint8)[y::dy, x::dx]
    )
    header = struct.pack(">IIBBBBB", 64, 48, level, 2, 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert np.array_equal(shown(data), COLOURS)


# --- opacity and few levels


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "BMP"])
def test_an_opacity_of_nothing_everywhere(format):
    image = Image.fromarray(np.dstack([COLOURS, np.zeros_like(GREY)]))
    if format == "BMP":
        data = bitmap_v4(np.asarray(image))
        assert np.array_equal(shown(data), COLOURS)
        assert decode(data).notes == ("alpha 0 everywhere, left out",)
        return
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    with pytest.raises(ImageError, match="transparent everywhere"):
        decode(encoded(image, format, **options))


def bitmap_v4(values: np.ndarray) -> bytes:
    """A Windows bitmap of 32 bits with masks for red, green, blue and alpha."""
    height, width = values.shape[:2]
    pixels = values[::-1, :, [2, 1, 0, 3]].tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    header += masks + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + 108 + len(pixels), 0, 0, 14 + 108) + header + pixels


@pytest.mark.parametrize("most", [1, 3])
def test_an_opacity_in_units_of_its_own_hides_the_picture_and_fails(most):
    data = encoded(np.dstack([COLOURS, np.full_like(GREY, most)]))
    with pytest.raises(ImageError, match="transparency hides it"):
        decode(data)


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (np.full((30, 30, 3), 90, np.uint8), "all pixels are (90, 90, 90)"),
        (np.repeat(np.arange(9, dtype=np.uint8), 100).reshape(30, 30), "9 levels only"),
        (np.repeat(np.arange(9, dtype=np.uint16), 100).reshape(30, 30), "9 levels only"),
    ],
)
def test_few_levels_are_noted(values, note):
    assert note in decode(encoded(values)).notes


# --- JPEG


def whole_jpegs() -> dict[str, bytes]:
    image = Image.fromarray(SMOOTH)
    return {
        "baseline": encoded(image, "JPEG", quality=90),
        "progressive": encoded(image, "JPEG", quality=90, progressive=True),
        "restarts": encoded(image, "JPEG", quality=90, restart_marker_blocks=4),
        "grey": encoded(image.convert("L"), "JPEG", quality=90),
        "cmyk": encoded(image.convert("CMYK"), "JPEG", quality=90),
        "444": encoded(image, "JPEG", quality=90, subsampling=0),
    }


@pytest.mark.parametrize("kind", list(whole_jpegs()))
def test_a_sound_jpeg_is_read_as_pillow_reads_it(kind):
    data = whole_jpegs()[kind]
    assert np.array_equal(shown(data), np.asarray(Image.open(BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97])
@pytest.mark.parametrize("ending", [b"", b"\xff\xd9"])
@pytest.mark.parametrize("kind", list(whole_jpegs()))
def test_a_jpeg_cut_anywhere_fails_with_or_without_an_end_mark(kind, ending, share):
    data = whole_jpegs()[kind]
    cut = data[: int(len(data) * share)]
    with pytest.raises(ImageError, match=r"damaged|cut short"):
        decode(cut.rstrip(b"\xff") + ending)


@pytest.mark.parametrize("kind", ["baseline", "progressive", "grey", "cmyk", "444"])
@pytest.mark.parametrize("seed", range(6))
def test_a_block_of_zeros_in_a_scan_fails(kind, seed):
    data = bytearray(whole_jpegs()[kind])
    start = data.index(b"\xff\xda") + 20
    place = random.Random(seed).randint(start, len(data) - 60)
    data[place : place + 48] = bytes(48)
    with pytest.raises(ImageError, match=r"damaged|cut short"):
        decode(bytes(data))


def test_a_progressive_jpeg_cut_between_its_scans_fails():
    data = whole_jpegs()["progressive"]
    scans = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 4
    for place in scans[1:]:
        before = data[:place]
        table = before.rfind(b"\xff\xc4")
        cut = before[:table] if table > before.rfind(b"\xff\xda") else before
        with pytest.raises(ImageError, match="scans of"):
            decode(cut + b"\xff\xd9")


@pytest.mark.parametrize("marker", [0xE1, 0xE2, 0xED, 0xFE])
@pytest.mark.parametrize("count", [1, 60])
def test_no_metadata_fails_a_sound_jpeg(marker, count):
    data = whole_jpegs()["baseline"]
    junk = bytes([0xFF, marker]) + struct.pack(">H", 65_533) + b"ICC_PROFILE\0\7\3" + bytes(65_517)
    assert np.array_equal(shown(data[:2] + junk * count + data[2:]), shown(data))


def test_zeros_and_a_second_picture_after_the_end_change_nothing():
    data = whole_jpegs()["baseline"]
    assert np.array_equal(shown(data + bytes(5000)), shown(data))
    assert np.array_equal(shown(data + whole_jpegs()["grey"]), shown(data))
    assert np.array_equal(shown(data[:-2] + bytes(7) + b"\xff\xd9"), shown(data))


def test_twelve_bit_jpeg_is_not_cut_to_eight():
    deep = SMOOTH.astype(np.uint16) * 16
    data = imagecodecs.jpeg_encode(deep, bitspersample=12, level=100, subsampling="444")
    assert np.abs(shown(data).astype(int) - SMOOTH).max() <= 4


# --- the others


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([b"P2", b"P3", b"P5", b"P6"]),
    st.sampled_from([255, 1023, 4095, 65_535, 1000]),
)
def test_netpbm_of_any_largest_value(kind, most):
    colour = kind in (b"P3", b"P6")
    values = (COLOURS if colour else GREY).astype(np.uint32) * most // 255
    body = values.astype(">u2" if most > 255 else np.uint8).tobytes()
    if kind in (b"P2", b"P3"):
        body = b" ".join(b"%d" % value for value in values.ravel())
    data = kind + b"\n# a comment\n64 48\n%d\n" % most + body
    expected = values / most * 255 if colour or most == 255 else spread(values)
    found = shown(data) if colour else shown(data)[..., 0]
    assert np.abs(found - expected).max() <= 1
    with pytest.raises(ImageError):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("colour", [False, True])
def test_jpeg_2000_of_any_depth(bits, colour):
    base = COLOURS if colour else GREY
    values = (base.astype(np.uint32) * (2**bits - 1) // 255).astype("u1" if bits == 8 else "u2")
    data = imagecodecs.jpeg2k_encode(values, reversible=True, bitspersample=bits)
    expected = values / (2**bits - 1) * 255 if colour or bits == 8 else spread(values)
    found = shown(data) if colour else shown(data)[..., 0]
    assert np.abs(found - expected).max() <= 1
    for share in (0.3, 0.7, 0.95):
        with pytest.raises(ImageError):
            decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("colour", [False, True])
def test_jpeg_xl_of_any_depth(kind, colour):
    base = COLOURS if colour else GREY
    factor = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[kind]
    values = (base * np.float64(factor)).astype(kind)
    data = imagecodecs.jpegxl_encode(values, lossless=True)
    expected = spread(values) if not colour and kind != "uint8" else base
    found = shown(data) if colour else shown(data)[..., 0]
    assert np.abs(found - expected).max() <= 1
    with pytest.raises(ImageError):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_jpeg_ls_of_any_depth(kind):
    values = GREY.astype(kind) * (257 if kind == "uint16" else 1)
    data = imagecodecs.jpegls_encode(values)
    assert np.abs(shown(data)[..., 0].astype(int) - GREY).max() <= 1
    with pytest.raises(ImageError):
        decode(data[: len(data) // 2])


SAMPLES = {
    "PDF": b"%PDF-1.7\n",
    "zip": b"PK\x03\x04" + bytes(30),
    "gzip": b"\x1f\x8b\x08" + bytes(30),
    "HEIC": b"\0\0\0\x18ftypheic" + bytes(20),
    "AVIF": b"\0\0\0\x18ftypavif" + bytes(20),
    "NumPy array": b"\x93NUMPY\x01\0" + bytes(20),
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "web page": b"<!DOCTYPE html><html></html>",
    "XML or SVG": b"<svg xmlns=''></svg>",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(20),
}


@pytest.mark.parametrize("name", list(SAMPLES))
def test_what_is_not_read_is_named_with_the_remedy(name):
    with pytest.raises(ImageError) as refused:
        decode(SAMPLES[name])
    assert f"it is {name}, which is not read; {REFUSED[name]}" in str(refused.value)


def test_no_message_holds_an_address_of_memory():
    sources = [*SAMPLES.values(), encoded(COLOURS)[:200], encoded(COLOURS, "GIF")[:200]]
    sources += [encoded(COLOURS, "TIFF")[:300], encoded(COLOURS, "BMP")[:60], b"RIFF1234WEBPVP8 "]
    sources += [bytes(400), b"unknown", encoded(COLOURS, "JPEG2000")[:90]]
    for data in sources:
        told = []
        for _ in range(2):
            with pytest.raises(ImageError) as refused:
                decode(data)
            told.append(str(refused.value))
        assert told[0] == told[1]
        assert "0x" not in told[0], told[0]


def test_the_formats_that_are_read():
    assert {"PNG", "JPEG", "TIFF", "DICOM", "JPEG XL", "JPEG-LS", "BMP"} <= set(READ)
    assert not set(READ) & set(REFUSED)


@pytest.mark.parametrize("name", ["JPEGXL", "JPEGLS"])
@pytest.mark.parametrize("sides", [(64, 64), (40, 30), (37, 53), (300, 200), (1, 3), (600, 9)])
def test_what_is_too_large_is_refused_before_it_is_decoded(monkeypatch, name, sides):
    """The header's size is the decoder's, of squares, common ratios and odd sides."""
    encode = {"JPEGXL": imagecodecs.jpegxl_encode, "JPEGLS": imagecodecs.jpegls_encode}[name]
    width, height = sides
    values = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    data = encode(values)
    format = {"JPEGXL": modern.JPEGXL, "JPEGLS": modern.JPEGLS}[name]
    assert modern.read_modern(data, format, width * height).values.shape == (height, width)

    def never(data: bytes) -> None:
        raise AssertionError("decoded")

    monkeypatch.setitem(modern._DECODERS, format, never)
    with pytest.raises(ImageError, match=f"{width}x{height}"):
        modern.read_modern(data, format, width * height - 1)
