"""Contact sheets of the generated plates, for the documentation.

    python -m benchmarks.plate_sheets

writes docs/images/acuity_plates.png and docs/images/lesion_plates.png: a column per kind, sizes
growing downwards.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.lesions import LesionBook
from resolution_eval.data.plates import Book

FOLDER = Path(__file__).parent.parent / "docs" / "images"
LEVELS = (1, 3, 5, 7)
BETWEEN = 4


def sheet(book: Book) -> Image.Image:
    """One plate of every kind at four sizes, of such as have something to see."""
    plates = [book.plate("test", index) for index in range(book.counts["test"])]
    plates = [plate for plate in plates if plate.detail.present]
    kinds = list(dict.fromkeys(plate.detail.kind for plate in plates))
    edge = book.side + BETWEEN
    page = np.full((len(LEVELS) * edge - BETWEEN, len(kinds) * edge - BETWEEN, 3), 255, np.uint8)
    for column, kind in enumerate(kinds):
        mine = [plate for plate in plates if plate.detail.kind == kind]
        sizes = sorted({plate.detail.size for plate in mine})
        for row, level in enumerate(LEVELS):
            plate = [one for one in mine if one.detail.size == sizes[level]][column + 2 * row]
            top, left = row * edge, column * edge
            page[top : top + book.side, left : left + book.side] = book.draw(plate)
    return Image.fromarray(page)


if __name__ == "__main__":
    for name, book in (("acuity_plates", AcuityBook(128)), ("lesion_plates", LesionBook(128))):
        sheet(book).quantize(64).save(FOLDER / f"{name}.png", optimize=True)
        print(FOLDER / f"{name}.png")
