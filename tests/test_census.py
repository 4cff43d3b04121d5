"""The page of every type of checkpoint is what the census wrote."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.census.page import page

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
