"""Charts by size: how small a thing is still seen, and how seeing grows with size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from resolution_eval.analysis.sizes import Sizes
from resolution_eval.ground.tables import shorten
from resolution_eval.report.charts import drawing
from resolution_eval.statistics.bysize import BySize, bins, line

HEIGHT = 300


def threshold_chart(sizes: Sequence[Sizes]) -> dict[str, Any] | None:
    """Smallest detail seen against resolution, with what the encoder's sampling could show.

    None where no checkpoint is shown to see anything.
    """
    rows = [row for one in sizes for row in _threshold_rows(one)]
    if not rows:
        return None
    return drawing(
        "threshold",
        rows=rows,
        height=HEIGHT,
        names=[shorten(one.name) for one in sizes],
        resolutions=list(dict.fromkeys(c.resolution for one in sizes for c in one.main.cells)),
        title="smallest detail seen (pixels of the stored image)",
    )


def _threshold_rows(one: Sizes) -> list[dict[str, Any]]:
    """One row per resolution; none where nothing is seen at any."""
    first = one.main
    if not first.source.fits:
        return []
    largest = max(float(cell.source.size.max()) for cell in first.cells)
    smallest = min(float(cell.source.size.min()) for cell in first.cells)
    rows = []
    for cell in first.cells:
        interval = first.threshold(cell.resolution)
        row: dict[str, Any] = {
            "name": shorten(one.name),
            "resolution": cell.resolution,
            "limit": cell.limit,
            **dict.fromkeys(("size", "low", "high")),
            "interval": f"{interval.low:.3g} to {interval.high:.3g}" if interval else "",
            "n": len(cell.source),
        }
        if interval is not None and 0 < interval.estimate < np.inf:
            low, high = max(interval.low, smallest), min(interval.high, largest)
            row |= {"size": interval.estimate, "low": low, "high": high}
        rows.append(row)
    return rows


def seen_chart(kind: BySize, *, optotypes: bool) -> dict[str, Any] | None:
    """Share seen, corrected for guessing, against size at the encoder: one curve per resolution,
    and for optotypes a rule at one pixel: a detail of which a period has two.

    None where nobody saw a grid.
    """
    cells = [cell for cell in kind.cells if cell.encoder is not None]
    if not cells:
        return None
    points = [
        {
            "resolution": cell.resolution,
            **{name: getattr(one, name) for name in ("size", "seen", "low", "high", "n")},
            "interval": f"{one.low:.2f} to {one.high:.2f}",
        }
        for cell in cells
        if cell.encoder is not None
        for one in bins(cell.encoder)
    ]
    return drawing(
        "seen",
        rows=points,
        height=HEIGHT,
        resolutions=[cell.resolution for cell in cells],
        title="share seen, corrected for guessing",
        fitted=[row for cell in cells for row in _fitted(kind, cell.resolution)],
        optotypes=optotypes,
    )


def _fitted(kind: BySize, name: str) -> Iterator[dict[str, Any]]:
    """The fitted function at the resolution `name`, where the model sees."""
    if name in kind.encoder.fits:
        size = kind.encoder.trials[name].size
        for at, share in line(kind.encoder.fits[name], float(size.min()), float(size.max())):
            yield {"resolution": name, "size": at, "seen": share}
