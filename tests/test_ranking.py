"""Models over several tasks, and the samples that a drop needs: through records and commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import sweep, write_run

from resolution_eval import cli
from resolution_eval.analysis.ranking import Ranking, ranking
from resolution_eval.errors import RecordError
from resolution_eval.records import Record, make_records

GOOD, POOR = {"28": 0.7, "64": 0.9}, {"28": 0.3, "64": 0.5}


def run(folder: Path, model: str, task: str, curve: dict, number: int, **options) -> None:
    date = f"20260101_0000{number:02}"
    lines = sweep(curve, checkpoint=model, seed=number, **options)
    write_run(folder / f"{number}", lines, task=task, date=date)


def two_models(folder: Path) -> list[Record]:
    for number, (model, task, curve) in enumerate(
        [
            ("lab/good", "one_res", GOOD),
            ("lab/poor", "one_res", POOR),
            ("lab/good", "two_res", GOOD),
            ("lab/poor", "two_res", POOR),
            ("lab/good", "three_res", GOOD),
        ]
    ):
        run(folder, model, task, curve, number)
    return make_records(folder)


@pytest.fixture
def found(tmp_path: Path) -> Ranking:
    return ranking(two_models(tmp_path))


def test_the_better_model_is_first_and_its_rank_is_sure(found: Ranking) -> None:
    assert [place.model for place in found.places] == ["lab/good", "lab/poor"]
    assert [(p.rank.estimate, p.rank.low, p.rank.high) for p in found.places] == [
        (1, 1, 1),
        (2, 2, 2),
    ]
    assert all(p.score.low < p.score.estimate < p.score.high for p in found.places)


def test_the_mean_is_that_of_the_tasks_areas(tmp_path: Path) -> None:
    records = two_models(tmp_path)
    areas = [
        np.mean([cell.accuracy for cell in record.cells])
        for record in records
        if record.checkpoint.name == "lab/poor"
    ]
    (_, poor) = ranking(records).places
    assert poor.area.estimate == pytest.approx(np.mean(areas))


def test_a_task_that_a_model_lacks_is_left_out_and_named(found: Ranking) -> None:
    assert found.tasks == {"one_res": 60, "two_res": 60}
    assert found.left_out == {"three_res": "not scored: lab/poor"}


def test_equal_models_share_their_ranks_interval(tmp_path: Path) -> None:
    run(tmp_path, "a", "one_res", GOOD, 1)
    run(tmp_path, "b", "one_res", {"28": 0.7, "64": 0.88}, 2)
    assert {(p.rank.low, p.rank.high) for p in ranking(make_records(tmp_path)).places} == {(1, 2)}


def test_a_blind_run_is_no_model(tmp_path: Path) -> None:
    run(tmp_path, "a", "one_res", GOOD, 1)
    run(tmp_path, "b", "one_res", POOR, 2, blind="mean image")
    with pytest.raises(RecordError, match="a ranking needs two models, found 1"):
        ranking(make_records(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"curve": {"28": 0.5, "128": 0.5}}, "other resolutions: 28, 128 and 28, 64"),
        ({"fingerprint": "other"}, "other data"),
        ({"status": "mismatched", "grid": [8, 8]}, "accuracy at 28 is mismatched"),
    ],
)
def test_sweeps_that_are_not_of_one_kind_are_not_averaged(tmp_path, change, message) -> None:
    run(tmp_path, "a", "one_res", GOOD, 1)
    run(tmp_path, "b", "one_res", change.pop("curve", POOR), 2, **change)
    with pytest.raises(RecordError, match=message):
        ranking(make_records(tmp_path))


def test_the_same_model_twice_is_refused(tmp_path: Path) -> None:
    run(tmp_path, "a", "one_res", GOOD, 1)
    run(tmp_path, "a", "one_res", GOOD, 2)
    with pytest.raises(RecordError, match="a is there twice on one_res"):
        ranking(make_records(tmp_path))


def test_rank_prints_intervals_and_json(tmp_path, capsys) -> None:
    two_models(tmp_path)
    assert cli.main(["rank", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "1 [1, 1]" in printed and "Left out: three_res, not scored: lab/poor." in printed
    assert cli.main(["rank", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["places"][0]["model"] == "lab/good"


def test_power_plans_from_records(tmp_path, capsys) -> None:
    run(tmp_path, "a", "one_res", GOOD, 1)
    assert cli.main(["power", str(tmp_path), "--drop", "0.1", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    (record,) = make_records(tmp_path)
    correct = record.answers.scores([cell.key for cell in record.cells]).correct
    assert row["n"] == 60
    assert row["differ"] == pytest.approx((correct[:, 0] != correct[:, 1]).mean(), abs=1e-4)
    assert row["comparison"].endswith("28 against 64")
    assert 0 < row["detectable drop"] < 0.5 and row["n for 0.1"] > 60


def test_power_plans_from_figures_and_refuses_what_is_impossible(capsys) -> None:
    given = ["power", "--discordance", "0.2", "--n", "1000", "--drop", "0.05", "--json"]
    assert cli.main(given) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["detectable drop"], row["n for 0.05"]) == (0.0404, 661)
    assert cli.main(["power", "--n", "10"]) == 1
    assert "--discordance" in capsys.readouterr().err
    assert cli.main(["power", "--n", "10", "--discordance", "2"]) == 1
    assert "--discordance is 2" in capsys.readouterr().err
