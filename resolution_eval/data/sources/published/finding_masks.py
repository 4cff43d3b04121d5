"""Finding masks: where on a mammogram of CBIS-DDSM a finding is, from the mask of its table's row.

A row names a mask and a crop, which may share a folder and be named the other way round: the mask
is the file that has the mammogram's own size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from resolution_eval.data.sources.delimited import TableRow
from resolution_eval.data.sources.folder_files import escape
from resolution_eval.data.sources.published.item import Images
from resolution_eval.data.sources.stored_size import stored_size
from resolution_eval.data.sources.targets import WHITE, largest_part
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.images import decode

NAMES = ("ROI mask file path", "cropped image file path")


def largest_finding(
    rows: Sequence[TableRow], image: str, folder: Path, images: Images
) -> tuple[tuple[float, float], str] | None:
    """Width and height in pixels of the largest finding of a mammogram, and its type.

    None where a mask is not there, or the mammogram itself.

    Raises:
        DataError: no file of a row has the mammogram's size, its mask is all black, or it names a
            file outside the folder.
    """
    try:
        size = stored_size(images.read(image))
    except ImageError:  # the sample fails by name when it is asked for
        return None
    findings = []
    for row in rows:
        candidates = list(dict.fromkeys(_candidates(row, folder)))
        if not candidates:
            return None
        box = _box(candidates, size, row, folder, images)
        findings.append((box, row["abnormality type"] or "finding"))
    return max(findings, key=lambda one: one[0][0] * one[0][1])


def _candidates(row: TableRow, folder: Path) -> Iterator[str]:
    """Files that may be the row's mask: the one it names, those beside it, those of the crop.

    Raises:
        DataError: it names one outside the folder.
    """
    for name in NAMES:
        path = row[name].strip()
        if not path:
            continue
        if told := escape(path, folder):
            raise DataError(
                f"{folder}, {row['image file path']}, abnormality {row['abnormality id']}: {name} "
                f"{told}; write it as the published table does, relative to CBIS-DDSM/"
            )
        published = PurePosixPath("CBIS-DDSM") / path
        series = PurePosixPath(path).parent.name
        beside = sorted((folder / published.parent).glob("*.dcm"))
        beside += sorted((folder / "jpeg" / series).glob("*.jpg")) if series else []
        first = [folder / published] if (folder / published).is_file() else []
        yield from (file.relative_to(folder).as_posix() for file in (*first, *beside))


def _box(
    candidates: Sequence[str], size: tuple[int, int], row: TableRow, folder: Path, images: Images
) -> tuple[float, float]:
    sizes = {}
    for locator in candidates:
        try:
            data = images.read(locator)
            sizes[locator] = stored_size(data)
            if sizes[locator] == size:
                return _extent(data)
        except (ImageError, ValueError) as error:
            raise DataError(f"{folder / locator}, a mask: {error}") from error
    told = ", ".join(f"{name} of {width}x{height}" for name, (width, height) in sizes.items())
    raise DataError(
        f"{folder}, {row['image file path']}, abnormality {row['abnormality id']}: the mammogram "
        f"has {size[0]}x{size[1]} px, and none of its mask files has: {told}; get them again, or "
        "take them away: the question stays, and the finding has no size"
    )


def _extent(data: bytes) -> tuple[float, float]:
    """Width and height of the box around the largest connected part of a mask.

    Raises:
        ValueError: the mask is all black.
    """
    marked = np.asarray(decode(data).image.getchannel(0)) > WHITE
    if not marked.any():
        raise ValueError("it is all black, and its row says that there is a finding")
    return largest_part(marked)
