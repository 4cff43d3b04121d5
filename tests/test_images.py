"""Images: every kind of file to upright 8-bit RGB or to an error, and the one resize."""

from __future__ import annotations

import ast
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from math import pi, sin
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

import resolution_eval
from resolution_eval.ground.errors import ImageError, UsageError
from resolution_eval.images import FILTERS, FORMATS, decode, render, resize
from resolution_eval.resolution import Size

RANDOM = np.random.default_rng(7)
COLOURS = RANDOM.integers(0, 256, (11, 17, 3), dtype=np.uint8)
"""11 rows by 17 columns, no two rows or columns alike."""
GREY = COLOURS[..., 0]


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    data = BytesIO()
    image.save(data, format, **options)
    return data.getvalue()


def pixels(data: bytes) -> np.ndarray:
    image = decode(data).image
    assert image.mode == "RGB"
    return np.asarray(image)


def over_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return rgb * share + 255 * (1 - share)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM"])
def test_lossless_rgb_is_unchanged_and_without_a_note(format):
    data = encoded(Image.fromarray(COLOURS), format)
    assert np.array_equal(pixels(data), COLOURS)
    assert decode(data).notes == ()
    assert decode(data).size == Size(17, 11)


@pytest.mark.parametrize("format", FORMATS)
def test_every_listed_format_is_read(format):
    data = encoded(Image.fromarray(np.full((11, 17, 3), 90, np.uint8)), format)
    assert np.abs(pixels(data).astype(int) - 90).max() <= 3


def test_greyscale_has_three_equal_channels():
    data = encoded(Image.fromarray(GREY))
    assert np.array_equal(pixels(data), np.stack([GREY] * 3, axis=-1))
    assert decode(data).notes == ("greyscale",)


def test_one_bit_is_black_and_white():
    bits = GREY > 127
    data = encoded(Image.fromarray(bits))
    assert np.array_equal(pixels(data), np.stack([bits * 255] * 3, axis=-1))
    assert decode(data).notes == ("1-bit",)


def test_a_palette_is_looked_up():
    image = Image.fromarray(COLOURS).quantize(200)
    data = encoded(image)
    assert np.array_equal(pixels(data), np.asarray(image.convert("RGB")))
    assert decode(data).notes == ("palette",)


def test_a_transparent_palette_entry_becomes_white():
    indices = (np.arange(17 * 11) % 3).astype(np.uint8).reshape(11, 17)
    image = Image.fromarray(indices)
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    data = encoded(image, transparency=1)
    expected = np.array([[10, 20, 30], [255, 255, 255], [70, 80, 90]], np.uint8)[indices]
    assert np.array_equal(pixels(data), expected)
    assert decode(data).notes == ("palette", "alpha over white")


def test_rgba_is_laid_over_white():
    alpha = RANDOM.integers(0, 256, GREY.shape, dtype=np.uint8)
    data = encoded(Image.fromarray(np.dstack([COLOURS, alpha])))
    assert np.abs(pixels(data) - over_white(COLOURS, alpha)).max() <= 1
    assert decode(data).notes == ("alpha over white",)


def test_grey_with_alpha_is_laid_over_white():
    alpha = RANDOM.integers(0, 256, GREY.shape, dtype=np.uint8)
    image = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(alpha)))
    expected = over_white(np.stack([GREY] * 3, axis=-1), alpha)
    assert np.abs(pixels(encoded(image)) - expected).max() <= 1
    assert decode(encoded(image)).notes == ("greyscale", "alpha over white")


def test_a_transparent_colour_becomes_white():
    data = encoded(Image.fromarray(COLOURS), transparency=tuple(COLOURS[4, 9].tolist()))
    assert pixels(data)[4, 9].tolist() == [255, 255, 255]
    assert pixels(data)[4, 8].tolist() == COLOURS[4, 8].tolist()


def test_a_transparent_deep_grey_becomes_white_and_does_not_set_the_range():
    deep = np.array([[100, 300, 60_000], [200, 60_000, 150]], np.uint16)
    data = encoded(Image.fromarray(deep), transparency=60_000)
    assert pixels(data)[..., 0].tolist() == [[0, 255, 255], [128, 255, 64]]
    assert decode(data).notes == ("16-bit, min-max 100..300", "alpha over white")


def test_cmyk_becomes_rgb_and_is_noted():
    data = encoded(Image.new("CMYK", (17, 11), (255, 0, 0, 0)), "TIFF")
    assert pixels(data)[3, 5].tolist() == [0, 255, 255]
    assert decode(data).notes == ("CMYK",)


def test_sixteen_bit_grey_is_spread_over_its_own_range():
    deep = np.linspace(12, 4000, 11 * 17).astype(np.uint16).reshape(11, 17)
    data = encoded(Image.fromarray(deep))
    expected = np.round((deep.astype(float) - 12) / (4000 - 12) * 255)
    assert np.abs(pixels(data)[..., 1] - expected).max() <= 1
    assert pixels(data).min() == 0
    assert pixels(data).max() == 255
    assert decode(data).notes == ("16-bit, min-max 12..4000",)


@pytest.mark.parametrize(
    ("deep", "note"),
    [
        (np.array([[-5, 0], [1000, 40], [3, 2]], np.int32), "32-bit, min-max -5..1000"),
        (np.array([[-0.5, 0], [1.5, 1], [1, 0]], np.float32), "32-bit, min-max -0.5..1.5"),
        (np.array([[7, 8], [65535, 9], [9, 9]], ">u2"), "16-bit, min-max 7..65535"),
    ],
)
def test_deep_tiff_is_spread_over_its_own_range(deep, note):
    data = encoded(Image.fromarray(deep), "TIFF")
    assert decode(data).notes == (note,)
    assert pixels(data)[0, 0].tolist() == [0, 0, 0]
    assert pixels(data)[1, 0].tolist() == [255, 255, 255]


def test_deep_grey_without_a_range_is_a_stated_constant():
    data = encoded(Image.fromarray(np.full((3, 5), 700, np.uint16)))
    assert np.array_equal(pixels(data), np.full((3, 5, 3), 128))
    assert decode(data).notes == ("16-bit, constant 700 shown as 128",)


def test_pixels_that_are_no_number_are_padding_and_refused_where_there_are_no_others():
    data = encoded(Image.fromarray(np.array([[0.5, np.nan, 2.0]], np.float32)), "TIFF")
    assert pixels(data)[0, :, 0].tolist() == [0, 0, 255]
    assert decode(data).notes[1] == "padding NaN or infinity in 1 of 3 pixels left out of the range"
    nothing = encoded(Image.fromarray(np.full((1, 3), np.nan, np.float32)), "TIFF")
    with pytest.raises(ImageError, match="NaN or infinite everywhere"):
        decode(nothing)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_noted(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(COLOURS), format, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    assert np.array_equal(pixels(data), np.asarray(upright))
    assert decode(data).size == (Size(11, 17) if orientation >= 5 else Size(17, 11))
    expected = () if orientation == 1 else (f"exif orientation {orientation} applied",)
    assert decode(data).notes == expected


def test_sixteen_bit_grey_is_turned_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.arange(6, dtype=np.uint16).reshape(2, 3) * 51
    data = encoded(Image.fromarray(deep), exif=exif)
    assert pixels(data)[..., 0].tolist() == [[153, 0], [204, 51], [255, 102]]
    assert decode(data).notes == ("16-bit, min-max 0..255", "exif orientation 6 applied")


@pytest.mark.parametrize("format", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_several_frames_the_first_is_taken(format):
    first, second = (Image.new("RGB", (9, 5), colour) for colour in ("red", "blue"))
    data = encoded(first, format, save_all=True, append_images=[second, first], lossless=True)
    assert pixels(data)[2, 2].tolist() == [255, 0, 0]
    assert "first of 3 frames" in decode(data).notes


def test_one_pixel_is_an_image():
    assert pixels(encoded(Image.new("RGB", (1, 1), (9, 8, 7)))).tolist() == [[[9, 8, 7]]]


@pytest.mark.parametrize("data", [b"", b"\x89PNG", b"not an image, nor near one", bytes(500)])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ImageError, match=r"0 bytes|cannot be decoded"):
        decode(data)


def test_postscript_is_refused_unread():
    with pytest.raises(ImageError, match="it is PostScript, which is not read; convert"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels: reading any would be an error of another kind."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + b"\x35\xaf\x06\x1e"


@pytest.mark.parametrize("limit", [89_478_485, None])
@pytest.mark.parametrize("size", [(9500, 9500), (50_000, 40_000)])
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch, limit, size, action):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        with pytest.raises(ImageError, match="too large"):
            decode(png_header(*size))


def test_the_pixel_limit_is_pils_own(monkeypatch):
    data = encoded(Image.fromarray(COLOURS))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 17 * 11)
    decode(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 17 * 11 - 1)
    with pytest.raises(ImageError, match="too large"):
        decode(data)


NOISE = Image.fromarray(RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_a_file_cut_short_is_refused_whatever_the_process_allows(monkeypatch, format, lenient):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    data = encoded(NOISE, format)
    whole = pixels(data)
    for percent in (10, 50, 90, 99):
        with pytest.raises(ImageError):
            decode(data[: len(data) * percent // 100])
    try:
        last = pixels(data[:-1])
    except ImageError:
        return
    assert np.array_equal(last, whole), "a file without its last byte decodes to other pixels"


def test_threads_refuse_cut_files_while_others_still_accept_them(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    cut = encoded(NOISE, "JPEG")[:2000]

    def ours(_: int) -> str:
        try:
            decode(cut)
        except ImageError:
            return "refused"
        return "accepted"

    def theirs(_: int) -> str:
        try:
            Image.open(BytesIO(cut)).load()
        except OSError:
            return "refused"
        return "accepted"

    with ThreadPoolExecutor(4) as pool:
        mine, others = pool.map(ours, range(200)), pool.map(theirs, range(200))
        assert set(mine) == {"refused"}
        assert set(others) == {"accepted"}


SEEDS = {format: encoded(NOISE.crop((0, 0, 13, 7)), format) for format in FORMATS}


@given(st.sampled_from(FORMATS), st.data())
def test_a_damaged_file_is_an_image_or_an_image_error(format, data):
    damaged = bytearray(SEEDS[format])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode(bytes(damaged)).image.mode == "RGB"
    except ImageError as error:
        assert str(error)


def kernel(name: str, x: float) -> float:
    """Kernels as published: Keys 1981 with a = -1/2, Lanczos of 3 lobes; a box is half open."""
    if name == "box":
        return 1.0 if -0.5 < x <= 0.5 else 0.0
    x = abs(x)
    if name == "bilinear":
        return max(0.0, 1 - x)
    if name == "lanczos":
        return (
            1.0 if x == 0 else 0.0 if x >= 3 else 3 * sin(pi * x) * sin(pi * x / 3) / (pi * x) ** 2
        )
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def resampled_rows(values: np.ndarray, length: int, name: str) -> np.ndarray:
    """`values` along axis 0 at `length`: weighted means over the widened kernel, in plain loops."""
    scale = len(values) / length
    widening = max(1.0, scale)
    out = []
    for index in range(length):
        centre = (index + 0.5) * scale
        weights = [kernel(name, (k + 0.5 - centre) / widening) for k in range(len(values))]
        out.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
    return np.array(out)


@pytest.mark.parametrize("size", [(5, 4), (17, 3), (8, 11), (16, 10), (34, 33)])
@pytest.mark.parametrize("name", ["box", "bilinear", "bicubic", "lanczos"])
def test_resize_is_the_widened_convolution(name, size):
    width, height = size
    across = resampled_rows(COLOURS.astype(float).transpose(1, 0, 2), width, name)
    across = np.clip(across, 0, 255).transpose(1, 0, 2)
    expected = np.clip(resampled_rows(across, height, name), 0, 255)
    found = np.asarray(resize(Image.fromarray(COLOURS), Size(width, height), name))
    assert np.abs(found - expected).max() <= 1.5


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_resize_agrees_with_torch(name):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    smooth = np.asarray(Image.fromarray(COLOURS).resize((90, 70), Image.Resampling.BICUBIC))
    planes = torch.from_numpy(smooth.copy()).permute(2, 0, 1)[None].float()
    expected = torch.nn.functional.interpolate(
        planes, size=(31, 23), mode=name, antialias=True, align_corners=False
    )
    expected = expected.clamp(0, 255)[0].permute(1, 2, 0).numpy()
    found = np.asarray(resize(Image.fromarray(smooth), Size(23, 31), name))
    assert np.abs(found - expected).max() <= 2


def test_nearest_picks_the_pixel_at_each_centre():
    found = np.asarray(resize(Image.fromarray(COLOURS), Size(5, 4), "nearest"))
    rows = [int((i + 0.5) * 11 / 4) for i in range(4)]
    columns = [int((i + 0.5) * 17 / 5) for i in range(5)]
    assert np.array_equal(found, COLOURS[np.ix_(rows, columns)])


@pytest.mark.parametrize("name", [name for name in FILTERS if name != "nearest"])
def test_a_fine_checkerboard_averages_out(name):
    board = ((np.indices((64, 96)).sum(0) % 2) * 255).astype(np.uint8)
    image = Image.fromarray(board).convert("RGB")
    inner = np.asarray(resize(image, Size(12, 8), name))[2:-2, 2:-2].astype(int)
    assert np.abs(inner - 128).max() <= 2


def test_an_unknown_filter_is_refused_with_advice():
    with pytest.raises(UsageError, match="did you mean 'bicubic'"):
        resize(Image.fromarray(COLOURS), Size(5, 4), "bicubik")


def test_a_palette_image_cannot_be_resized_undecoded():
    with pytest.raises(ValueError, match="decode it first"):
        resize(Image.fromarray(COLOURS).quantize(9), Size(5, 4), "box")


def test_render_is_the_resize_to_the_budget():
    image = Image.fromarray(COLOURS)
    assert render(image, 8, "lanczos").size == (10, 6)
    assert render(image, 8, "box").tobytes() == resize(image, Size(10, 6), "box").tobytes()
    assert render(image, 14) is image
    assert render(image, "native") is image


def test_nothing_else_in_the_project_resizes_an_image():
    package = Path(resolution_eval.__file__).parent
    callers = {
        file.name
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"resize", "thumbnail", "draft"}
    }
    assert callers == {"images.py"}
