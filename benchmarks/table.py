"""RESULTS.md, and the table of docs/howto/speed.md, from the results in `results/`.

`results/NAME.json` is what a run wrote; `results/NAME.md`, where there is one, is what a person
says of it: what holds a row back, with its profile.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks import NAMES
from benchmarks.result import busy

HERE = Path(__file__).parent
RESULTS = HERE / "results"
BEGIN, END = "<!-- benchmarks: made by `python -m benchmarks table` -->", "<!-- /benchmarks -->"


def write_tables() -> None:
    """Write both anew."""
    (HERE / "RESULTS.md").write_text(page(), encoding="utf-8")
    page_on_speed = HERE.parent / "docs" / "howto" / "speed.md"
    told = with_table(page_on_speed.read_text(encoding="utf-8"))
    page_on_speed.write_text(told, encoding="utf-8")


def with_table(text: str) -> str:
    """The page's text with the table between its marks."""
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    new = f"{BEGIN}\n{table()}\n{END}"
    return re.sub(pattern, lambda _: new, text, flags=re.DOTALL)


def documents() -> list[dict[str, Any]]:
    """The latest result of each benchmark that has one, in the order of their names' table."""
    paths = [RESULTS / f"{name}.json" for name in NAMES]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def table() -> str:
    """One row per benchmark: what was measured, the ratio, its mark, date."""
    found = {each["name"]: each for each in documents()}
    rows = [_row(name, found.get(name)) for name in NAMES]
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def _row(name: str, document: dict[str, Any] | None) -> dict[str, str]:
    measured = document is not None and document["ratio"] is not None
    return {
        "name": name,
        "what": NAMES[name],
        "ratio": f"{document['ratio']:.2f}" if document and measured else _open_ratio(document),
        "must reach": _mark(document) if document else "open",
        "date": document["detail"]["date"] if document and measured else "",
    }


def _open_ratio(document: dict[str, Any] | None) -> str:
    """What stands in a ratio's place; a rehearsal's is named as what it is."""
    rehearsed = None if document is None else document["detail"].get("rehearsed")
    return "not measured" if rehearsed is None else f"not measured (rehearsal {rehearsed:.2f})"


def command(name: str) -> str:
    """What measures `name` and keeps the result."""
    return f"uv run python -m benchmarks {name} --json benchmarks/results/{name}.json"


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
    found = {each["name"]: each for each in documents()}
    for name in NAMES:
        parts += [f"## {name}", *(_section(found[name]) if name in found else _open(name))]
        remark = RESULTS / f"{name}.md"
        parts += [remark.read_text(encoding="utf-8").strip()] if remark.is_file() else []
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(document: dict[str, Any]) -> list[str]:
    detail = document["detail"]
    sizes = {name: value for name, value in detail["sizes"].items() if value is not None}
    sizes.pop("name", None)
    return [
        f"`{command(document['name'])}`, {detail['date']}, on {detail['machine']}; "
        + ", ".join(f"{name} {value}" for name, value in detail["versions"].items())
        + "; "
        + ", ".join(f"{name} {value}" for name, value in sizes.items())
        + ".",
        tabulate(detail["rows"], headers="keys", tablefmt="github", floatfmt=".4g"),
        detail["note"],
        "" if detail.get("foreign") is None else busy(detail["foreign"]),
    ]


def _open(name: str) -> list[str]:
    return [f"Not measured. `{command(name)}` does it; `gpu` needs a machine with a GPU."]
