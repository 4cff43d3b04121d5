"""What the study's page tells of cost and sight is what folders and matrices say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.study import RECORDS
from benchmarks.study_folders import blind_rows, cost_rows, timed_rows, trained


def batch(at: str, seconds: float, peak: int = 2**20) -> dict[str, Any]:
    return {"resolution": at, "samples": 8, "seconds": seconds, "peak_memory": peak}


def folder(place: Path, name: str) -> Path:
    made = place / name
    made.mkdir()
    cost = {at: {"visual_tokens": int(at) / 7, "batches": 3} for at in ("28", "112")}
    extra = {"seconds": 3.0, "recipe": {"no": "Flamingo"}, "cost": {"resolutions": cost}}
    (made / "training.json").write_text(json.dumps({"extra": extra}))
    (made / "config.json").write_text('{"model_type": "llava"}')
    steps = [
        {"head_loss": 1.0, "processor_seconds": 0.1, "batches": [batch("112", 0.1, 9 * 2**20)]},
        {"loss": 1.0, "processor_seconds": 4.0, "batches": [batch("112", 8.0, 3 * 2**20)]},
        {"loss": 1.0, "processor_seconds": 0.5, "batches": [batch("28", 2.0)]},
        {"loss": 1.0, "processor_seconds": 0.1, "batches": [batch("28", 1.0), batch("28", 4.0)]},
    ]
    (made / "steps.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps))
    return made


def test_cost_is_of_whole_passes_by_resolution(tmp_path):
    runs = [trained(folder(tmp_path, f"mixed-{seed}")) for seed in (0, 1)]
    assert [(run["strategy"], run["seed"]) for run in runs] == [("mixed", 0), ("mixed", 1)]
    assert "recipe" not in runs[0]
    matrix = {"checkpoints": {"none": [{}], "mixed": [{}, {}]}}
    found = list(cost_rows({"pbc": {"matrix": matrix, "training": runs}}))
    assert found == [
        ["pbc", "mixed", "28", "4", "3", "4 (4 to 4)", "1"],
        ["pbc", "mixed", "112", "16", "3", "1 (1 to 1)", "3"],
    ]


def test_what_was_timed_in_processor_seconds_is_told_by_resolution(tmp_path):
    timed = trained(folder(tmp_path, "timed-0"))
    assert list(timed_rows({"pbc": {}, "pbc-llava": {"timed": timed}})) == [
        ["28", "4", "16", "1"], ["112", "16", "2", "3"],
    ]  # fmt: skip


def test_a_flamingos_folder_tells_it_in_its_configuration(tmp_path):
    (tmp_path / "low-2").mkdir()
    extra = {"seconds": 4.0, "processor_seconds": 2.0, "recipe": {"low": 28}, "samples": {}}
    (tmp_path / "low-2" / "config.json").write_text(json.dumps({"extra": extra}))
    assert trained(tmp_path / "low-2") == {
        "strategy": "low", "seed": 2, "seconds": 4.0, "processor_seconds": 2.0,
        "recipe": {"low": 28},
    }  # fmt: skip


@pytest.mark.whole
def test_the_blind_stand_beside_the_sighted_of_the_same_record():
    rows = {row[0]: row for row in blind_rows(RECORDS, "56")}
    _, trained_at, n, sighted, blind, adds = rows["vqa56-native-0"]
    assert (trained_at, n) == ("fixed:56", 251)
    assert float(adds) == pytest.approx(float(sighted) - float(blind), abs=0.11)
    assert float(adds) < 0
