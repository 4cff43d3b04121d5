"""The heat map of a matrix: strategies down, inference resolutions across."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resolution_eval.analysis.strategies import Matrix, StrategyCell
from resolution_eval.report.charts import VEGALITE

STEP = 88
"""Edge of a square, in pixels."""
DARK = 0.6
"""Accuracy above which the figure is written in white."""


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
    import altair as alt

    across, down = [matrix.heading(str(at)) for at in matrix.infer], list(matrix.records)
    rows = [_row(trained, matrix.heading(at), cell) for (trained, at), cell in matrix.cells.items()]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "infer:N",
            sort=across,
            title="inference resolution",
            axis=alt.Axis(labelAngle=0, orient="top"),
        ),
        y=alt.Y("train:N", sort=down, title="training strategy"),
        tooltip=["train:N", "infer:N", "shown:N", "interval:N"],
    )
    scale = alt.Scale(domain=[0, 1], scheme="viridis", reverse=True)
    colour = alt.Color("accuracy:Q", scale=scale, title="accuracy", legend=alt.Legend(format=".0%"))
    ink = alt.condition(f"datum.accuracy > {DARK}", alt.value("white"), alt.value("black"))
    squares = base.mark_rect(invalid="filter").encode(color=colour)
    figures = base.mark_text(fontSize=14).encode(text="shown:N", color=ink)
    task = next(iter(matrix.records.values()))[0].task
    chart = alt.layer(squares, figures).properties(
        width=STEP * len(across),
        height=STEP * len(down) // 2,
        title=f"{task}: accuracy by training and inference resolution",
    )
    found: dict[str, Any] = chart.configure_view(fill="#dddddd").to_dict()
    found.pop("usermeta", None)
    found["background"] = "white"
    return found


def _row(trained: str, at: str, found: object) -> dict[str, Any]:
    if not isinstance(found, StrategyCell):
        return {
            "train": trained,
            "infer": at,
            "accuracy": None,
            "shown": "withheld",
            "interval": "none",
        }
    interval = found.interval
    return {
        "train": trained,
        "infer": at,
        "accuracy": interval.estimate,
        "shown": f"{100 * interval.estimate:.1f}",
        "interval": f"{100 * interval.low:.1f} to {100 * interval.high:.1f}",
    }
