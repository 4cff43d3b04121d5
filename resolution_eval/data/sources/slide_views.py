"""Slide views: what of a whole slide a sample shows, and at how many µm per pixel, as a locator.

A sample of a region has the locator `slides/7.svs[2048,4096,512,512]`; read at a resolution in µm
per pixel, it is `slides/7.svs[2048,4096,512,512]@0.5um`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from resolution_eval.ground.errors import DataError, ImageError, UsageError
from resolution_eval.pixels.display_choices import EncodedImage, Options, Region
from resolution_eval.pixels.slide import BEGINNING, microns_of, refuse_finer
from resolution_eval.resolution import MicronsPerPixel, Resolution, parse_resolution

COLUMN = "region"
PROBED = 500
"""Slides whose headers are asked for their µm before a run."""


def region_of(cell: str) -> Region | None:
    """The region that a cell of the column `region` tells; none of an empty one.

    Raises:
        UsageError: it is no region.
    """
    return Region.parse(cell) if cell.strip() else None


def region_locator(file: str, region: Region | None) -> str:
    """Locator of a slide's region; of the file itself where there is none."""
    return file if region is None else f"{file}[{region}]"


def locator_at(locator: str, r: Resolution) -> str:
    """Locator of an image as it is read at `r`: another one for each number of µm per pixel.

    Example:
        >>> locator_at("a.svs", 224), locator_at("a.svs", MicronsPerPixel(0.5))
        ('a.svs', 'a.svs@0.5um')
    """
    return f"{locator}@{r}" if isinstance(r, MicronsPerPixel) else locator


def without_microns(locator: str, known: Iterable[str]) -> tuple[str, float | None]:
    """The locator that is among `known`, and the µm per pixel at which it is to be read.

    Example:
        >>> without_microns("a.svs@0.5um", {"a.svs"}), without_microns("a@2um", {"a@2um"})
        (('a.svs', 0.5), ('a@2um', None))
    """
    image, _, size = locator.rpartition("@")
    if locator in known or image not in known:
        return locator, None
    r = parse_resolution(size)
    return image, r.value if isinstance(r, MicronsPerPixel) else None


def slide_bytes(path: Path, options: Options) -> EncodedImage:
    """The beginning of a slide's file, which is read where it lies: it may be gigabytes large."""
    with path.open("rb") as file:
        head = file.read(BEGINNING)
    return EncodedImage.of(head, replace(options, path=path))


def refuse_without_microns(paths: Sequence[Path], resolutions: Sequence[Resolution]) -> None:
    """Raise where none of the files can be read at any of the µm per pixel in `resolutions`.

    Raises:
        DataError: no file is a slide that says its µm, or all are coarser than what is asked for.
    """
    failures = []
    coarsest = max(r.value for r in resolutions if isinstance(r, MicronsPerPixel))
    for path in list(dict.fromkeys(paths))[:PROBED]:
        try:
            refuse_finer(microns_of(path), coarsest)
            return
        except ImageError as error:
            failures.append(f"{path.name}: {error}")
        except OSError as error:
            failures.append(f"{path.name} cannot be read ({error.strerror})")
    raise DataError(
        "--resolutions in µm per pixel are for whole slides that say how large their pixels are, "
        f"and none of the {len(failures)} looked at can be read at {coarsest:g} µm; "
        f"{failures[0] if failures else 'no image is there'}. Give --resolutions in pixels, or "
        "coarser µm"
    )


def refuse_targets(cells: Sequence[str], microns: bool, regions: bool) -> None:
    """Raise where findings are marked on images that are shown in part, or at µm per pixel.

    Raises:
        UsageError: they are: a box in pixels of the stored image is another one there.
    """
    if any(cells) and (microns or regions):
        shown = "regions of slides" if regions else "slides at a number of µm per pixel"
        raise UsageError(
            f"target and mask are in pixels of the stored image, and {shown} are other pixels; "
            "leave the columns target and mask out, or cut the images yourself"
        )
