"""Charts: Vega-Lite specifications made with Altair, with neither data nor script from elsewhere.

A mismatched cell is never drawn as an ordinary point: the line breaks at it, it has no band, and a
cross stands where its accuracy would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

HEIGHT = 290
"""Of the plot, in pixels, without axis and legend."""
COST_HEIGHT = 230
STATIC_WIDTH = 720
COLOURS = 8
"""How many curves differ by colour alone."""
BANDED = 6
"""Most curves whose bands are drawn; more would hide each other, and the table has them."""
LABELLED = 12
"""Most places of a cost chart that are labelled; more labels would hide each other."""
VEGALITE = "6.4"

STATUSES = {
    "attested": "circle",
    "counted": "triangle-right",
    "predicted": "triangle-down",
    "unattested": "square",
    "incomplete": "triangle-up",
    "mismatched": "cross",
}
"""Shape of a point, by what is known of its cell's resolution."""


@dataclass(frozen=True)
class Point:
    """One cell of a curve chart."""

    name: str
    """The curve that it belongs to."""
    resolution: str
    status: str
    """A key of `STATUSES`."""
    accuracy: float | None
    low: float | None
    high: float | None
    n: int
    training: bool
    """Whether the checkpoint was trained at this resolution."""
    blind: float | None = None
    """Accuracy of the same checkpoint without the image."""
    tokens: float | None = None
    """Visual tokens per sample."""
    speed: float | None = None
    """Samples per second."""


@dataclass(frozen=True)
class Mark:
    """A place on a curve that says how much resolution is enough."""

    name: str
    """The curve that it belongs to."""
    kind: Literal["knee", "chosen"]
    before: str
    """The resolution at the place, or below it."""
    after: str
    """The resolution at the place, or above it."""
    share: float
    """How far the place lies from `before` to `after`, in octaves: 0 to 1."""
    accuracy: float
    """Of the drawn line at that place."""
    text: str


def curve_chart(
    points: Sequence[Point],
    resolutions: Sequence[str],
    chance: float | None,
    marks: Sequence[Mark] = (),
) -> dict[str, Any]:
    """Accuracy against resolution: one line per name with its band, dotted without the image.

    The chance level is a dashed line, the resolution trained at is ringed, a triangle stands above
    a knee and a diamond around the chosen resolution.
    """
    import altair as alt

    rows = [_row(point) for point in points]
    names = list(dict.fromkeys(point.name for point in points))
    x = alt.X(
        "resolution:N",
        sort=list(resolutions),
        title="inference resolution r (pixels)",
        scale=alt.Scale(type="point", padding=0.4, domain=list(resolutions)),
        axis=alt.Axis(labelAngle=0),
    )
    base = alt.Chart().encode(x=x, color=_colour(names))
    y = alt.Y("drawn:Q", title="accuracy", scale=alt.Scale(domain=[0, 1]), axis=percent())
    layers = [
        base.mark_area(opacity=0.16, invalid="break-paths-show-path-domains").encode(
            y=alt.Y("low:Q", title="accuracy"), y2="high:Q"
        )
        if len(names) <= BANDED
        else None,
        base.mark_line(strokeWidth=2.25, invalid="break-paths-show-path-domains").encode(
            y=y, **_dash(names)
        ),
        base.mark_rule(strokeWidth=1.25, opacity=0.5).encode(y=alt.Y("low:Q"), y2="high:Q"),
        _blind(base, points),
        _points(base, points),
        _training(base, points),
        *_marks(names, marks),
        *([_chance(chance)] if chance is not None else []),
    ]
    return layered(layers, rows, HEIGHT)


def cost_chart(points: Sequence[Point]) -> dict[str, Any]:
    """Accuracy against visual tokens (logarithmic): what a resolution costs, and what it brings.

    Cells whose grid was not the one asked for have a cross and no line, as in the curves.
    """
    import altair as alt

    known = [point for point in points if point.tokens]
    names = list(dict.fromkeys(point.name for point in known))
    x = alt.X(
        "tokens:Q",
        title="visual tokens per sample (logarithmic)",
        scale=alt.Scale(type="log", nice=False, padding=24),
        axis=alt.Axis(tickCount=6, format="~s", grid=False),
    )
    base = alt.Chart().encode(x=x, color=_colour(names))
    y = alt.Y("drawn:Q", title="accuracy", scale=alt.Scale(domain=[0, 1]), axis=percent())
    line = base.mark_line(strokeWidth=1.5, opacity=0.6, invalid="break-paths-show-path-domains")
    layers = [
        _labels(x, known),
        line.encode(y=y, order="tokens:Q", **_dash(names)),
        _points(base, known),
    ]
    return layered(layers, [_row(point) for point in known], COST_HEIGHT)


def _labels(x: Any, points: Sequence[Point]) -> Any | None:
    """The resolution above each number of tokens, with a line down to the points."""
    import altair as alt

    places = dict.fromkeys((point.tokens, point.resolution) for point in points)
    if len(places) > LABELLED:
        return None
    values = [{"tokens": tokens, "resolution": name} for tokens, name in places]
    base = alt.Chart(alt.Data(values=values)).encode(x=x)
    text = base.mark_text(dy=-8, fontSize=11).encode(y=alt.value(0), text="resolution:N")
    return base.mark_rule(strokeWidth=1, opacity=0.25, strokeDash=[2, 2]) + text


def layered(layers: Sequence[Any], rows: list[dict[str, Any]], height: int) -> dict[str, Any]:
    import altair as alt

    present = (layer for layer in layers if layer is not None)
    chart = alt.layer(*present, data=alt.Data(values=rows))
    chart = chart.properties(width="container", height=height).resolve_legend(
        color="shared", shape="independent"
    )
    return _specification(chart)


def _colour(names: Sequence[str]) -> Any:
    import altair as alt

    scale = alt.Scale(domain=list(names))
    return alt.Color("name:N", sort=list(names), legend=legend("checkpoint"), scale=scale)


def _row(point: Point) -> dict[str, Any]:
    sound = point.status != "mismatched"
    interval = (
        "no interval"
        if point.low is None or point.high is None
        else f"{point.low:.3f} to {point.high:.3f}"
    )
    return {
        "name": point.name,
        "resolution": point.resolution,
        "status": point.status,
        "accuracy": point.accuracy,
        "drawn": point.accuracy if sound else None,
        "low": point.low if sound else None,
        "high": point.high if sound else None,
        "interval": interval,
        "n": point.n,
        "training": point.training,
        "blind": point.blind,
        "tokens": point.tokens,
        "speed": point.speed,
    }


def _points(base: Any, points: Sequence[Point]) -> Any:
    import altair as alt

    present = [status for status in STATUSES if any(point.status == status for point in points)]
    scale = alt.Scale(domain=present, range=[STATUSES[status] for status in present])
    plain = present in ([], ["attested"])
    shape = alt.Shape(
        "status:N", scale=scale, legend=None if plain else legend("grid seen by the encoder")
    )
    tooltip = [
        alt.Tooltip("name:N", title="checkpoint"),
        alt.Tooltip("resolution:N"),
        alt.Tooltip("accuracy:Q", format=".4f"),
        alt.Tooltip("interval:N", title="95 % interval"),
        alt.Tooltip("n:Q", title="samples"),
        alt.Tooltip("status:N"),
        *_optional(points),
    ]
    size = alt.condition("datum.status == 'mismatched'", alt.value(190), alt.value(58))
    return base.mark_point(filled=True, opacity=1).encode(
        y=alt.Y("accuracy:Q", title="accuracy"), shape=shape, size=size, tooltip=tooltip
    )


def _optional(points: Sequence[Point]) -> list[Any]:
    """Tooltips of what not every task has."""
    import altair as alt

    found = {
        "blind": alt.Tooltip("blind:Q", title="without the image", format=".4f"),
        "tokens": alt.Tooltip("tokens:Q", title="visual tokens", format=".4~r"),
        "speed": alt.Tooltip("speed:Q", title="samples per second", format=".3~r"),
    }
    return [
        tooltip
        for name, tooltip in found.items()
        if any(getattr(point, name) is not None for point in points)
    ]


def _blind(base: Any, points: Sequence[Point]) -> Any | None:
    import altair as alt

    if all(point.blind is None for point in points):
        return None
    dotted = base.mark_line(
        strokeWidth=1.75,
        strokeDash=[1.5, 4],
        strokeCap="round",
        invalid="break-paths-show-path-domains",
    )
    return dotted.encode(y=alt.Y("blind:Q", title="accuracy"))


def _training(base: Any, points: Sequence[Point]) -> Any | None:
    import altair as alt

    if not any(point.training for point in points):
        return None
    ringed = base.transform_filter("datum.training").mark_point(
        size=230, filled=False, strokeWidth=2, shape="circle", opacity=0.9, tooltip=None
    )
    return ringed.encode(y=alt.Y("accuracy:Q", title="accuracy"))


PLACE = (
    "scale('x', datum.before) + datum.share * (scale('x', datum.after) - scale('x', datum.before))"
)
"""Pixels from the left of a place that may lie between two resolutions of the axis."""


def _marks(names: Sequence[str], marks: Sequence[Mark]) -> Iterator[Any]:
    """One layer for each kind of mark that there is."""
    import altair as alt

    looks: dict[str, dict[str, Any]] = {
        "knee": {"shape": "triangle-down", "size": 120, "filled": True, "yOffset": -15},
        "chosen": {"shape": "diamond", "size": 520, "filled": False, "strokeWidth": 1.75},
    }
    for kind, look in looks.items():
        found = [asdict(mark) for mark in marks if mark.kind == kind]
        if found:
            yield (
                alt.Chart(alt.Data(values=found))
                .mark_point(opacity=1, **look)
                .encode(
                    x=alt.value(alt.ExprRef(PLACE)),
                    y=alt.Y("accuracy:Q", title="accuracy"),
                    color=_colour(names),
                    tooltip=[alt.Tooltip("name:N", title="checkpoint"), alt.Tooltip("text:N")],
                )
            )


def _chance(chance: float) -> Any:
    import altair as alt

    data = alt.Data(values=[{"chance": chance, "text": f"chance {chance:.3f}"}])
    base = alt.Chart(data).encode(y=alt.Y("chance:Q", title="accuracy"))
    rule = base.mark_rule(strokeDash=[5, 4], strokeWidth=1.25, opacity=0.75)
    label = base.mark_text(align="left", baseline="top", dx=4, dy=4, fontSize=11).encode(
        x=alt.value(0), text="text:N"
    )
    return rule + label


def _dash(names: Sequence[str]) -> dict[str, Any]:
    """Dashed and then dotted lines where colours repeat, after eight curves; nothing before."""
    import altair as alt

    if len(names) <= COLOURS:
        return {}
    patterns = ([1, 0], [7, 3], [2, 2])
    cycle = [patterns[min(i // COLOURS, 2)] for i in range(len(names))]
    scale = alt.Scale(domain=list(names), range=cycle)
    return {"strokeDash": alt.StrokeDash("name:N", scale=scale, legend=legend("checkpoint"))}


def legend(title: str) -> Any:
    import altair as alt

    return alt.Legend(
        title=title,
        orient="top",
        direction="vertical",
        labelLimit=260,
        symbolLimit=40,
        symbolOpacity=1,
    )


def percent() -> Any:
    import altair as alt

    return alt.Axis(format=".1f", tickCount=6)


def _specification(chart: Any) -> dict[str, Any]:
    """The Vega-Lite document, with every name spelled out and no accessibility tree of its own.

    The page describes the chart in words and in a table, and offers it to a reader as one image.
    """
    specification: dict[str, Any] = chart.to_dict()
    specification.pop("usermeta", None)
    specification["autosize"] = {"type": "fit-x", "contains": "padding"}
    specification.setdefault("config", {})["aria"] = False
    return specification


def static_svg(specification: Mapping[str, Any]) -> str:
    """The chart drawn now, for a reader whose browser runs no script."""
    import vl_convert

    fixed = {**specification, "width": STATIC_WIDTH, "background": "white"}
    return str(vl_convert.vegalite_to_svg(fixed, vl_version=VEGALITE, allowed_base_urls=[]))


@cache
def script_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that sets `vegaEmbed`; nothing is fetched."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGALITE)
    return str(bundle).replace("</script", "<\\/script")
