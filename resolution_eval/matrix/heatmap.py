"""The heat map of a matrix: strategies down, inference resolutions across."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resolution_eval.analysis.strategies import Matrix, StrategyCell
from resolution_eval.report.charts import VEGALITE, drawing

STEP = 88
"""Edge of a square, in pixels."""


def heat_map(matrix: Matrix) -> Mapping[str, bytes]:
    """The heat map by kind of file: svg, png, and html, which fetches nothing."""
    import vl_convert

    drawn = specification(matrix)
    closed: dict[str, Any] = {"vl_version": VEGALITE, "allowed_base_urls": []}
    return {
        "svg": vl_convert.vegalite_to_svg(drawn, **closed).encode(),
        "png": vl_convert.vegalite_to_png(drawn, scale=2, **closed),
        "html": vl_convert.vegalite_to_html(drawn, vl_version=VEGALITE, bundle=True).encode(),
    }


def specification(matrix: Matrix) -> dict[str, Any]:
    """The Vega-Lite document; a withheld cell is grey and without a figure."""
    task = next(iter(matrix.records.values()))[0].task
    return drawing(
        "heat",
        rows=[
            _row(trained, matrix.heading(at), cell) for (trained, at), cell in matrix.cells.items()
        ],
        across=[matrix.heading(str(at)) for at in matrix.infer],
        down=list(matrix.records),
        width=STEP * len(matrix.infer),
        height=STEP * len(matrix.records) // 2,
        title=f"{task}: accuracy by training and inference resolution",
    )


def _row(trained: str, at: str, found: object) -> dict[str, Any]:
    row: dict[str, Any] = {"train": trained, "infer": at, "accuracy": None}
    if not isinstance(found, StrategyCell):
        return row | {"shown": "withheld", "interval": "none"}
    value, low, high = found.interval.estimate, found.interval.low, found.interval.high
    interval = f"{100 * low:.1f} to {100 * high:.1f}"
    return row | {"accuracy": value, "shown": f"{100 * value:.1f}", "interval": interval}
