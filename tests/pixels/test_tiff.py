"""TIFF: what the tags say decides, against the arrays that were written."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from resolution_eval.ground.errors import ImageError
from resolution_eval.images import decode

RANDOM = np.random.default_rng(11)
GREY = RANDOM.integers(0, 256, (40, 56), dtype=np.uint8)
COLOURS = RANDOM.integers(0, 256, (40, 56, 3), dtype=np.uint8)
COLOURS[0, 0], COLOURS[0, 1] = 0, 255
GREY[0, 0], GREY[0, 1] = 0, 255


def tiff(values: np.ndarray, **options) -> bytes:
    data = BytesIO()
    tifffile.imwrite(data, values, metadata=None, **options)
    return data.getvalue()


def shown(data: bytes) -> np.ndarray:
    return np.asarray(decode(data).image)


def spread(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return np.round((values.astype(float) - low) / (high - low) * 255)


TYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(TYPES),
    st.sampled_from(["minisblack", "miniswhite"]),
    st.sampled_from([None, "lzw", "deflate", "zstd", "packbits"]),
    st.sampled_from(["<", ">"]),
    st.sampled_from([None, (16, 16), (32, 16)]),
    st.booleans(),
    st.booleans(),
)
def test_grey_of_any_depth_and_storage(kind, photometric, compression, order, tile, predict, big):
    values = GREY.astype(np.int64) - (128 if kind.startswith("int") else 0)
    values = (values * {1: 1, 2: 100, 4: 9000, 8: 0.125}[np.dtype(kind).itemsize]).astype(kind)
    predictor = predict and compression in ("lzw", "deflate", "zstd") and tile is None
    data = tiff(
        values,
        photometric=photometric,
        compression=compression,
        byteorder=order,
        tile=tile,
        predictor=predictor or None,
        bigtiff=big,
    )
    expected = values.astype(float) if kind == "uint8" else spread(values)
    expected = 255 - expected if photometric == "miniswhite" else expected
    assert np.abs(shown(data)[..., 0] - expected).max() <= 1
    assert ("0 is white" in decode(data).notes) == (photometric == "miniswhite")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["uint8", "uint16"]),
    st.sampled_from(["contig", "separate"]),
    st.sampled_from([None, "lzw", "deflate"]),
    st.sampled_from(["<", ">"]),
    st.sampled_from([None, (16, 16)]),
    st.sampled_from([None, 1, 7]),
)
def test_colour_together_or_in_planes(kind, planar, compression, order, tile, rows):
    values = COLOURS if kind == "uint8" else COLOURS.astype(np.uint16) * 257
    written = np.moveaxis(values, -1, 0) if planar == "separate" else values
    data = tiff(
        np.ascontiguousarray(written),
        photometric="rgb",
        planarconfig=planar,
        compression=compression,
        byteorder=order,
        tile=tile,
        rowsperstrip=rows if tile is None else None,
    )
    assert np.array_equal(shown(data), COLOURS)
    assert decode(data).notes == ()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_of_fewer_bits_than_its_samples_is_not_dark(bits, planar):
    values = (COLOURS.astype(np.uint32) * (2**bits - 1) // 255).astype(np.uint16)
    written = np.moveaxis(values, -1, 0) if planar == "separate" else values
    data = tiff(np.ascontiguousarray(written), photometric="rgb", planarconfig=planar)
    assert np.abs(shown(data).astype(int) - COLOURS).max() <= 1
    expected = () if bits == 16 else (f"16-bit colour, {bits} bits used",)
    assert decode(data).notes == expected


@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12, 14])
def test_packed_samples(bits):
    most = 2**bits - 1
    values = (GREY.astype(np.uint32) * most // 255).astype(np.uint8 if bits <= 8 else np.uint16)
    data = tiff(values, photometric="minisblack", bitspersample=bits)
    expected = np.round(values * (255 / most)) if bits <= 8 else spread(values)
    assert np.abs(shown(data)[..., 0] - expected).max() <= 1


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("pack", [None, "packbits", "ccitt"])
def test_one_bit_in_both_senses(photometric, pack):
    bits = GREY > 127
    if pack == "ccitt":
        data = BytesIO()
        Image.fromarray(bits).save(
            data, "TIFF", compression="group4", tiffinfo={262: int(photometric == "minisblack")}
        )
        encoded = data.getvalue()
        expected = np.asarray(Image.open(BytesIO(encoded)).convert("L")) > 127
        assert np.array_equal(shown(encoded)[..., 0] > 127, expected)
        return
    encoded = tiff(bits, photometric=photometric, compression=pack)
    expected = bits if photometric == "minisblack" else ~bits
    assert np.array_equal(shown(encoded)[..., 0] > 127, expected)
    assert "1-bit" in decode(encoded).notes


def test_a_palette_of_sixteen_bits_is_looked_up():
    table = RANDOM.integers(0, 65_536, (3, 256), dtype=np.uint16)
    data = tiff(GREY, photometric="palette", colormap=table)
    assert np.array_equal(shown(data), (table >> 8).T[GREY])
    assert decode(data).notes == ("palette",)


def test_a_palette_wrongly_written_in_eight_bits_is_not_black():
    table = RANDOM.integers(0, 256, (3, 256), dtype=np.uint16)
    data = tiff(GREY, photometric="palette", colormap=table)
    assert np.array_equal(shown(data), table.T[GREY])
    assert decode(data).notes == ("palette", "palette of 8 bits")


def test_cmyk_is_converted_as_pillow_does():
    inks = RANDOM.integers(0, 256, (40, 56, 4), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(inks, mode="CMYK").convert("RGB"))
    assert np.array_equal(shown(tiff(inks, photometric="separated")), expected)
    deep = inks.astype(np.uint16) * 257
    assert np.array_equal(shown(tiff(deep, photometric="separated")), expected)


def srgb_of_lab(lightness: float, a: float, b: float) -> list[float]:
    """CIE 15:2004 inverted with the white of D50, and IEC 61966-2-1 with Bradford's adaptation."""
    y = (lightness + 16) / 116
    lengths = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(lengths > 6 / 29, lengths**3, 3 * (6 / 29) ** 2 * (lengths - 4 / 29))
    matrix = [[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]]
    linear = np.clip(np.array(matrix) @ (xyz * [0.9642, 1.0, 0.8251]), 0, 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (255 * curve).tolist()


@pytest.mark.parametrize("lab", [(255, 0, 0), (128, 0, 0), (120, 20, 10), (150, -15, 20)])
@pytest.mark.parametrize("offset", [False, True])
def test_cie_lab_has_the_colours_of_its_definition(lab, offset):
    values = np.array(lab) + ([0, 128, 128] if offset else [0, 0, 0])
    pixels = np.broadcast_to(values.astype(np.int16).astype(np.uint8), (20, 20, 3))
    data = tiff(np.ascontiguousarray(pixels), photometric="icclab" if offset else "cielab")
    expected = srgb_of_lab(lab[0] / 2.55, lab[1], lab[2])
    assert np.abs(shown(data)[3, 3] - expected).max() <= 3
    assert "CIE L*a*b*" in decode(data).notes


def test_padding_is_left_out_of_the_range_and_named():
    for value, kind in ((-32768, "int16"), (-3.4028235e38, "float32"), (65535, "uint16")):
        values = (GREY.astype(float) * 4).astype(kind)
        padded = values.copy()
        padded[5:12, 5:20] = value
        outside = np.ones(GREY.shape, bool)
        outside[5:12, 5:20] = False
        data = tiff(padded, photometric="minisblack")
        assert np.abs(shown(data)[..., 0] - spread(values))[outside].max() <= 1
        assert set(shown(data)[5:12, 5:20].ravel()) == {255 if value > 0 else 0}
        assert any("in 105 of 2240 pixels left out" in note for note in decode(data).notes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_number_are_padding(value):
    values = GREY.astype(np.float32) / 7
    padded = values.copy()
    padded[3, 4:9] = value
    data = tiff(padded, photometric="minisblack")
    differences = np.abs(shown(data)[..., 0] - spread(values))
    differences[3, 4:9] = 0
    assert differences.max() <= 1
    assert "padding NaN or infinity in 5 of 2240 pixels left out of the range" in decode(data).notes


def test_two_paddings_and_the_one_that_gdal_names():
    values = GREY.astype(np.float32)
    padded = values.copy()
    padded[0, 2:6], padded[1, 2:6], padded[2, 2:6] = -9999, 1e30, 17.5
    data = tiff(padded, photometric="minisblack", extratags=[(42113, "s", 0, "17.5", True)])
    told = decode(data).notes
    assert [note.split()[1] for note in told if note.startswith("padding")] == [
        "17.5",
        "1e+30",
        "-9999",
    ]
    assert np.abs(shown(data)[3:, :, 0] - spread(values)[3:]).max() <= 1


def test_an_extreme_value_of_a_drawing_is_no_padding():
    values = np.zeros((40, 56), np.uint16)
    values[5:9] = 3
    values[20:30, 20:30] = 60_000
    assert decode(tiff(values, photometric="minisblack")).notes == (
        "16-bit, min-max 0..60000",
        "2 levels only",
    )


def test_a_reduced_copy_or_a_mask_before_the_image_is_passed_over():
    data = BytesIO()
    with tifffile.TiffWriter(data) as file:
        file.write(COLOURS[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
        file.write(GREY > 99, photometric="minisblack", subfiletype=4, metadata=None)
        file.write(COLOURS, photometric="rgb", metadata=None)
        file.write(COLOURS[::-1], photometric="rgb", metadata=None)
    assert np.array_equal(shown(data.getvalue()), COLOURS)
    assert decode(data.getvalue()).notes == (
        "first of 2 frames",
        "page 3: those before it are reduced copies or masks",
    )


def in_a_chain(*following):
    """A grey TIFF of 4 x 4 whose pages are at these places, each naming the next."""
    tags = ((256, 4), (257, 4), (258, 8), (259, 1), (262, 1), (273, 4000), (277, 1), (278, 4))
    page = struct.pack("<H", len(tags) + 1)
    page += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in (*tags, (279, 16)))
    pages = b"".join(page + struct.pack("<I", each) for each in following)
    return (b"II*\0" + struct.pack("<I", 8) + pages).ljust(4016, b"\7")


PAGE = 2 + 9 * 12 + 4
"""Bytes of a page of such a file."""


@pytest.mark.timeout(20)
@pytest.mark.parametrize("following", [(8,), (8 + PAGE, 8), (8 + PAGE, 8 + PAGE)])
def test_pages_that_lead_back_to_an_earlier_one_are_refused(following):
    """Two hundred bytes would be read for ever."""
    with pytest.raises(ImageError, match=f"page {len(following) + 1} of the TIFF leads back"):
        decode(in_a_chain(*following))
    assert decode(in_a_chain(8 + PAGE, 0)).notes[0] == "first of 2 frames"


def test_pages_are_counted_to_a_bound(monkeypatch):
    monkeypatch.setattr("resolution_eval.pixels.tiff.MAX_PAGES", 3)
    chain = in_a_chain(*(8 + PAGE * n for n in range(1, 20)), 0)
    assert decode(chain).notes[0] == "first of 3 frames, or more"


def test_a_file_of_reduced_copies_alone_is_refused():
    with pytest.raises(ImageError, match="reduced copy or a mask"):
        decode(tiff(COLOURS, photometric="rgb", subfiletype=1))


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_extra_samples_mean_what_they_say(kind, depth):
    alpha = np.linspace(30, 255, 40 * 56).astype(np.uint8).reshape(40, 56)
    colours = COLOURS
    if kind == "assocalpha":
        colours = (COLOURS * (alpha[..., None] / 255)).astype(np.uint8)
    values = np.dstack([colours, alpha]).astype(depth) * (257 if depth == "uint16" else 1)
    data = tiff(values, photometric="rgb", extrasamples=[kind])
    share = alpha[..., None] / 255
    expected = COLOURS * share + 255 * (1 - share)
    expected = COLOURS if kind == "unspecified" else expected
    assert np.abs(shown(data) - expected).max() <= 2


def test_channels_called_grey_are_refused_by_name():
    data = tiff(COLOURS, photometric="minisblack", planarconfig="contig", extrasamples=[0, 0])
    with pytest.raises(ImageError, match="3 samples a pixel, but calls them grey"):
        decode(data)


@pytest.mark.parametrize("photometric", ["cfa", "logl"])
def test_what_is_not_read_is_named_with_the_remedy(photometric):
    data = tiff(GREY.astype(np.uint16), photometric=photometric)
    with pytest.raises(ImageError, match="which is not read; save it as grey or RGB"):
        decode(data)


def test_complex_numbers_are_refused():
    with pytest.raises(ImageError, match="complex"):
        decode(tiff(GREY.astype(np.complex64), photometric="minisblack"))


def test_float_colour_of_one_is_multiplied_and_of_more_is_spread():
    values = COLOURS.astype(np.float32) / 255
    assert np.array_equal(shown(tiff(values, photometric="rgb")), COLOURS)
    data = tiff(values * 10 - 3, photometric="rgb")
    assert np.abs(shown(data).astype(int) - COLOURS).max() <= 1
    assert decode(data).notes == ("32-bit colour, min-max -3..7",)


@pytest.mark.parametrize("codec", ["jpeg", "jpeg2000", "jpegxl", "webp"])
def test_modern_codecs_within_tiff(codec):
    smooth = np.asarray(Image.fromarray(COLOURS[:8, :8]).resize((64, 48), 3))
    lossless = {} if codec == "jpeg" else {"compressionargs": {"lossless": True}}
    if codec == "jpeg2000":
        lossless = {"compressionargs": {"reversible": True}}
    data = tiff(smooth, photometric="rgb", compression=codec, tile=(16, 16), **lossless)
    assert np.abs(shown(data).astype(int) - smooth).max() <= (40 if codec == "jpeg" else 0)


def test_a_damaged_jpeg_tile_fails():
    data = bytearray(tiff(COLOURS, photometric="ycbcr", compression="jpeg", tile=(16, 16)))
    with tifffile.TiffFile(BytesIO(bytes(data))) as file:
        start, count = file.pages[0].dataoffsets[3], file.pages[0].databytecounts[3]
    middle = start + count * 2 // 3
    data[middle : middle + count // 5] = bytes(count // 5)
    with pytest.raises(ImageError, match=r"damaged|cut short"):
        decode(bytes(data))


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "zstd"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_file_cut_within_its_pixels_fails(compression, tile):
    data = tiff(COLOURS, photometric="rgb", compression=compression, tile=tile)
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages[0]
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)))
    for cut in (end - 1, end - len(data) // 3):
        with pytest.raises(ImageError):
            decode(data[:cut])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_deep_and_of_planar_files(orientation):
    values = COLOURS.astype(np.uint16) * 257
    data = tiff(
        np.ascontiguousarray(np.moveaxis(values, -1, 0)),
        photometric="rgb",
        planarconfig="separate",
        extratags=[(274, "H", 1, orientation, True)],
    )
    turned = {
        1: COLOURS,
        2: COLOURS[:, ::-1],
        3: COLOURS[::-1, ::-1],
        4: COLOURS[::-1],
        5: COLOURS.transpose(1, 0, 2),
        6: COLOURS.transpose(1, 0, 2)[:, ::-1],
        7: COLOURS.transpose(1, 0, 2)[::-1, ::-1],
        8: COLOURS.transpose(1, 0, 2)[::-1],
    }[orientation]
    assert np.array_equal(shown(data), turned)


def test_of_a_volume_in_one_page_the_first_slice_is_shown_and_that_is_noted():
    slices = np.random.default_rng(0).integers(0, 256, (4, 32, 48), dtype=np.uint8)
    data = BytesIO()
    tifffile.imwrite(data, slices, photometric="minisblack", volumetric=True, tile=(16, 16, 16))
    found = decode(data.getvalue())
    assert np.array_equal(np.asarray(found.image)[..., 0], slices[0])
    assert "first of 4 slices" in found.notes
