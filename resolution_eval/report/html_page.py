"""The page: one HTML file that holds its data, style and scripts, and fetches nothing.

Whatever comes from a results file is escaped by the template, and the page's own policy lets no
script run but the two that were put into it here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from resolution_eval.analysis import DRAWS, TaskSweeps
from resolution_eval.analysis.sizes import Sizes, task_sizes
from resolution_eval.evidence.ladder import STEPS
from resolution_eval.ground.tables import Table, shorten
from resolution_eval.records import Record
from resolution_eval.report import charts, size_charts
from resolution_eval.report.charts import ChartPoint
from resolution_eval.report.content import Notice, Study, marks, notices, points
from resolution_eval.report.findings import Finding, findings
from resolution_eval.report.frontpage import front
from resolution_eval.report.gallery import Gallery
from resolution_eval.report.provenance import facts
from resolution_eval.report.size_tables import size_words
from resolution_eval.report.task_tables import tables

SHOWN = 4
"""Most checkpoints whose curves by size are drawn; the table has all."""


@dataclass(frozen=True)
class Chart:
    """One chart on the page."""

    name: str
    """Identifier within the page, and name of a saved file."""
    specification: Markup
    """The Vega-Lite document, safe inside a script element."""
    static: str
    """The chart as a data address, for a browser that runs no script."""
    description: str
    """The chart in words."""
    caption: str


@dataclass(frozen=True)
class Section:
    """One task on the page."""

    task: TaskSweeps
    anchor: str
    summary: str
    notices: tuple[Notice, ...]
    findings: tuple[Finding, ...]
    curve: Chart
    cost: Chart | None
    """None where no visual tokens were counted."""
    by_size: tuple[Chart, ...]
    """Empty where no answer says how large a thing had to be seen."""
    gallery: Gallery | None
    """None where no verdict changes with the resolution, or pictures are not wanted."""
    tables: tuple[Table, ...]

    @property
    def gallery_before(self) -> str:
        """Name of the table that the gallery stands before: the first one of details."""
        ends = ("-runs", "-measures", "-classes", "-specificity", "-cells")
        return next(table.name for table in self.tables if table.name.endswith(ends))


def _section(number: int, study: Study, gallery: Gallery | None) -> Section:
    task, curves = study
    anchor, drawn, marked = f"task-{number}", points(curves), marks(curves)
    return Section(
        task=task,
        anchor=anchor,
        summary=_summary(task),
        notices=tuple(notices(curves)),
        findings=findings(curves),
        curve=_chart(
            f"{anchor}-chart",
            charts.curve_chart(drawn, task.resolutions, task.chance, marked),
            _description(task),
            _curve_caption(drawn, task.chance, {mark.kind for mark in marked}),
        ),
        cost=_cost(anchor, task, drawn),
        by_size=tuple(_by_size(anchor, task_sizes(task))),
        gallery=gallery,
        tables=tables(task, curves),
    )


def _by_size(anchor: str, sizes: Sequence[Sizes]) -> Iterator[Chart]:
    """Smallest detail against resolution, and each checkpoint's curves against size."""
    kinds = ", ".join(dict.fromkeys(one.main.kind for one in sizes))
    specification = size_charts.threshold_chart(sizes)
    if specification is not None:
        yield _chart(
            f"{anchor}-detail",
            specification,
            f"Smallest detail seen at each resolution. {size_words(sizes)}",
            f"Smallest detail ({kinds}) seen half of the time, in pixels of the stored image, with "
            "95 % intervals. Dashed: the smallest detail that the encoder's sampling can show.",
        )
    for number, one in enumerate(sizes[:SHOWN], 1):
        specification = size_charts.seen_chart(one.main, optotypes=one.chart)
        if specification is not None:
            yield _chart(
                f"{anchor}-seen-{number}",
                specification,
                f"Share seen against size at the encoder, of {shorten(one.name)}.",
                f"{shorten(one.name)}, {one.main.kind}: share seen, corrected for guessing "
                "(0 is chance, 1 is all), against size in pixels at the encoder, one curve "
                "per resolution, with 95 % intervals.",
            )


def _chart(name: str, specification: dict[str, Any], description: str, caption: str) -> Chart:
    drawn = base64.b64encode(charts.static_svg(specification).encode()).decode()
    static = f"data:image/svg+xml;base64,{drawn}"
    return Chart(name, script_json(specification), static, description, caption)


def _cost(anchor: str, task: TaskSweeps, drawn: Sequence[ChartPoint]) -> Chart | None:
    known = [point for point in drawn if point.tokens]
    if not known:
        return None
    parts = [
        f"{name}: " + ", ".join(_cost_words(point) for point in known if point.name == name)
        for name in dict.fromkeys(point.name for point in known)
    ]
    description = f"Accuracy against visual tokens per sample. {'; '.join(parts)}."
    caption = "What a resolution costs: accuracy against visual tokens per sample, labelled by r."
    return _chart(f"{anchor}-cost", charts.cost_chart(drawn), description, caption)


def _cost_words(point: ChartPoint) -> str:
    flaw = "" if point.status == "attested" else f" ({point.status})"
    return f"{point.accuracy:.3f} with {point.tokens:.0f} tokens at {point.resolution}{flaw}"


def _curve_caption(drawn: Sequence[ChartPoint], chance: float | None, marked: Set[str]) -> str:
    """How to read the curves: what is drawn, and nothing that is not."""
    parts = ["Accuracy against inference resolution, with 95 % bands."]
    if any(point.training for point in drawn):
        parts.append("A ring marks each resolution trained at.")
    if chance is not None:
        parts.append("The dashed line is the chance level.")
    if "knee" in marked:
        parts.append("A triangle stands above the knee, where more resolution stops paying.")
    if "chosen" in marked:
        parts.append("A diamond marks the smallest resolution shown to be within the margin.")
    if any(point.blind is not None for point in drawn):
        parts.append("Dotted lines are the same checkpoints without the image.")
    else:
        parts.append(
            "There is no blind run, so that nothing here says whether a checkpoint looks at the "
            "image."
        )
    if any(point.status == "mismatched" for point in drawn):
        parts.append(
            "A cross is a cell whose encoder did not receive the grid asked for: it is not part "
            "of its line."
        )
    steps = {point.status for point in drawn} - {"attested", "mismatched"}
    parts += [f"{step.capitalize()}: {STEPS[step]}." for step in STEPS if step in steps]
    return " ".join(parts)


def _summary(task: TaskSweeps) -> str:
    samples = max(cell.n for sweep in task.sweeps for cell in sweep.cells)
    count = len(task.sweeps)
    curves = "1 checkpoint" if count == 1 else f"{count} checkpoints"
    modality = task.sweeps[0].record.dataset.modality
    about = f"{shorten(modality)}. " if modality else ""
    chance = "" if task.chance is None else f" Chance is {task.chance:.3f}."
    text = f"{about}{curves}, {samples} samples at {', '.join(task.resolutions)}.{chance}"
    return text[:1].upper() + text[1:]


def _description(task: TaskSweeps) -> str:
    """The chart in words: every curve's ends, and the chance level."""
    parts = []
    for sweep in task.sweeps:
        sound = [c for c in sweep.cells if c.status != "mismatched" and c.accuracy is not None]
        first_last = (*sound[:1], *sound[1:][-1:])
        ends = [f"{cell.accuracy:.3f} at {cell.resolution}" for cell in first_last]
        wrong = [cell.resolution for cell in sweep.cells if cell.status == "mismatched"]
        unsound = f" (mismatched, off the line: {', '.join(wrong)})" if wrong else ""
        parts.append(f"{shorten(sweep.name)}: {' to '.join(ends) or 'no score'}{unsound}")
    chance = "" if task.chance is None else f"; chance {task.chance:.3f}"
    return f"Accuracy against inference resolution. {'; '.join(parts)}{chance}."


def _identifier(name: str) -> str:
    """A name as an element's id: a record of a stranger names its task as it likes."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)


def script_json(value: Any) -> Markup:
    """`value` as JSON that can stand in a script element: nothing in it ends or opens a tag."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def render(
    studies: Sequence[Study],
    galleries: Sequence[Gallery | None],
    *,
    lead: str,
    tables_first: Sequence[Table],
) -> str:
    """The whole page, with a gallery for each task that is to have one; `tables_first` stand before
    the first task's own tables.
    """
    environment = Environment(
        loader=PackageLoader("resolution_eval.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["identifier"] = _identifier
    curves = [curve for _, mine in studies for curve in mine]
    scripts = [charts.script_bundle(), charts.template("page.js")]
    return environment.get_template("page.html").render(
        front=front(curves),
        lead=lead,
        tables_first=tables_first,
        sections=list(map(_section, count(1), studies, galleries)),
        records=_records(studies),
        facts=facts,
        style=Markup(charts.template("page.css")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        version=version("resolution-eval"),
        resamples=DRAWS,
        shorten=shorten,
    )


def _records(studies: Sequence[Study]) -> list[Record]:
    """Every record once, blind runs last, though one of several settings has several sweeps."""
    sweeps = [curve.sweep for _, curves in studies for curve in curves]
    records = {id(sweep.record): sweep.record for sweep in sweeps}
    records.update((id(record), record) for sweep in sweeps for record in sweep.unseen)
    return list(records.values())


def _policy(scripts: Sequence[str]) -> str:
    """Content security policy: these scripts by their hashes, own images and styles, no address."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
