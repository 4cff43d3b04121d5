"""The page of every type of checkpoint is what the census wrote."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

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
    number = _locked()
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


def _figures() -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, Any] = json.loads(
        (ROOT / "benchmarks" / "census.json").read_text(encoding="utf-8")
    )
    return found


def _locked() -> str:
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    (locked,) = (one["version"] for one in packages if one["name"] == "transformers")
    return str(locked)


def test_three_versions_stand_side_by_side() -> None:
    """The oldest that is allowed, the locked one, and a newer one."""
    numbers = sorted(_figures(), key=lambda told: [int(part) for part in told.split(".")])
    assert numbers[0].startswith("4.57.")
    assert _locked() in numbers[1:-1]


def test_every_attested_type_was_run_against_the_doctor() -> None:
    """Under the version that is locked here, in whose environment the tests run."""
    rows = attested_types(_figures()[_locked()])
    assert len(rows) >= 75
    told = {name: row.get("checkup") for name, row in rows.items()}
    assert {name: found for name, found in told.items() if found != {"samples": 9}} == {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "model_type", attested_types(_figures().get(version("transformers"), {})) or ["llava"]
)
def test_the_doctor_foretells_a_run_of_every_attested_type(model_type: str) -> None:
    import torch

    from benchmarks.census.checkup import checkup

    torch.set_num_threads(1)
    state = _figures().get(version("transformers"), {}).get(model_type, {}).get("state", "match")
    assert checkup(model_type, state) == {"samples": 9}


def test_a_checkup_that_differs_is_told() -> None:
    row = {"state": "match", "reason": "", "family": "llava", "training": "native"}
    row |= {"blind": "no image", "rank": "yes"}
    told = page({"9.0.0": {"a": {**row, "checkup": {"reason": "grid 1x1"}}, "b": row}})
    assert "of 0 the doctor foretold" in told and "- **a**: grid 1x1" in told
    assert "| yes | differs |" in told and "| yes | not run |" in told
    agreeing = page({"9.0.0": {"a": {**row, "checkup": {"samples": 9}}, "b": row}})
    assert "of 1 the doctor foretold" in agreeing
    assert "| yes | 9 of 9 |" in agreeing
    assert "the doctor foretold" not in page({"9.0.0": {"b": row}}).partition("## ")[2]
