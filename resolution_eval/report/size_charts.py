"""Charts by size: how small a thing is still seen, and how seeing grows with size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from resolution_eval.analysis.sizes import Sizes
from resolution_eval.report.charts import layered, legend, percent
from resolution_eval.report.tables import shorten
from resolution_eval.statistics.bysize import BySize, bins, line

HEIGHT = 300
PIXELS = ".3~r"


def threshold_chart(found: Sequence[Sizes]) -> dict[str, Any] | None:
    """Smallest detail seen against resolution, with what the encoder's sampling could show.

    None where no checkpoint is shown to see anything.
    """
    import altair as alt

    rows = [row for one in found for row in _threshold_rows(one)]
    if not rows:
        return None
    order = list(dict.fromkeys(cell.resolution for one in found for cell in one.main.cells))
    names = [shorten(one.name) for one in found]
    x = alt.X(
        "resolution:N",
        sort=order,
        title="inference resolution r (pixels)",
        scale=alt.Scale(type="point", padding=0.4, domain=order),
        axis=alt.Axis(labelAngle=0),
    )
    title = "smallest detail seen (pixels of the stored image)"
    scale = alt.Scale(type="log", nice=False, padding=12)
    axis = alt.Axis(tickCount=6, format=PIXELS)

    def y(field: str) -> Any:
        return alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis)

    colour = alt.Color(
        "name:N", sort=names, legend=legend("checkpoint"), scale=alt.Scale(domain=names)
    )
    base = alt.Chart().encode(x=x, color=colour)
    tooltip = [
        alt.Tooltip("name:N", title="checkpoint"),
        alt.Tooltip("resolution:N"),
        alt.Tooltip("size:Q", title="detail seen, pixels", format=PIXELS),
        alt.Tooltip("interval:N", title="95 % interval"),
        alt.Tooltip("n:Q", title="answers"),
    ]
    layers = [
        base.mark_line(strokeWidth=1.5, strokeDash=[5, 4], opacity=0.8).encode(y=y("limit")),
        base.mark_line(strokeWidth=2.25, invalid="break-paths-show-path-domains").encode(
            y=y("size")
        ),
        base.mark_rule(strokeWidth=1.5).encode(y=y("low"), y2="high:Q"),
        base.mark_point(filled=True, size=64, opacity=1).encode(y=y("size"), tooltip=tooltip),
    ]
    return layered(layers, rows, HEIGHT)


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
        known = interval is not None and 0 < interval.estimate < np.inf
        rows.append(
            {
                "name": shorten(one.name),
                "resolution": cell.resolution,
                "limit": cell.limit,
                "size": interval.estimate if interval and known else None,
                "low": max(interval.low, smallest) if interval and known else None,
                "high": min(interval.high, largest) if interval and known else None,
                "interval": f"{interval.low:.3g} to {interval.high:.3g}" if interval else "",
                "n": len(cell.source),
            }
        )
    return rows


def seen_chart(kind: BySize, *, optotypes: bool) -> dict[str, Any] | None:
    """Share seen, corrected for guessing, against size at the encoder: one curve per resolution.

    None where nobody saw a grid.
    """
    import altair as alt

    cells = [cell for cell in kind.cells if cell.encoder is not None]
    if not cells:
        return None
    order = [cell.resolution for cell in cells]
    points = [
        {
            "resolution": cell.resolution,
            "size": one.size,
            "seen": one.seen,
            "low": one.low,
            "high": one.high,
            "interval": f"{one.low:.2f} to {one.high:.2f}",
            "n": one.n,
        }
        for cell in cells
        if cell.encoder is not None
        for one in bins(cell.encoder)
    ]
    x = alt.X(
        "size:Q",
        title="size at the encoder (pixels, logarithmic)",
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(tickCount=6, format=PIXELS, grid=False),
    )
    colour = alt.Color(
        "resolution:N",
        sort=order,
        legend=legend("inference resolution r"),
        scale=alt.Scale(domain=order),
    )
    title = "share seen, corrected for guessing"
    y = alt.Y("seen:Q", title=title, scale=alt.Scale(domain=[-0.4, 1]), axis=percent())
    base = alt.Chart().encode(x=x, color=colour)
    tooltip = [
        alt.Tooltip("resolution:N"),
        alt.Tooltip("size:Q", title="pixels at the encoder", format=PIXELS),
        alt.Tooltip("seen:Q", title="share seen", format=".2f"),
        alt.Tooltip("interval:N", title="95 % interval"),
        alt.Tooltip("n:Q", title="answers"),
    ]
    layers = [
        _fitted(kind, order, x, colour, title),
        _limit(title) if optotypes else None,
        base.mark_rule(strokeWidth=1.25, opacity=0.6, clip=True).encode(
            y=alt.Y("low:Q", title=title), y2="high:Q"
        ),
        base.mark_point(filled=True, size=58, opacity=1).encode(y=y, tooltip=tooltip),
    ]
    return layered(layers, points, HEIGHT)


def _fitted(kind: BySize, order: Sequence[str], x: Any, colour: Any, title: str) -> Any | None:
    """The fitted functions, where the model sees."""
    import altair as alt

    rows = []
    for name in order:
        if name in kind.encoder.fits:
            size = kind.encoder.trials[name].size
            curve = line(kind.encoder.fits[name], float(size.min()), float(size.max()))
            rows += [{"resolution": name, "size": at, "seen": share} for at, share in curve]
    if not rows:
        return None
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=2)
        .encode(x=x, y=alt.Y("seen:Q", title=title), color=colour)
    )


def _limit(title: str) -> Any:
    """A rule at one pixel: a detail of which a period has two."""
    import altair as alt

    data = alt.Data(values=[{"size": 1.0, "text": "sampling limit"}])
    base = alt.Chart(data).encode(x=alt.X("size:Q"))
    rule = base.mark_rule(strokeDash=[5, 4], strokeWidth=1.25, opacity=0.75)
    label = base.mark_text(align="left", baseline="bottom", dx=4, dy=-4, fontSize=11).encode(
        y=alt.value(HEIGHT), text="text:N"
    )
    return rule + label
