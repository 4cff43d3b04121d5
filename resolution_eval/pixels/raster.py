"""Raster: the pixels of one image at the depth of their file, with what the file says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resolution_eval.ground.errors import ImageError

Values = NDArray[Any]
"""Pixels, rows by columns (grey) or rows by columns by three (RGB)."""


_MODES = {"1": "1-bit", "L": "greyscale", "LA": "greyscale", "P": "palette", "PA": "palette"}
"""Pillow's modes, as notes name them; others go by their own name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Raster:
    """Grey or RGB pixels of any depth, black at zero unless `white_is_zero`."""

    values: Values
    bits: int
    """Bits that a sample has in the file: 1 to 64."""
    alpha: Values | None = None
    """Opacity from 0 to 1, rows by columns; none where the file has none."""
    associated: bool = False
    """Whether the colours are already multiplied by the opacity."""
    white_is_zero: bool = False
    padding: tuple[float, ...] = ()
    """Values that the file itself says stand for no pixel."""
    window: tuple[float, float] | None = None
    """Lowest and highest value shown, where the file or the user says so."""
    orientation: int = 1
    """EXIF orientation, 1 (upright) to 8."""
    notes: tuple[str, ...] = ()
    alpha_ignorable: bool = False
    """Whether opacity of 0 everywhere means that there is none (BMP)."""
    shown_size: tuple[int, int] | None = None
    """Width and height that the pixels stand for, where that is fewer (a slide's, in µm)."""
    microns: tuple[float, float] | None = None
    """µm across and down that one of the pixels of `shown_size` is; none where nobody says."""
    few_levels: bool = False
    """Whether few levels are the file's own and already said (1-bit)."""

    def __post_init__(self) -> None:
        if self.values.ndim not in (2, 3) or (self.values.ndim == 3 and self.values.shape[2] != 3):
            raise ValueError(f"grey or RGB pixels are needed, received {self.values.shape}")


def of_pillow(image: Image.Image, notes: tuple[str, ...] = ()) -> Raster:
    """The raster of a loaded Pillow image of 8 bits a channel, or of grey of any depth."""
    if image.mode.startswith(("I", "F")):
        values, clear = np.asarray(image), image.info.get("transparency")
        alpha = None if clear is None else (values != clear).astype(np.float64)
        bits = 16 if image.mode.startswith("I;16") else 32
        return Raster(values=values, bits=bits, alpha=alpha, notes=notes)
    if image.mode not in ("RGB", "RGBA"):
        notes = (*notes, _MODES.get(image.mode, image.mode))
    shown = image.convert("RGBA" if image.has_transparency_data else "RGB")
    values, alpha = with_alpha(np.asarray(shown), 255)
    return Raster(values=values, bits=8, alpha=alpha, notes=notes, few_levels=image.mode == "1")


def refuse_large(width: int, height: int, limit: int) -> None:
    """Raise ImageError of an image of more than `limit` pixels."""
    if width * height > limit:
        raise ImageError(
            f"the image is too large: {width}x{height} is {width * height} pixels, limit {limit}"
        )


def with_alpha(values: Values, full: float) -> tuple[Values, Values | None]:
    """Grey or colours, and the opacity from 0 to 1 where a second or fourth channel has it, of
    which `full` is all.
    """
    if values.ndim == 2 or values.shape[2] not in (1, 2, 4):
        return values, None
    own = values[..., 0] if values.shape[2] <= 2 else values[..., :3]
    return own, values[..., -1] / full if values.shape[2] > 1 else None
