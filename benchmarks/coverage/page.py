"""The page: docs/coverage.md from the kept results of all studies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.coverage.tally import Study, kept
from benchmarks.coverage.truths import TRUTHS
from resolution_eval.statistics.promises import ERRORS, PROMISES

TEMPLATE = Path(__file__).with_name("template.md")
LEAST = 0.93
FEWEST = 20
"""Tries below which a row tells nothing: figures are withheld, or repetitions few."""
ENOUGH = 300
"""Repetitions below which the page says that it tells little."""
REMARKS: dict[tuple[str, str, str], str] = {
    ("balanced", "rare class", "n 30"): (
        "really below: of 30 samples the rare class has three to five, and a third of the figure "
        "is their recall"
    ),
    ("difference", "mild", "n 5000"): (
        "by chance: 600 further repetitions of this row, with another seed, covered 96.0"
    ),
}
"""What is said of a row: figure, truth and samples."""
Row = tuple[str, str, str, int, int]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def page() -> str:
    """The whole page."""
    studies = [kept(name) for name in dict.fromkeys(_studies())]
    rows = [row for study in studies for row in study.rows]
    made = [
        [
            s.name,
            str(s.facts.get("repetitions", "–")),
            str(s.facts.get("seed", "–")),
            str(s.facts.get("minutes", "–")),
            s.facts.get("versions", "–"),
        ]
        for s in studies
    ]
    curves = [
        [name, ", ".join(f"{a:g}" for a in t.accuracy), f"{t.own:g}"] for name, t in TRUTHS.items()
    ]
    return TEMPLATE.read_text(encoding="utf-8").format(
        warning=_warning(studies),
        made=table(["study", "repetitions", "seed", "minutes", "made with"], made),
        curves=table(["name", "accuracy", "shared by a sample's answers"], curves),
        summary=_summary(rows),
        below=_below(rows),
        errors=_errors(rows),
        shown=_shown(rows),
        coverage=_by_study(studies),
    )


def _warning(studies: Sequence[Study]) -> str:
    """What few repetitions can tell; empty where there are enough."""
    few = min(int(study.facts.get("repetitions", 0)) for study in studies)
    if few >= ENOUGH:
        return ""
    return (
        f"**{few} repetitions tell no more than that nothing is far off: an interval that covers "
        f"85 % shows here.** Run the command with `--repetitions {ENOUGH}` or more before a row is "
        "quoted.\n\n"
    )


def _studies() -> list[str]:
    return [promise.study for promise in PROMISES] + list(ERRORS.values())


def _summary(rows: Sequence[Row]) -> str:
    made = []
    for promise in PROMISES:
        mine = [row for row in rows if row[0] == promise.coverage]
        if not mine:
            continue
        rates = [hits / tries for *_, hits, tries in mine if tries >= FEWEST]
        if not rates:
            continue
        mean = sum(row[3] for row in mine) / sum(row[4] for row in mine)
        ends = [f"{100 * value:.1f}" for value in (mean, min(rates), max(rates))]
        below = str(sum(rate < LEAST for rate in rates))
        made.append([promise.figure, promise.method, *ends, str(len(mine)), below])
    head = ["figure", "method", "mean", "lowest", "highest", "rows", "below 93"]
    return table(head, made)


def _below(rows: Sequence[Row]) -> str:
    """Every row below 93, with what is said of it."""
    keys = {promise.coverage for promise in PROMISES}
    made = []
    for figure, truth, sample, hits, tries in rows:
        rate = hits / tries
        if figure in keys and rate < LEAST and tries >= FEWEST:
            error = (0.95 * 0.05 / tries) ** 0.5
            chance = "within chance of 95 (3 standard errors)"
            said = REMARKS.get((figure, truth, sample)) or (
                chance if rate > 0.95 - 3 * error else "really below"
            )
            made.append([figure, truth, sample, f"{100 * rate:.1f}", str(tries), said])
    return table(["figure", "truth", "samples", "coverage", "repetitions", "why"], made)


def _errors(rows: Sequence[Row]) -> str:
    return _percent([row for row in rows if row[0] in ERRORS], "error")


def _shown(rows: Sequence[Row]) -> str:
    return _percent([row for row in rows if row[0].endswith("shown")], "shown")


def _percent(rows: Sequence[Row], name: str) -> str:
    made = [[f, t, s, f"{100 * h / n:.1f}", str(n)] for f, t, s, h, n in rows]
    return table(["test", "truth", "samples", f"{name} (%)", "repetitions"], made)


def _by_study(studies: Sequence[Study]) -> str:
    parts = []
    for study in studies:
        keys = [p.coverage for p in PROMISES if p.study == study.name]
        wide: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for figure, truth, sample, hits, tries in study.rows:
            if figure in keys:
                wide[truth, sample][figure] = _marked(hits / tries) if tries >= FEWEST else "few"
        if keys and wide:
            lines = [[*place, *(one.get(key, "–") for key in keys)] for place, one in wide.items()]
            parts.append(f"### {study.name}\n\n" + table(["truth", "samples", *keys], lines))
    return "\n".join(parts)


def _marked(rate: float) -> str:
    mark = "**" if rate < LEAST else "*" if rate > 0.97 else ""
    return f"{mark}{100 * rate:.1f}{mark}"
