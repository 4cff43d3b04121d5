"""The page of pixels: made from the rules, whose notes are notes that decoding really gives."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import tifffile
from PIL import Image

from resolution_eval.images import decode
from resolution_eval.pixels.rules import RULES
from tools.pixels_page import PAGE, page

RAMP = np.arange(2400).reshape(40, 60)


def tiff(values: np.ndarray, **options) -> bytes:
    data = BytesIO()
    tifffile.imwrite(data, values, metadata=None, **options)
    return data.getvalue()


def png(values: np.ndarray, **options) -> bytes:
    data = BytesIO()
    Image.fromarray(values).save(data, "PNG", **options)
    return data.getvalue()


def given() -> list[str]:
    """Every note that some files, one for each rule with a note, are given."""
    exif = Image.Exif()
    exif[0x0112] = 6
    eight = (RAMP % 256).astype(np.uint8)
    padded = RAMP.astype(np.int16)
    padded[0] = -32768
    colour = np.dstack([RAMP] * 3)
    files = [
        png(eight, exif=exif),
        tiff(RAMP.astype(np.uint16), photometric="miniswhite"),
        tiff((colour + 1000).astype(np.uint16), photometric="rgb"),
        tiff(colour.astype(np.float32) - 3, photometric="rgb"),
        tiff(padded, photometric="minisblack"),
        png(np.full((20, 20), 7, np.uint16)),
        png(np.full((20, 20, 3), 9, np.uint8)),
        png(np.dstack([eight, eight, eight, eight])),
    ]
    return [note for data in files for note in decode(data).notes]


def test_the_page_is_the_one_that_the_rules_make():
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_note_on_the_page_is_one_that_some_file_is_given():
    shapes = {re.sub(r"-?[0-9.]+", "N", note) for note in given()}
    for _, _, note in RULES:
        assert not note or re.sub(r"-?[0-9.]+", "N", note) in shapes, note
