"""Resolutions: points on the sweep's axis, the sizes they stand for, and a checkpoint's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Literal
from unicodedata import normalize

from resolution_eval.ground.errors import UsageError


@dataclass(frozen=True)
class MicronsPerPixel:
    """How many µm of a whole slide one pixel is: a resolution as pathologists mean it.

    The pixels that it makes of a slide, or of a region of it, are its extent in µm over `value`;
    they differ from slide to slide, and are attested for each.
    """

    value: float

    def __post_init__(self) -> None:
        exact = float(f"{self.value:.6g}") == self.value
        if not (LEAST_MICRONS <= self.value <= MOST_MICRONS and exact):
            raise ValueError(
                f"µm per pixel are {LEAST_MICRONS} to {MOST_MICRONS} with at most six digits, "
                f"received {self.value!r}"
            )

    def __str__(self) -> str:
        return f"{self.value:.6g}um"


LEAST_MICRONS, MOST_MICRONS = 0.001, 10_000

PixelResolution = int | Literal["native"]
"""A pixel budget of r·r, named by its edge r in pixels, or `native`: the source, untouched."""
Resolution = PixelResolution | MicronsPerPixel
"""A point on the sweep's axis; a sweep is in pixels or in µm per pixel, never in both."""

NATIVE: Literal["native"] = "native"
LARGEST = 65_535
"""Largest edge in pixels that is taken as a resolution (also the largest side of a JPEG)."""

TRAINING_FORMS = "fixed:224, native, mixed:[64,224], mixed:[224,native] or unknown"


@dataclass(frozen=True)
class Size:
    """Width and height in pixels, each at least 1."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a size is at least 1x1 pixels, received {self}")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


_MICRONS = re.compile(
    r"(?P<number>\d+(\.\d*)?|\.\d+) *(um|\u03bcm|microns?|mpp)( *(/|per) *(px|pixels?))?",
    re.ASCII,
)
"""µm per pixel, in lower case and with one kind of µ."""


def parse_resolution(text: str | int) -> Resolution:
    """The resolution named by `text`: a whole number of pixels, "native", or µm per pixel.

    Example:
        >>> parse_resolution("224"), parse_resolution("native"), str(parse_resolution("0.50 µm/px"))
        (224, 'native', '0.5um')

    Raises:
        UsageError: `text` is none of them, or outside 1..65535 pixels or 0.001..10000 µm.
    """
    spelt = normalize("NFKC", text).strip().casefold() if isinstance(text, str) else ""
    if match := _MICRONS.fullmatch(spelt):
        try:
            return MicronsPerPixel(float(match["number"]))
        except ValueError as error:
            raise UsageError(f"no resolution {text!r}: {error}") from error
    return parse_pixels(text)


def parse_pixels(text: str | int) -> PixelResolution:
    """The resolution named by `text`: a whole number of pixels, or "native".

    Raises:
        UsageError: `text` is neither, or outside 1..65535.
    """
    word = str(text).strip()
    if word == NATIVE and isinstance(text, str):
        return NATIVE
    digits = word.isascii() and word.isdecimal() and len(word) <= len(str(LARGEST))
    if isinstance(text, bool) or not digits or not 1 <= int(word) <= LARGEST:
        raise UsageError(
            f"no resolution {text!r}; give the edge in pixels of the square budget, "
            f'1 to {LARGEST}, or "native" (µm per pixel, "0.5um", are for whole slides: '
            "resolution-eval run --tasks folder_res --data PATH)"
        )
    return int(word)


def label(r: Resolution) -> str:
    """Name of a resolution in results, "28", "native" or "0.5um"; `parse_resolution` reads it
    back.
    """
    return str(r)


def ascending(r: Resolution) -> tuple[bool, float]:
    """Sort key of a sweep: by edge in pixels, native last; from coarse to fine in µm per pixel."""
    if isinstance(r, MicronsPerPixel):
        return False, -r.value
    return (True, 0) if r == NATIVE else (False, r)


def in_microns(resolutions: Sequence[Resolution]) -> bool:
    """Whether a sweep has resolutions in µm per pixel.

    Example:
        >>> in_microns([MicronsPerPixel(0.5)]), in_microns([28, "native"])
        (True, False)
    """
    return any(isinstance(r, MicronsPerPixel) for r in resolutions)


def budget_size(source: Size, r: Resolution) -> Size:
    """Size in pixels at which an image of size `source` is shown at `r`.

    What was read at some µm per pixel has them already, and stays as it is. Else at most r·r
    pixels, the aspect ratio kept to within 1.5 pixels a side, never above the source; `native` is
    the source. Each side keeps at least one pixel: an image so slim that its aspect ratio does not
    fit into the budget keeps the budget. The arithmetic is on whole numbers, exact.

    Source: a budget with the aspect ratio kept, as in arXiv:2510.18304 (50,176 = 224·224 pixels).

    Example:
        >>> budget_size(Size(360, 363), 224)
        Size(width=223, height=225)
    """
    if isinstance(r, MicronsPerPixel) or r == NATIVE or r * r >= source.pixels:
        return source
    budget = r * r
    long, short = max(source.width, source.height), min(source.width, source.height)
    new_long = min(_rounded_root(budget * long, short), budget, long)
    new_short = max(1, min(_rounded_root(budget * short, long), budget // new_long))
    wide = source.width >= source.height
    return Size(new_long, new_short) if wide else Size(new_short, new_long)


def restored_size(source: Size, edge: int) -> Size:
    """Size in pixels of a budget of edge·edge in the source's aspect ratio, above the source too.

    Only for scheme `restore`, which enlarges to the training grid and says so.

    Example:
        >>> restored_size(Size(30, 20), 60)
        Size(width=73, height=49)
    """
    budget = edge * edge
    width = _rounded_root(budget * source.width, source.height)
    height = _rounded_root(budget * source.height, source.width)
    return Size(max(1, width), max(1, height))


def _rounded_root(numerator: int, denominator: int) -> int:
    """Square root of a fraction, to the nearest whole number, half up."""
    return (isqrt(4 * numerator // denominator) + 1) // 2


def is_capped(source: Size, r: Resolution) -> bool:
    """Whether the budget of `r` exceeds the source, so that `r` gives no more than the source.

    Example:
        >>> is_capped(Size(200, 100), 224), is_capped(Size(200, 100), "native")
        (True, False)
    """
    return isinstance(r, int) and r * r > source.pixels


def patch_size_fit(size: Size, patch: int) -> Size:
    """`size` with each side at the nearest multiple of `patch` (half up), at least one patch.

    Example:
        >>> patch_size_fit(Size(223, 21), 14)
        Size(width=224, height=28)
    """
    if patch < 1:
        raise ValueError(f"a patch is at least 1 pixel, received {patch}")
    return Size(_nearest_multiple(size.width, patch), _nearest_multiple(size.height, patch))


def _nearest_multiple(length: int, patch: int) -> int:
    return max(1, (2 * length + patch) // (2 * patch)) * patch


@dataclass(frozen=True)
class TrainingResolution:
    """Grid resolution at which a checkpoint was trained, as its card declares it."""

    kind: Literal["fixed", "native", "mixed", "unknown"]
    members: tuple[PixelResolution, ...] = ()
    """The resolution of `fixed`, the two or more of `mixed` (ascending, native last), else none."""

    def __post_init__(self) -> None:
        expected = {"fixed": len(self.members) == 1, "mixed": len(self.members) >= 2}
        canonical = tuple(sorted(set(self.members), key=ascending)) == self.members
        if not expected.get(self.kind, not self.members) or not canonical:
            raise ValueError(f"{self.kind} training cannot have the members {self.members}")
        if self.kind == "fixed" and self.members == (NATIVE,):
            raise ValueError("training at fixed:native is written native")

    @classmethod
    def parse(cls, text: str) -> TrainingResolution:
        """Read `fixed:N`, `native`, `mixed:[A,B,...]` or `unknown`.

        Example:
            >>> str(TrainingResolution.parse("mixed:[native, 224]"))
            'mixed:[224,native]'

        Raises:
            UsageError: `text` is none of these forms.
        """
        word = text.strip()
        if word in ("native", "unknown"):
            return cls("native") if word == "native" else cls("unknown")
        kind, _, rest = word.partition(":")
        try:
            if kind == "fixed":
                return cls("fixed", (parse_pixels(rest),))
            if kind == "mixed" and rest.startswith("[") and rest.endswith("]"):
                members = {parse_pixels(part) for part in rest[1:-1].split(",")}
                return cls("mixed", tuple(sorted(members, key=ascending)))
        except ValueError as error:
            raise UsageError(
                f"no training resolution {text!r} ({error}); write {TRAINING_FORMS}"
            ) from error
        raise UsageError(f"no training resolution {text!r}; write {TRAINING_FORMS}")

    def __str__(self) -> str:
        names = ",".join(label(member) for member in self.members)
        return {"fixed": f"fixed:{names}", "mixed": f"mixed:[{names}]"}.get(self.kind, self.kind)

    def reference(self, resolutions: Sequence[Resolution]) -> Resolution | None:
        """r*, the member of the sweep `resolutions` to compare with; None where the sweep has none.

        fixed: that resolution, if it is in the sweep. native: the sweep's largest, `native` above
        all numbers, the finest of µm per pixel. mixed: the largest of its members that is in the
        sweep. unknown: none.

        Example:
            >>> TrainingResolution.parse("mixed:[16,64]").reference((16, 32, 64, 128))
            64
        """
        trained_at = resolutions if self.kind == "native" else self.members
        present = [r for r in trained_at if r in resolutions]
        return max(present, key=ascending, default=None)


def training_size(training: TrainingResolution, source: Size) -> Size:
    """Size in pixels of the training grid in the source's aspect ratio; may exceed the source.

    Example:
        >>> training_size(TrainingResolution.parse("fixed:60"), Size(30, 20))
        Size(width=73, height=49)

    Raises:
        UsageError: the training resolution is unknown.
    """
    if training.kind == "unknown":
        raise UsageError(
            "scheme=restore needs the training resolution; give train_resolution=fixed:N"
        )
    edge = max(training.members, key=ascending, default=NATIVE)
    return restored_size(source, edge) if isinstance(edge, int) else source
