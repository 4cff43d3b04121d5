"""The measured figures that README and RESULTS.md show are those of the files in `results/`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import NAMES, table
from benchmarks.result import Foreign, Result

ROOT = Path(__file__).parents[1]


def test_the_readme_holds_the_table() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert table.BEGIN in text
    assert table.with_table(text) == text, "run python -m benchmarks table"


def test_the_page_is_made_from_the_results() -> None:
    found = (ROOT / "benchmarks/RESULTS.md").read_text(encoding="utf-8")
    assert found == table.page(), "run python -m benchmarks table"


@pytest.mark.parametrize("path", sorted(table.RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_result_is_whole_and_its_verdict_its_own(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["name"] == path.stem
    assert path.stem in NAMES
    told = Result(
        name=path.stem, ratio=document["ratio"], target=document["target"],
        sense=document["detail"]["sense"], rows=[], sizes={},
    )  # fmt: skip
    assert document["met"] == told.met


@pytest.mark.parametrize(
    ("ratio", "sense", "met"),
    [
        (2.0, "at least", True),
        (1.99, "at least", False),
        (1.1, "at most", False),
        (1.0, "at most", True),
    ],
)
def test_a_mark_is_met_on_its_own_side(ratio: float, sense: str, met: bool) -> None:
    target = 2.0 if sense == "at least" else 1.05
    result = Result(name="rank", ratio=ratio, target=target, sense=sense, rows=[], sizes={})  # type: ignore[arg-type]
    assert result.met is met


def test_what_was_not_measured_is_not_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    assert "not measured" in table.table()
    assert "met" not in table.table().replace("not measured", "")
    assert table.command("gpu") in table.page()


def test_others_are_seen_apart_from_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([(100.0, 50.0, 10.0), (120.0, 65.0, 20.0)])
    monkeypatch.setattr(Foreign, "_now", staticmethod(lambda: next(moments)))
    assert Foreign().share() == pytest.approx((15 - 10) / 20)
