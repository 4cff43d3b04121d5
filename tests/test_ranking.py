"""Models over several tasks, and the samples that a drop needs: through records and commands."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import behind_server, failed_at, line, sweep, write_run

from resolution_eval import cli
from resolution_eval.analysis.ranking import Ranking, ranking
from resolution_eval.ground.errors import RecordError
from resolution_eval.records import Record, make_records
from resolution_eval.report import load

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


def test_a_task_of_one_patient_tells_no_models_apart(tmp_path: Path) -> None:
    for number, (model, task, curve) in enumerate(
        (model, task, curve)
        for task in ("one_res", "two_res")
        for model, curve in (("lab/good", GOOD), ("lab/poor", POOR))
    ):
        lines = sweep(curve, checkpoint=model, seed=number)
        for each in lines if task == "two_res" else ():
            each["verdict"]["cluster"] = "one"
        date = f"20260101_0000{number:02}"
        write_run(tmp_path / f"{number}", lines, task=task, date=date)
    found = ranking(make_records(tmp_path))
    assert list(found.tasks) == ["one_res"]
    assert "one cluster" in found.left_out["two_res"]


def test_a_floor_that_is_one_in_some_resamples_leaves_ends_that_are_numbers(tmp_path: Path) -> None:
    """Of 20 samples 18 have one right answer: in every eighth resample all of them."""
    for number in range(4):
        lines = [
            line(
                f"{number // 2}-{i}",
                r,
                correct=int(i % 10 < 9 or number % 2),
                target="mucosa" if i < 18 else "adipose",
                checkpoint=f"lab/{number % 2}",
            )
            for r in ("28", "64")
            for i in range(20)
        ]
        date = f"20260101_0000{number:02}"
        write_run(tmp_path / f"{number}", lines, task=f"{number // 2}_res", date=date)
    found = ranking(make_records(tmp_path))
    assert len(found.tasks) == 2
    for place in found.places:
        assert np.isfinite([place.score.low, place.score.high]).all()
        assert place.score.low <= place.score.estimate <= place.score.high


def test_the_score_is_the_mean_of_the_gains_over_the_floor(found: Ranking, tmp_path: Path) -> None:
    """The floor is the most frequent right answer: there is no chance level, and no blind run."""
    gains = []
    for record in two_models(tmp_path / "again"):
        if record.checkpoint.name == "lab/poor":
            rows = [row for row in record.answers.rows() if row["resolution"] == "28"]
            (_, often) = Counter(row["target"] for row in rows).most_common(1)[0]
            base = often / len(rows)
            area = np.mean([cell.accuracy for cell in record.cells])
            gains.append((area - base) / (1 - base))
    assert found.places[1].score.estimate == pytest.approx(np.mean(gains))


def test_a_model_that_does_not_look_stands_last_without_a_rank(tmp_path: Path) -> None:
    """It has the best score of all; without the image it has the same."""
    blind_best, looks = {"28": 0.85, "64": 0.85}, {"28": 0.7, "64": 0.8}
    run(tmp_path, "b/reader", "one_res", blind_best, 1)
    run(tmp_path, "b/reader", "one_res", blind_best, 2, blind="no image")
    run(tmp_path, "a/seer", "one_res", looks, 3)
    run(tmp_path, "a/seer", "one_res", {"28": 0.1, "64": 0.1}, 4, blind="no image")
    first, last = ranking(load([tmp_path])).places
    assert (first.model, first.looks, first.rank.estimate) == ("a/seer", True, 1)
    assert (last.model, last.looks, last.rank) == ("b/reader", False, None)
    assert last.area.estimate > first.area.estimate


def test_order_and_rank_never_disagree(tmp_path: Path) -> None:
    for number, rate in enumerate((0.5, 0.62, 0.58, 0.55, 0.6)):
        run(tmp_path, f"m{number}", "one_res", {"28": rate, "64": rate + 0.1}, number)
    places = ranking(make_records(tmp_path)).places
    scores, ranks = [p.score.estimate for p in places], [p.rank.estimate for p in places]
    assert scores == sorted(scores, reverse=True) and ranks == sorted(ranks)
    assert all(p.rank.low <= p.rank.estimate <= p.rank.high for p in places)


def test_hidden_failures_gain_no_rank(tmp_path: Path) -> None:
    """The wrong answers of the poorer model at 28 turned into failures: 5 % of its samples."""
    better = {"28": 0.75, "64": 0.75}
    run(tmp_path, "a", "one_res", better, 1, samples=400)
    run(tmp_path, "b", "one_res", {"28": 0.72, "64": 0.72}, 2, samples=400)
    honest = ranking(make_records(tmp_path)).places
    lines = sweep({"28": 0.72, "64": 0.72}, samples=400, checkpoint="b", seed=2)
    wrong = [
        each["verdict"]["sample"]
        for each in lines
        if each["verdict"]["resolution"] == "28" and not each["verdict"]["correct"]
    ]
    lines = failed_at(lines, set(wrong[:20]), "28")
    write_run(tmp_path / "2", lines, task="one_res", date="20260101_000002")
    found = {place.model: place for place in ranking(make_records(tmp_path)).places}
    before = {place.model: place for place in honest}
    assert found["b"].rank.low <= before["b"].rank.low and found["b"].rank.high == 2
    assert found["a"].rank.low == 1
    assert found["b"].score.low <= before["b"].score.estimate


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


def of_steps(folder: Path, *steps: str) -> Path:
    """Two models on one task, the first of them better, each of its step of the ladder."""
    for number, (model, curve, step) in enumerate(zip("ab", (GOOD, POOR), steps, strict=True)):
        lines = sweep(curve, checkpoint=f"lab/{model}", seed=number)
        told = lines if step == "attested" else behind_server(lines, step)
        write_run(folder / model, told, task="one_res", date=f"20260101_00000{number}")
    return folder


@pytest.mark.parametrize(
    "steps", [("attested", "counted"), ("counted", "predicted"), ("attested", "unattested")]
)
def test_steps_are_ranked_together_only_when_asked_and_it_is_said(tmp_path, capsys, steps) -> None:
    folder = str(of_steps(tmp_path, *steps))
    assert cli.main(["rank", folder]) != 0
    refused = " ".join(capsys.readouterr().err.split())
    assert f"{' and '.join(steps)} are different steps of the ladder; --mix-steps" in refused
    assert cli.main(["rank", folder, "--mix-steps"]) == 0
    printed = capsys.readouterr().out
    first, second = (line.split() for line in printed.splitlines() if "lab/" in line)
    assert (first[-1], second[-1]) == steps
    assert f"Steps of the ladder are mixed, as asked: {' and '.join(steps)}; " in printed


def test_one_step_is_ranked_without_asking_and_nothing_is_said_to_be_mixed(
    tmp_path, capsys
) -> None:
    assert cli.main(["rank", str(of_steps(tmp_path, "counted", "counted"))]) == 0
    printed = capsys.readouterr().out
    assert "counted" in printed and "mixed" not in printed


def test_a_task_of_a_weaker_step_enters_no_mean_unless_asked(tmp_path, capsys) -> None:
    """Every model is counted on one task and attested on the other: the mean would mix them."""
    for number, (model, curve) in enumerate(zip("ab", (GOOD, POOR), strict=True)):
        for task, step in (("one_res", "attested"), ("two_res", "counted")):
            seed = 2 * number + (task == "two_res")
            lines = sweep(curve, checkpoint=f"lab/{model}", seed=seed)
            told = lines if step == "attested" else behind_server(lines, step)
            date = f"20260101_00000{seed}"
            write_run(tmp_path / f"{model}{task}", told, task=task, date=date)
    records = load([tmp_path])
    alone = ranking(records)
    assert list(alone.tasks) == ["one_res"] and set(alone.steps.values()) == {"attested"}
    assert "counted, where other tasks are attested" in alone.left_out["two_res"]
    mixed = ranking(records, mix_steps=True)
    assert set(mixed.tasks) == {"one_res", "two_res"} and mixed.left_out == {}
    assert cli.main(["rank", str(tmp_path)]) == 0
    assert "Left out: two_res, counted" in capsys.readouterr().out
    assert cli.main(["rank", str(tmp_path), "--mix-steps"]) == 0
    said = capsys.readouterr().out
    assert "Steps of the ladder are mixed, as asked: attested and counted" in said


def test_what_is_mismatched_is_ranked_with_nothing_though_asked(tmp_path) -> None:
    records = load([of_steps(tmp_path, "attested", "mismatched")])
    with pytest.raises(RecordError, match="mismatched"):
        ranking(records, mix_steps=True)
