"""Whole slides at a size of their pixels in µm, of files in the form of a scanner's."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

pytest.importorskip("openslide", reason="the extra `wsi` is not installed")
from resolution_eval.ground.errors import ImageError, UsageError
from resolution_eval.images import decode
from resolution_eval.pixels.display_choices import EncodedImage, Options, checked

CELLS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
FINEST = CELLS.repeat(8, 0).repeat(8, 1)
"""480 x 320 pixels: blocks of eight, each of one colour, so that every reduction is exact."""


def aperio(microns: float = 0.25, finest: np.ndarray = FINEST) -> bytes:
    """Levels of 1 and 4, with the thumbnail between them where Aperio's scanners put it."""
    rows, columns = finest.shape[:2]
    told = f"Aperio Image Library v11.2.1 \n{columns}x{rows}|AppMag = 40|MPP = {microns}"
    common = {"photometric": "rgb", "description": told, "metadata": None}
    data = BytesIO()
    with tifffile.TiffWriter(data) as file:
        file.write(finest, tile=(128, 128), **common)
        file.write(np.ascontiguousarray(finest[::8, ::8]), rowsperstrip=16, **common)
        file.write(np.ascontiguousarray(finest[::4, ::4]), tile=(128, 128), **common)
    return data.getvalue()


def tagged(per_centimetre: tuple[float, float]) -> bytes:
    """A tiled TIFF whose resolution tags say how large a pixel is."""
    data = BytesIO()
    tifffile.imwrite(
        data,
        FINEST,
        tile=(128, 128),
        photometric="rgb",
        resolution=per_centimetre,
        resolutionunit="CENTIMETER",
        metadata=None,
    )
    return data.getvalue()


def at(data: bytes, microns: float, **more) -> tuple[np.ndarray, tuple[str, ...]]:
    found = decode(EncodedImage.of(data, Options(microns=microns, **more)))
    return np.asarray(found.image), found.notes


@pytest.mark.parametrize(
    ("microns", "step", "level"),
    [(0.25, 1, 0.25), (0.5, 2, 0.25), (1, 4, 1), (2, 8, 1)],
)
def test_a_slide_is_shown_at_the_size_of_pixels_asked_for(microns, step, level):
    pixels, notes = at(aperio(), microns)
    assert pixels.shape == (320 // step, 480 // step, 3)
    assert np.array_equal(pixels, FINEST[::step, ::step])
    assert f"slide at {microns:g} um per pixel, from its level of {level:g} um" in notes


def test_a_coarser_size_averages_what_its_pixels_cover():
    pixels, _ = at(aperio(), 4)
    mean = CELLS.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))
    assert np.abs(pixels - mean).max() <= 1


def test_pixels_that_are_no_squares_become_so():
    pixels, _ = at(tagged((1e4 / 0.25, 1e4 / 0.5)), 0.5)
    assert pixels.shape == (320, 240, 3)
    assert np.array_equal(pixels, FINEST[:, ::2])


def test_without_a_size_the_finest_level_is_an_image_as_any():
    assert np.array_equal(np.asarray(decode(aperio()).image), FINEST)


def plain() -> bytes:
    data = BytesIO()
    tifffile.imwrite(data, FINEST, tile=(128, 128), photometric="rgb", metadata=None)
    return data.getvalue()


def png() -> bytes:
    data = BytesIO()
    Image.fromarray(CELLS).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "microns", "more", "told"),
    [
        (aperio(), 0.1, {}, r"has 0\.25 µm per pixel, and 0\.1 were asked for"),
        (aperio(), 0.5, {"max_pixels": 1000}, "480x320 is 153600 pixels, limit 1000"),
        (plain(), 1, {}, "does not say how many µm a pixel is"),
        (png(), 1, {}, "it is PNG, which does not say how many µm"),
        (aperio(microns=0), 1, {}, "says that a pixel is 0 x 0 µm"),
        (aperio(microns=float("nan")), 1, {}, "says that a pixel is nan x nan µm|does not say"),
        (aperio()[:2000], 1, {}, "no slide that OpenSlide reads, or is damaged"),
    ],
    ids=["finer", "too large", "no size", "another format", "of nothing", "no number", "cut"],
)
def test_what_cannot_be_shown_at_a_size_fails_by_name(data, microns, more, told):
    with pytest.raises(ImageError, match=told) as failure:
        at(data, microns, **more)
    assert "/tmp" not in str(failure.value)


@pytest.mark.parametrize("microns", [0, -1, float("nan"), float("inf")])
def test_a_size_that_is_none_is_refused(microns):
    with pytest.raises(UsageError, match="give µm per pixel above 0"):
        checked({"microns": microns})
