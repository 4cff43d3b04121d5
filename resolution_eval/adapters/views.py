"""Images on their way to the encoder: decoded and rendered, then brought to the encoder's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolution_eval.adapters.requests import SampleRequest
from resolution_eval.ground.errors import ImageError
from resolution_eval.images import DecodedImage, render
from resolution_eval.resolution import Size

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True)
class RenderedImage:
    """An image at its inference resolution; `source` is the size that it was stored at."""

    source: Size
    notes: tuple[str, ...]
    image: Image
    microns: tuple[float, float] | None = None
    """µm across and down that a pixel is, of a slide read so."""


def rendered(
    jobs: Sequence[SampleRequest],
) -> list[tuple[SampleRequest, tuple[RenderedImage, ...] | ImageError]]:
    """The images of jobs that share them, demonstrations first, each decoded once; or why not.

    Runs in threads: it touches nothing of the model's.
    """
    images_of_jobs = []
    for job in jobs:
        try:
            loads = (*(one.load for one in job.demonstrations), job.load, *job.more)
            images: tuple[RenderedImage, ...] | ImageError = tuple(
                _at(job, load()) for load in loads
            )
        except ImageError as error:
            images = error
        images_of_jobs.append((job, images))
    for job in jobs:
        job.forget()
    return images_of_jobs


def _at(job: SampleRequest, decoded: DecodedImage) -> RenderedImage:
    image = render(decoded.image, job.resolution, job.filter)
    return RenderedImage(
        source=decoded.size,
        notes=decoded.notes,
        image=image,
        microns=decoded.microns_at(Size(*image.size)),
    )


@dataclass(frozen=True, kw_only=True)
class EncoderView(RenderedImage):
    """An image as it will be handed to the encoder: drawn at the grid's size for the processor, or
    at the source's where that makes the grid.
    """

    information: Size
    foretold: tuple[int, int] | None = None
    """Height and width in pixels of a grid that is not the size drawn; 0 x 0 if withheld."""

    @property
    def expected_grid(self) -> tuple[int, int]:
        """Height and width in pixels that the encoder should receive."""
        return self.foretold or self.image.size[::-1]


@dataclass(frozen=True, kw_only=True)
class View(EncoderView):
    """A job's image, the first where it has several, as it will be handed to the encoder."""

    job: SampleRequest
    demonstrations: tuple[EncoderView, ...] = ()
    """Images of its demonstrations, which stand before it."""
    more: tuple[EncoderView, ...] = ()
    """Its images after the first."""

    @property
    def own(self) -> tuple[EncoderView, ...]:
        """The question's own images, in order."""
        return (self, *self.more)

    @property
    def images(self) -> tuple[Image, ...]:
        """Every image of the prompt as it shows them: the demonstrations', then the question's."""
        own = [self.own[number] for number in self.job.order] if self.more else self.own
        return tuple(shown.image for shown in (*self.demonstrations, *own))
