"""The page of every type of checkpoint is what the census wrote."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.census.page import attested_types, page

ROOT = Path(__file__).parents[1]


def test_the_documentation_holds_the_census() -> None:
    figures = json.loads((ROOT / "benchmarks" / "census.json").read_text(encoding="utf-8"))
    written = (ROOT / "docs" / "types.md").read_text(encoding="utf-8")
    assert written == page(figures), "run python -m benchmarks.census --page"


def test_a_type_that_is_not_attested_has_its_reason() -> None:
    figures = json.loads((ROOT / "benchmarks" / "census.json").read_text(encoding="utf-8"))
    for types in figures.values():
        for name, row in types.items():
            assert row["state"] == "match" or row["reason"], name


def test_the_adapters_page_says_the_number_that_was_measured() -> None:
    figures = json.loads((ROOT / "benchmarks" / "census.json").read_text(encoding="utf-8"))
    number = max(figures, key=lambda told: [int(part) for part in told.split(".")])
    types = figures[number]
    told = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
    release = number.rsplit(".", 1)[0]
    assert (
        f"[{len(attested_types(types))} of the {len(types)} types](types.md) of "
        f"transformers {release}" in told
    )


def test_a_type_that_was_not_run_is_not_counted() -> None:
    row = {"state": "not run", "reason": "the census was stopped before it"}
    assert attested_types({"a": row, "b": {**row, "state": "refused"}}) == {}
    assert list(attested_types({"a": row, "b": {**row, "state": "restore"}})) == ["b"]
