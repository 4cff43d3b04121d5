"""Charts: the Vega-Lite drawings of `templates/charts.json`, filled with what is to be drawn.

A mismatched cell is never drawn as an ordinary point: the line breaks at it, it has no band, and a
cross stands where its accuracy would be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

HEIGHT = 290
"""Of the plot, in pixels, without axis and legend."""
COST_HEIGHT = 230
STATIC_WIDTH = 720
COLOURS = 8
"""How many curves differ by colour alone."""
DASHES = ([1, 0], [7, 3], [2, 2])
"""Lines where colours repeat: plain, then dashed, then dotted."""
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
class ChartPoint:
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
class ChartMark:
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
    points: Sequence[ChartPoint],
    resolutions: Sequence[str],
    chance: float | None,
    marks: Sequence[ChartMark] = (),
) -> dict[str, Any]:
    """Accuracy against resolution: one line per name with its band, dotted without the image.

    The chance level is a dashed line, the resolution trained at is ringed, a triangle stands above
    a knee and a diamond around the chosen resolution.
    """
    shared = _shared(points)
    return drawing(
        "curve",
        **shared,
        height=HEIGHT,
        x="$resolution",
        resolutions=list(resolutions),
        bands=len(shared["names"]) <= BANDED,
        trained=any(point.training for point in points),
        knees=[asdict(mark) for mark in marks if mark.kind == "knee"],
        chosen=[asdict(mark) for mark in marks if mark.kind == "chosen"],
        chance=chance is not None and [{"chance": chance, "text": f"chance {chance:.3f}"}],
    )


def cost_chart(points: Sequence[ChartPoint]) -> dict[str, Any]:
    """Accuracy against visual tokens (logarithmic): what a resolution costs, and what it brings.

    Cells whose grid was not the one asked for have a cross and no line, as in the curves. The
    resolution stands above each number of tokens, with a line down to the points.
    """
    known = [point for point in points if point.tokens]
    places = dict.fromkeys((point.tokens, point.resolution) for point in known)
    labels = [{"tokens": tokens, "resolution": name} for tokens, name in places]
    few = labels if len(labels) <= LABELLED else []
    return drawing("cost", **_shared(known), height=COST_HEIGHT, x="$tokens", places=few)


def _shared(points: Sequence[ChartPoint]) -> dict[str, Any]:
    """What both charts are filled with."""
    names = list(dict.fromkeys(point.name for point in points))
    present = [status for status in STATUSES if any(point.status == status for point in points)]
    return {
        "rows": [_row(point) for point in points],
        "names": names,
        "dashed": len(names) > COLOURS,
        "patterns": [DASHES[min(i // COLOURS, 2)] for i in range(len(names))],
        "present": present,
        "shapes": [STATUSES[status] for status in present],
        "shape_legend": None if present in ([], ["attested"]) else "$grid",
        "blind": any(point.blind is not None for point in points),
        "counted": any(point.tokens is not None for point in points),
        "timed": any(point.speed is not None for point in points),
    }


def _row(point: ChartPoint) -> dict[str, Any]:
    known = point.low is not None and point.high is not None
    row = {
        **asdict(point),
        "drawn": point.accuracy,
        "interval": f"{point.low:.3f} to {point.high:.3f}" if known else "no interval",
    }
    if point.status == "mismatched":
        row |= dict.fromkeys(("drawn", "low", "high"))
    return row


def drawing(name: str, **values: Any) -> dict[str, Any]:
    """The Vega-Lite document `name`, with every name spelled out and no accessibility tree of its
    own: the page describes the chart in words and in a table, and offers it as one image.
    """
    document: dict[str, Any] = _filled(_templates()["shared"] | _templates()[name], values)
    return document


def template(name: str) -> str:
    """A file of the templates folder as it is."""
    return (files("resolution_eval.report") / "templates" / name).read_text("utf-8")


@cache
def _templates() -> dict[str, Any]:
    templates: dict[str, Any] = json.loads(template("charts.json"))
    return templates


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    """`part` with what each `"$name"` stands for, and without the parts whose `if` is not so.

    Values are taken as they are, names among them apart: nothing in a stranger's record is filled.
    """
    if isinstance(part, str) and part.startswith("$"):
        name = part[1:]
        if name in values and not isinstance(values[name], str):
            return values[name]
        return _filled(values[name] if name in values else _templates()["parts"][name], values)
    if isinstance(part, list):
        return [_filled(each, values) for each in part if _wanted(each, values)]
    if isinstance(part, dict):
        kept = {key: each for key, each in part.items() if key != "if" and _wanted(each, values)}
        return {key: _filled(each, values) for key, each in kept.items()}
    return part


def _wanted(part: Any, values: Mapping[str, Any]) -> bool:
    return not isinstance(part, dict) or "if" not in part or bool(values[part["if"]])


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
