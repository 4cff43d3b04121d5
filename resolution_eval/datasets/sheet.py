"""The contact sheet of a data set: one of its images at every resolution."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources import Source
from resolution_eval.ground.errors import ImageError
from resolution_eval.resolution import label

if TYPE_CHECKING:
    from PIL.Image import Image

TILE = 224
"""Height in pixels of an image on a contact sheet."""
MARGIN = 8
CAPTION = 30


def contact_sheet(card: TaskCard, file: Path) -> Path:
    """Write a PNG of one test image at every resolution of the card, and return `file`.

    Each is rendered as a model would get it, then shown at one height with every pixel enlarged.

    Raises:
        DataError: the data cannot be had.
        ImageError: none of the first images can be decoded.
    """
    from resolution_eval.data.sources import open_source

    source = open_source(card)
    image, name = _first_image(source)
    tiles = [_tile(image, card, index) for index in range(len(card.resolutions))]
    sheet = _sheet(tiles, f"{card.name}: {name}")
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file, "PNG")
    return file


def _first_image(source: Source) -> tuple[Image, str]:
    from resolution_eval.images import decode

    samples = source.samples("test")
    for sample in samples[:20]:
        try:
            return decode(source.read(sample.image)).image, sample.id
        except ImageError as error:
            last = error
    raise last


def _tile(image: Image, card: TaskCard, index: int) -> tuple[str, Image]:
    """Caption and picture of the image at one resolution."""
    from resolution_eval.images import render, resize
    from resolution_eval.resolution import Size, is_capped

    resolution = card.resolutions[index]
    rendered = render(image, resolution, card.filter)
    capped = " (capped)" if is_capped(Size(*image.size), resolution) else ""
    caption = f"{label(resolution)}: {rendered.width} x {rendered.height}{capped}"
    width = max(1, round(rendered.width * TILE / rendered.height))
    enlarge = "nearest" if rendered.height < TILE else card.filter
    return caption, resize(rendered, Size(width, TILE), enlarge)


def _sheet(tiles: list[tuple[str, Image]], title: str) -> Image:
    from PIL import Image as Images
    from PIL import ImageDraw

    widths = [max(picture.width, 120) + MARGIN for _, picture in tiles]
    sheet = Images.new("RGB", (sum(widths) + MARGIN, TILE + 2 * CAPTION + 2 * MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, fill="black")
    left = MARGIN
    for (caption, picture), width in zip(tiles, widths, strict=True):
        sheet.paste(picture, (left, MARGIN + CAPTION))
        draw.text((left, 2 * MARGIN + CAPTION + TILE), caption, fill="black")
        left += width
    return sheet
