"""The measured figures that docs/howto/speed.md and RESULTS.md show are those of the results."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from benchmarks import NAMES, table
from benchmarks.operations import counted
from benchmarks.result import Foreign, Result

ROOT = Path(__file__).parents[1]


def test_the_page_on_speed_holds_the_table() -> None:
    text = (ROOT / "docs" / "howto" / "speed.md").read_text(encoding="utf-8")
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


@pytest.mark.parametrize(("query_heads", "heads"), [(4, 4), (4, 2), (6, 1)])
@pytest.mark.parametrize("masked", [False, True])
def test_operations_of_attention_are_those_of_its_products(
    query_heads: int, heads: int, masked: bool
) -> None:
    import torch

    query, key = torch.randn(3, query_heads, 5, 8), torch.randn(3, heads, 7, 8)
    mask = torch.ones(5, 7, dtype=torch.bool).tril(2) if masked else None
    attend = torch.nn.functional.scaled_dot_product_attention
    with torch.inference_mode():
        one = counted(lambda: attend(query, key, key, attn_mask=mask, enable_gqa=True))
        again = key.repeat_interleave(query_heads // heads, 1)
        plain = counted(lambda: (query @ again.mT).softmax(-1) @ again)
    assert one == plain == 2 * 2 * 3 * query_heads * 5 * 7 * 8


def test_a_small_grouped_model_counts_the_same_under_any_attention() -> None:
    import torch

    from benchmarks.gpu import IMAGE_TOKEN, SIZES, _model

    ids = torch.full((2, 12), IMAGE_TOKEN + 5)
    with torch.inference_mode():
        operations = {
            name: counted(partial(_model(SIZES["rehearsal"], "cpu", name), input_ids=ids))
            for name in ("sdpa", "eager")
        }
    assert operations["sdpa"] == operations["eager"] > 0
