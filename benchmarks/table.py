"""RESULTS.md, and the README's table, from the results in `results/`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks import NAMES

HERE = Path(__file__).parent
RESULTS = HERE / "results"
BEGIN, END = "<!-- benchmarks: made by `python -m benchmarks table` -->", "<!-- /benchmarks -->"


def write_tables() -> None:
    """Write both anew."""
    (HERE / "RESULTS.md").write_text(page(), encoding="utf-8")
    readme = HERE.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    new = f"{BEGIN}\n{table()}\n{END}"
    readme.write_text(re.sub(pattern, lambda _: new, text, flags=re.DOTALL), encoding="utf-8")


def documents() -> list[dict[str, Any]]:
    """The latest result of each benchmark that has one, in the order of their names' table."""
    paths = [RESULTS / f"{name}.json" for name in NAMES]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def table() -> str:
    """One row per benchmark: what was measured, the ratio, its mark, date."""
    rows = [
        {
            "name": each["name"],
            "what": NAMES[each["name"]],
            "ratio": "not measured" if each["ratio"] is None else f"{each['ratio']:.2f}",
            "must reach": _mark(each),
            "date": each["detail"]["date"],
        }
        for each in documents()
    ]
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def _mark(document: dict[str, Any]) -> str:
    if document["target"] is None:
        return "reported"
    met = {True: "met", False: "**missed**", None: "open"}[document["met"]]
    return f"{document['detail']['sense']} {document['target']:g}: {met}"


def page() -> str:
    """Every result with its table, machine, versions and sizes."""
    parts = [
        "# Speed and memory, measured",
        "Made by `python -m benchmarks table` from `benchmarks/results/`; each section's command "
        "makes its figures anew. Both sides of a ratio are measured in one run, in turn. Times are "
        "in seconds, median [least, most]. Models have random weights: these are no accuracies.",
        table(),
    ]
    for each in documents():
        detail = each["detail"]
        sizes = {name: value for name, value in detail["sizes"].items() if value is not None}
        rows = tabulate(detail["rows"], headers="keys", tablefmt="github", floatfmt=".4g")
        parts += [
            f"## {each['name']}",
            f"`python -m benchmarks {each['name']}`, {detail['date']}, on {detail['machine']}; "
            + ", ".join(f"{name} {value}" for name, value in detail["versions"].items())
            + "; "
            + ", ".join(f"{name} {value}" for name, value in sizes.items() if name != "name"),
            rows,
            detail["note"],
        ]
    return "\n\n".join(part for part in parts if part) + "\n"
