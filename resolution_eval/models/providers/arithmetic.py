"""The arithmetic of published resizing rules, on whole numbers and fractions: exact.

Each function takes a size in pixels and says what is left of it. Where the published words leave a
rounding open, nothing is decided here: `around` gives the sizes between which it lies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import isqrt

import numpy as np

from resolution_eval.resolution import Size

HALF = Fraction(1, 2)
LONGEST_ASPECT = 200
"""Qwen's processors refuse an image whose sides' ratio is larger."""


def pieces(size: Size, edge: int) -> int:
    """Squares of `edge` pixels that cover an image.

    Example:
        >>> pieces(Size(1000, 1000), 28)
        1296
    """
    return -(-size.width // edge) * -(-size.height // edge)


def scaled(size: Size, scale: Fraction, *, open_end: bool = False) -> Size:
    """`size` times `scale`, each side to the nearest pixel, half up.

    With `open_end` the scale is approached from below and not reached: half goes down.
    """
    return Size(*(_nearest(side * scale, open_end) for side in (size.width, size.height)))


def _nearest(length: Fraction, open_end: bool) -> int:
    whole = math.ceil(length - HALF) if open_end else math.floor(length + HALF)
    return max(1, whole)


def around(size: Size, scale: Fraction) -> tuple[Size, Size]:
    """`size` times `scale`, rounded down and rounded up."""
    sides = [side * scale for side in (size.width, size.height)]
    low, high = (Size(*(max(1, to(s)) for s in sides)) for to in (math.floor, math.ceil))
    return low, high


@lru_cache(maxsize=4096)
def shrunk(size: Size, *, patch: int, long_edge: int, tokens: int) -> Size:
    """The largest size, aspect ratio kept, whose long edge and number of patches are in bounds.

    The largest of all scales at which the sides, rounded to pixels, need no more than `tokens`
    patches of `patch` pixels. Anthropic's words ("scaled down, preserving the aspect ratio, until
    within the limits") leave the rounding open: a side may be one pixel off.

    Example:
        >>> shrunk(Size(1920, 1080), patch=28, long_edge=1568, tokens=1568)
        Size(width=1456, height=819)
    """
    edge = min(Fraction(1), Fraction(long_edge, max(size.width, size.height)))
    fitted = scaled(size, edge)
    if pieces(fitted, patch) <= tokens:
        return fitted
    most = min(tokens, -(-size.width // patch))
    limits = (_limit(size, patch, columns, tokens) for columns in range(1, most + 1))
    return scaled(size, min(edge, max(limits)), open_end=True)


def _limit(size: Size, patch: int, columns: int, tokens: int) -> Fraction:
    """The scale that leaves `columns` patches of width, or as much height as then is allowed."""
    rows = tokens // columns
    wide = (columns * patch + HALF) / size.width
    return min(wide, (rows * patch + HALF) / size.height)


def tile_scale(size: Size, *, box: int, short_side: int) -> Fraction:
    """Scale of an image fitted into `box` x `box` and then shrunk to `short_side`; 1 at most.

    Example:
        >>> tile_scale(Size(2048, 4096), box=2048, short_side=768)
        Fraction(3, 8)
    """
    long, short = max(size.width, size.height), min(size.width, size.height)
    return min(Fraction(1), Fraction(box, long), Fraction(short_side, short))


def patch_scale(size: Size, *, patch: int, patches: int | None, long_edge: int | None) -> Fraction:
    """Scale of an image fitted to `long_edge`, then shrunk until `patches` cover it; 1 at most.

    OpenAI's steps: r = sqrt(patch² · patches / (w · h)), then r is multiplied by the smaller of
    floor(w·r/patch) / (w·r/patch) and the same of the height, so that one side is whole patches.

    Example:
        >>> patch_scale(Size(1800, 2400), patch=32, patches=1536, long_edge=2048) * 1800
        Fraction(1056, 1)
    """
    fitted = min(Fraction(1), Fraction(long_edge or 2**31, max(size.width, size.height)))
    width, height = size.width * fitted, size.height * fitted
    if patches is None or math.ceil(width / patch) * math.ceil(height / patch) <= patches:
        return fitted
    columns = max(1, isqrt(math.floor(width * patches / height)))
    rows = max(1, isqrt(math.floor(height * patches / width)))
    return fitted * min(columns * patch / width, rows * patch / height)


def multiples(size: Size, *, factor: int, least: int, most: int) -> Size | None:
    """Each side at a multiple of `factor`, the pixels between `least` and `most`; None where the
    sides' ratio is refused.

    As Qwen's processors compute it, in floating point and with Python's rounding: the nearest
    multiple, half to even.

    Source: Wang et al. 2024, arXiv:2409.12191, section 2.1, and `smart_resize` of transformers.
    """
    width, height = size.width, size.height
    if max(width, height) / min(width, height) > LONGEST_ASPECT:
        return None
    high, wide = (max(factor, round(side / factor) * factor) for side in (height, width))
    if high * wide > most:
        beta = math.sqrt((height * width) / most)
        high, wide = (
            max(factor, math.floor(side / beta / factor) * factor) for side in (height, width)
        )
    elif high * wide < least:
        beta = math.sqrt(least / (height * width))
        high, wide = (math.ceil(side * beta / factor) * factor for side in (height, width))
    return Size(wide, high)


def aligned(size: Size, *, factor: int, least: int, most: int) -> Size:
    """As `multiples`, as llama.cpp computes it: in single precision, halves away from zero, and
    whatever the sides' ratio.

    Source: `calc_size_preserved_ratio` of llama.cpp, tools/mtmd/mtmd-image.cpp.
    """
    edge = np.float32(factor)
    sides = [np.float32(size.width), np.float32(size.height)]
    counts = [max(1, math.floor(side / edge + np.float32(0.5))) for side in sides]
    pixels = counts[0] * counts[1] * factor**2
    if pixels > most:
        beta = np.sqrt(sides[1] * sides[0] / np.float32(most))
        counts = [max(1, math.floor(side / beta / edge)) for side in sides]
    elif pixels < least:
        beta = np.sqrt(np.float32(least) / (sides[1] * sides[0]))
        counts = [math.ceil(side * beta / edge) for side in sides]
    return Size(counts[0] * factor, counts[1] * factor)


def nearby(size: Size, by: int = 1) -> Iterator[Size]:
    """Sizes whose sides are at most `by` pixels off."""
    for wide, high in product(range(-by, by + 1), repeat=2):
        yield Size(max(1, size.width + wide), max(1, size.height + high))
