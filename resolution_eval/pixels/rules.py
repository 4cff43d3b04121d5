"""Rules: how pixels of any depth become 8-bit RGB; each that changes something says so."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.raster import Raster, Values

CONSTANT_GREY = 128
"""What deep grey of pixels all alike becomes: it has no range to spread."""
FEW_LEVELS = 16
"""A picture with fewer levels is noted: a sign of a range or depth read wrongly. One of fewer than
16 times 16 pixels is too small to tell.
"""
COLOUR_BITS = (8, 10, 12, 14, 16)
"""Depths that colour of 16 bits may really have: the least that holds its largest value."""
_MOST_PADDING = 4

RULES: tuple[tuple[str, str, str], ...] = (
    ("8-bit colour", "as it is; no colour profile and no gamma is applied", ""),
    ("8-bit grey, palette, 1-bit", "three equal channels, or looked up", "greyscale"),
    (
        "grey of more than 8 bits, signed or float",
        "spread linearly from its own lowest to its own highest value",
        "16-bit, min-max 12..4000",
    ),
    (
        "colour of 16 bits",
        "divided by the largest value of 8, 10, 12, 14 or 16 bits, the least that holds the image",
        "16-bit colour, 12 bits used",
    ),
    (
        "colour of other depths, or float beyond 0 to 1",
        "all channels spread together from the lowest to the highest value; float within 0 to 1 "
        "is multiplied by 255",
        "32-bit colour, min-max -3..7",
    ),
    (
        "padding: what the file names, NaN, infinity, or one value so far beyond all others that "
        "they would have less than half of the levels",
        "left out of the range and shown as its end",
        "padding -32768 in 1024 of 25600 pixels left out of the range",
    ),
    ("white is zero (TIFF tag 262 = 0, MONOCHROME1)", "inverted, at any depth", "0 is white"),
    (
        "deep grey of pixels all alike",
        f"{CONSTANT_GREY} everywhere",
        "16-bit, constant 7 shown as 128",
    ),
    ("an opacity below 1", "laid over white", "alpha over white"),
    ("an opacity of 1 everywhere", "left out", ""),
    ("an opacity of 0 everywhere", "failed; in BMP, where it means none, left out", ""),
    (
        "an opacity that leaves fewer than 16 levels of a picture that has more",
        "failed",
        "",
    ),
    (
        "a result with one level, or with fewer than 16",
        "kept, and noted",
        "all pixels are (9, 9, 9)",
    ),
    ("an EXIF orientation", "applied", "exif orientation 6 applied"),
)
"""What a file has, what is done, and an example of the note that says so."""


def to_rgb(raster: Raster) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The pixels of `raster` as 8-bit RGB, not yet turned, and all its notes.

    Raises:
        ImageError: its opacity hides it, or it has no pixel that is a number.
    """
    alpha, alpha_notes = _opacity(raster)
    if raster.values.dtype != np.uint8:
        values, notes = _shallow(raster, None if alpha is None else alpha > 0)
    elif raster.white_is_zero:
        values, notes = 255 - raster.values, ("0 is white",)
    else:
        values, notes = raster.values, ()
    if alpha is not None:
        values = _over_white(values, alpha, associated=raster.associated)
    _refuse_hidden(raster, values, alpha)
    rgb = np.ascontiguousarray(values if values.ndim == 3 else np.dstack([values] * 3))
    noted = (*raster.notes, *notes, *alpha_notes)
    return rgb, (*noted, *_levels_note(raster, rgb, noted))


def _opacity(raster: Raster) -> tuple[Values | None, tuple[str, ...]]:
    """The opacity that counts, and its note."""
    alpha = raster.alpha
    if alpha is None or bool((alpha >= 1).all()):
        return None, ()
    if alpha.any():
        return alpha, ("alpha over white",)
    if raster.alpha_ignorable:
        return None, ("alpha 0 everywhere, left out",)
    raise ImageError(
        "the image is transparent everywhere (alpha 0 in all of its pixels): nothing of it would "
        "be seen; save it without its alpha channel if that means nothing"
    )


def _over_white(values: Values, alpha: Values, *, associated: bool) -> NDArray[np.uint8]:
    share = alpha if values.ndim == 2 else alpha[..., None]
    laid = (values if associated else values * share) + 255 * (1 - share)
    whole: NDArray[np.uint8] = np.floor(laid.clip(0, 255) + 0.5).astype(np.uint8)
    return whole


def _refuse_hidden(raster: Raster, shown: Values, alpha: Values | None) -> None:
    if alpha is None or _levels(shown) >= FEW_LEVELS or _levels(raster.values) < FEW_LEVELS:
        return
    raise ImageError(
        f"the image's transparency hides it (its largest alpha is {float(alpha.max()):.3g} of 1): "
        f"of its {_levels(raster.values)} levels fewer than {FEW_LEVELS} would be seen; save it "
        "without its alpha channel if that means nothing"
    )


def _levels(values: Values) -> int:
    """How many values the channel with the most has."""
    channels = values.reshape(-1, values.shape[2]).T if values.ndim == 3 else [values]
    return max(len(np.unique(channel)) for channel in channels)


def _levels_note(raster: Raster, rgb: NDArray[np.uint8], notes: tuple[str, ...]) -> tuple[str, ...]:
    small = rgb.shape[0] * rgb.shape[1] < FEW_LEVELS**2
    if small or raster.few_levels or any("constant" in note for note in notes):
        return ()
    levels = _levels(rgb)
    if levels == 1 and not (rgb != rgb[0, 0]).any():
        return (f"all pixels are ({', '.join(map(str, rgb[0, 0].tolist()))})",)
    return (f"{levels} levels only",) if levels < FEW_LEVELS else ()


# --- depth


class _Range(NamedTuple):
    low: float
    high: float
    notes: tuple[str, ...] = ()


def _shallow(raster: Raster, opaque: NDArray[np.bool_] | None) -> tuple[Values, tuple[str, ...]]:
    """Deep pixels in 8 bits; those that are not opaque do not count for the range."""
    depth = f"{raster.bits}-bit"
    inverted = ("0 is white",) if raster.white_is_zero else ()
    if raster.values.ndim == 2:
        limits = _grey_range(raster, opaque)
        kind = "window" if raster.window else "min-max"
        told = f"{depth}, {kind} {limits.low:g}..{limits.high:g}"
        if limits.low == limits.high:
            constant = f"{depth}, constant {limits.low:g} shown as {CONSTANT_GREY}"
            grey = np.full(raster.values.shape, CONSTANT_GREY, np.uint8)
            return grey, (constant, *limits.notes)
    else:
        limits, told = _colour_range(raster, opaque, depth)
    spread = _spread(raster.values, limits.low, limits.high)
    spread = 255 - spread if raster.white_is_zero else spread
    return spread, (*([told] if told else []), *inverted, *limits.notes)


def _spread(values: Values, low: float, high: float) -> NDArray[np.uint8]:
    with np.errstate(invalid="ignore", over="ignore"):
        clipped = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
        clipped = clipped.clip(low, high)
        return np.floor((clipped - low) / (high - low) * 255 + 0.5).astype(np.uint8)


def _grey_range(raster: Raster, opaque: NDArray[np.bool_] | None) -> _Range:
    if raster.window:
        return _Range(*raster.window)
    values = raster.values[opaque] if opaque is not None else raster.values.ravel()
    return _range(values, raster.padding)


def _range(values: Values, named: tuple[float, ...]) -> _Range:
    """Lowest and highest of `values` without padding; refused where nothing remains."""
    total, notes = values.size, []
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            notes.append(_padding_note("NaN or infinity", total - int(finite.sum()), total))
        values = values[finite]
    for value in named:
        chosen = values == np.asarray(value).astype(values.dtype)
        if chosen.any() and not chosen.all():
            notes.append(_padding_note(f"{value:g}", int(chosen.sum()), total))
            values = values[~chosen]
    if not values.size:
        raise ImageError(
            "the image has no pixel that is a finite number (NaN or infinite everywhere)"
        )
    levels, counts = np.unique(values, return_counts=True)
    low, high = 0, len(levels) - 1
    for _ in range(_MOST_PADDING):
        end = _lone_end(levels[low : high + 1])
        if end is None:
            break
        at = low if end == 0 else high
        notes.append(_padding_note(f"{float(levels[at]):g}", int(counts[at]), total))
        low, high = (low + 1, high) if end == 0 else (low, high - 1)
    return _Range(float(levels[low]), float(levels[high]), tuple(notes))


def _padding_note(value: str, count: int, total: int) -> str:
    return f"padding {value} in {count} of {total} pixels left out of the range"


def _lone_end(levels: Values) -> int | None:
    """0 or -1: the end of ascending `levels` that lies further off than all others are apart.

    The rest must be a picture, of `FEW_LEVELS` levels: in a drawing of few values an end is no
    padding.
    """
    if len(levels) <= FEW_LEVELS:
        return None
    wide = levels.astype(np.longdouble)
    below, above = wide[1] - wide[0], wide[-1] - wide[-2]
    end, gap = (0, below) if below >= above else (-1, above)
    rest = wide[-1] - wide[1] if end == 0 else wide[-2] - wide[0]
    return end if gap > rest else None


def _colour_range(
    raster: Raster, opaque: NDArray[np.bool_] | None, depth: str
) -> tuple[_Range, str]:
    """The range that colours are shown in, the same for all channels, and its note."""
    if raster.window:
        return _Range(*raster.window), ""
    values = raster.values[opaque] if opaque is not None else raster.values
    if values.dtype.kind == "u" and raster.bits <= 16:
        most = int(values.max(initial=0))
        bits = min(raster.bits, next(bits for bits in COLOUR_BITS if most < 2**bits))
        told = "" if bits == raster.bits else f"{depth} colour, {bits} bits used"
        return _Range(0, 2**bits - 1), told
    limits = _range(values.ravel(), raster.padding)
    if values.dtype.kind == "f" and limits.low >= 0 and limits.high <= 1:
        return _Range(0, 1, limits.notes), ""
    if limits.low == limits.high:
        return _Range(limits.low, limits.low + 1, limits.notes), f"{depth} colour, all pixels alike"
    return limits, f"{depth} colour, min-max {limits.low:g}..{limits.high:g}"
