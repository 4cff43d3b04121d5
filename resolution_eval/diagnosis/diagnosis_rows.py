"""A diagnosis: what becomes of images at the resolutions asked for, row by row, before a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resolution_eval.resolution import (
    PixelResolution,
    Size,
    TrainingResolution,
    budget_size,
    label,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from resolution_eval.models.providers import Forecast

QUESTION = "Which of these does the image show?"


@dataclass(frozen=True, kw_only=True)
class EncoderInput:
    """What one image becomes at one resolution, up to the vision encoder."""

    requested: str
    """Inference resolution: edge in pixels of the square budget, or `native`."""
    source: tuple[int, int]
    """Width and height in pixels of the image."""
    information: tuple[int, int]
    """Width and height in pixels of the content that is left."""
    expected_grid: tuple[int, int]
    """Height and width in pixels that the encoder should receive."""
    grid: tuple[int, int] | None
    """Height and width in pixels that it receives; None where nobody can look."""
    visual_tokens: int | None
    """None where nobody can count."""
    tiles: int | None
    """Images that the grid is cut into, a thumbnail included; None where it is not cut."""


@dataclass(frozen=True, kw_only=True)
class DiagnosisRow(EncoderInput):
    """One image at one resolution, and what is to be said of it before a run."""

    aspect: str
    """Width over height of the image."""
    match: bool
    """Whether the grid is the expected one, and follows the resolution."""
    processor_alone: int | None
    """Visual tokens that the checkpoint's processor makes of this image if nobody sets it."""
    expected_tokens: int | None = None
    """Visual tokens that the grid makes; None where only the processor says."""
    sent: tuple[int, int] | None = None
    """Height and width in pixels of the image that a server would be sent, where one is asked."""
    forecast: Forecast | None = None
    """What a rule says that the server makes of it; None where no rule names its model."""

    @property
    def counts(self) -> bool:
        """Whether the prompt holds as many image tokens as the grid makes."""
        return self.expected_tokens in (None, self.visual_tokens)

    @property
    def seen(self) -> tuple[int, int] | None:
        """The grid, or what a rule leaves of the image that was sent, or that image."""
        if self.forecast is not None and self.forecast.size is not None:
            return self.forecast.size.height, self.forecast.size.width
        return self.grid or self.sent

    @property
    def agrees(self) -> bool:
        """Whether it is the expected grid, to half a patch where a rule predicts it."""
        if self.forecast is None or self.sent is None:
            return self.seen == self.expected_grid
        kept = self.forecast.keeps(Size(self.sent[1], self.sent[0]))
        refused = self.forecast.refused is not None
        return self.sent == self.expected_grid and kept is not False and not refused


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a sweep would do."""

    model: str
    checkpoint: str
    family: str
    training: str
    scheme: str
    refusal: str | None
    """Why the grid cannot follow the resolution, which is then shown under scheme restore."""
    rows: tuple[DiagnosisRow, ...]
    ineffective: tuple[str, ...]
    """Settings that do nothing here."""
    notes: tuple[str, ...]
    """What was set, and what else to know."""
    flat: tuple[str, ...]
    """Where different information enters at one grid, though the grid should follow."""
    ok: bool
    """Whether the sweep can be run as asked: neither refused, mismatched nor flat."""


class WeightlessCheckpoint(ABC):
    """A checkpoint without its weights."""

    checkpoint: str
    family: str
    training: TrainingResolution
    refusal: str | None = None
    ineffective: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What was set, and what was seen, once the rows are made."""

    @abstractmethod
    def row(self, requested: PixelResolution, stored: Image, scheme: str) -> DiagnosisRow:
        """What an image (RGB) becomes."""

    def note(self, *notes: str) -> None:
        """Note what is not noted yet."""
        self.notes = tuple(dict.fromkeys((*self.notes, *notes)))

    def close(self) -> None:  # noqa: B027  (most open nothing)
        """Give back what was opened, where anything was."""


def new_row(
    requested: PixelResolution, source: Size, expected: tuple[int, int], **fields: Any
) -> DiagnosisRow:
    """A row of what was found."""
    aspect = f"{source.width / source.height:.2f}"
    return DiagnosisRow(aspect=aspect, **sizes_of(requested, source, expected), **fields)


def sizes_of(requested: PixelResolution, source: Size, expected: tuple[int, int]) -> dict[str, Any]:
    """The fields of an `EncoderInput` that are known before anybody looks."""
    information = budget_size(source, requested)
    return {
        "requested": label(requested),
        "source": (source.width, source.height),
        "information": (information.width, information.height),
        "expected_grid": expected,
    }


def noise(size: Size) -> Image:
    """An image of that size, of which only the size is of interest."""
    from PIL.Image import effect_noise

    return effect_noise((size.width, size.height), 60).convert("RGB")
