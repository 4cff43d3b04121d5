"""Wishes: what the user told of a session, checked before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass

from resolution_eval.ground.errors import UsageError
from resolution_eval.resolution import PixelResolution, parse_pixels

MINUTES = {False: 20.0, True: 3.0}
"""What a session may take unless told, by whether it is to be quick."""
BATCH = 8


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the user told of the session; None leaves it to the sizes found."""

    resolutions: tuple[PixelResolution, ...] | None = None
    samples: int | None = None
    minutes: float | None = None
    quick: bool = False
    blind: bool = True
    anyway: bool = False
    """Whether a sweep is run that the doctor calls flat or mismatched."""
    batch: int = BATCH
    probe: str | None = None
    """Edge in pixels, or `auto`, at which a server is probed before the sweep and after it."""

    def __post_init__(self) -> None:
        if self.samples is not None and self.samples < 1:
            raise UsageError(f"--samples is {self.samples}; give a number from 1")
        if self.minutes is not None and self.minutes <= 0:
            raise UsageError(f"--minutes is {self.minutes:g}; give a number above 0")
        if self.batch < 1:
            raise UsageError(f"--batch-size is {self.batch}; give a number from 1")

    @property
    def budget(self) -> float:
        """Seconds."""
        return 60 * (MINUTES[self.quick] if self.minutes is None else self.minutes)


def checked_resolutions(text: str | None) -> tuple[PixelResolution, ...] | None:
    """The resolutions in `text`, comma-separated; None where there are none.

    Raises:
        UsageError: one is neither a number of pixels nor native.
    """
    if text is None:
        return None
    return tuple(dict.fromkeys(parse_pixels(part) for part in text.split(",")))
