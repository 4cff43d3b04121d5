"""The page of the study is what its results make it, and its tables say what the results say."""

from __future__ import annotations

import json

import pytest

from benchmarks import study

GAP = {
    "name": "mixed_low_gap", "strategy": "spread", "unit": "fraction", "sign": "open",
    "cells": ["spread->low", "low->low"], "estimate": -0.0149, "low": -0.04, "high": 0.01,
    "per_seed": [-0.02, -0.0098],
}  # fmt: skip
KEPT = {
    "name": "mixed_retention", "strategy": "spread", "unit": "ratio", "sign": "holds",
    "cells": ["spread->native", "native->native"], "estimate": 0.9951, "low": 0.97, "high": 1.02,
    "per_seed": [1.0, 0.99],
}  # fmt: skip


def cell(infer: str, percent: float) -> dict:
    return {
        "train": "spread", "infer": infer, "accuracy_percent": percent,
        "interval_percent": [percent - 5, percent + 4],
        "per_seed_percent": [percent - 1, percent + 1],
    }  # fmt: skip


def matrix(*gaps: dict) -> dict:
    return {
        "low": "28",
        "native": "84",
        "checkpoints": {"spread": [{}, {}]},
        "cells": [],
        "further_cells": [cell("56", 70.0), cell("low", 61.0), cell("42", 66.6), cell("112", 9.0)],
        "gaps": list(gaps),
    }


def test_the_page_is_made_from_the_results():
    assert study.PAGE.read_text(encoding="utf-8") == study.page()


def test_cells_are_in_order_of_resolution_with_interval_and_spread():
    head, _, row = study.cells(matrix()).splitlines()
    assert [part.strip() for part in head.split("|")[1:-1]] == [
        "trained", "seeds", "low (28)", "42", "56", "112",
    ]  # fmt: skip
    assert "66.6 [61.6, 70.6] ± 1.4" in row


@pytest.mark.parametrize(
    ("gap", "kept", "said"),
    [(-0.0149, 0.9951, "yes"), (-0.0201, 0.9951, "no"), (-0.0149, 0.9899, "no")],
)
def test_a_target_is_reached_only_where_both_figures_reach_it(gap, kept, said):
    made = matrix(GAP | {"estimate": gap}, KEPT | {"estimate": kept})
    row = study.targets({"pbc": {"matrix": made}}).splitlines()[2]
    assert row.split("|")[-2].strip() == said
    assert "66.6 at 42" in row


def test_a_withheld_gap_is_said_and_reaches_nothing():
    held = {k: v for k, v in GAP.items() if k not in ("estimate", "low", "high", "per_seed")}
    made = matrix(held | {"withheld": "low at 28 is incomplete"}, KEPT)
    assert "withheld" in study.gaps(made)
    assert len(study.targets({"pbc": {"matrix": made}}).splitlines()) == 2


def test_collecting_keeps_the_matrix_and_what_training_cost(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    (tmp_path / "matrix").mkdir()
    (tmp_path / "matrix" / "matrix.json").write_text(json.dumps(matrix(GAP)))
    folder = tmp_path / "checkpoints" / "spread-2"
    folder.mkdir(parents=True)
    extra = {"processor_seconds": 31.5, "recipe": {"low": 28}}
    (folder / "config.json").write_text(json.dumps({"extra": extra}))
    kept = json.loads(study.collect("x", tmp_path / "matrix", tmp_path / "checkpoints").read_text())
    assert kept["matrix"]["gaps"] == [GAP]
    trained = {"strategy": "spread", "seed": 2, "processor_seconds": 31.5, "recipe": {"low": 28}}
    assert kept["training"] == [trained]
    assert "| 32 " in study.training({"x": kept})


def test_the_recipes_table_says_shares_steps_and_average():
    plan = {
        "strategy": "mixed", "low": 28, "native": 84, "mix": [[28, 3.0], [56, 1.0]],
        "encoder": {"steps": 7627}, "joint": {"steps": 150}, "average": 0.998,
        "architecture": {"patch": 14},
    }  # fmt: skip
    runs = [
        {"strategy": "spread", "seed": 0, "recipe": plan},
        {"strategy": "native", "seed": 0, "recipe": plan | {"strategy": "native", "mix": []}},
        {"strategy": "mixed", "seed": 0, "recipe": plan | {"mix": [], "average": 0}},
        {"strategy": "none", "seed": 0, "recipe": plan},
    ]
    rows = study.recipes({"x": {"training": runs}}).splitlines()[2:]
    cells = [[part.strip() for part in row.split("|")[1:-1]] for row in rows]
    assert cells == [
        ["x", "spread", "14", "28: 0.75  56: 0.25", "7627", "150", "0.998"],
        ["x", "native", "14", "84: 1.00", "7627", "150", "0.998"],
        ["x", "mixed", "14", "28: 0.50  84: 0.50", "7627", "150", "–"],
    ]


def test_models_that_do_not_look_are_said_to_and_kept_out_of_signs_and_aims():
    text = study.page()
    for name, note in study.NOT_LOOKING.items():
        assert f"### {name}\n\n{note}\n" in text
        for heading in ("## Do the paper's signs hold?", "## Keeping both ends"):
            section = text.partition(heading)[2].partition("\n## ")[0]
            assert "| pbc56" in section and f"| {name} " not in section
