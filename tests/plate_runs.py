"""Runs on plates whose answers come from a simulated observer: no model answered any of this."""

from __future__ import annotations

from typing import Any

import numpy as np
from synthetic_runs import line

from resolution_eval.data.plates.plate import Book
from resolution_eval.statistics.psychometric import Weibull


def plate_lines(
    book: Book,
    grids: dict[str, int],
    observer: Weibull,
    *,
    images: int,
    seed: int = 0,
    **attestation: Any,
) -> list[dict[str, Any]]:
    """Lines of a samples file: `observer` sees sizes in pixels at the encoder, by its grid.

    `grids` has the grid's edge for every resolution.
    """
    random, lines = np.random.RandomState(seed), []
    for index in range(images):
        plate = book.plate("test", index)
        for resolution, grid in grids.items():
            size = plate.detail.size * grid / book.side
            right = random.uniform() < float(observer.right(size, plate.detail.chance or 0.0))
            made = line(
                f"test/{index:05d}",
                resolution,
                correct=int(right),
                target=plate.answer,
                source=(book.side, book.side),
                **{
                    "grid": [grid, grid],
                    "expected_grid": [int(resolution), int(resolution)],
                    "information": [int(resolution), int(resolution)],
                    **attestation,
                },
            )
            made["verdict"]["prediction"] = plate.answer if right else "something else"
            made["verdict"]["detail"] = plate.detail.model_dump(mode="json")
            lines.append(made)
    return lines
