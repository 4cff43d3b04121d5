"""`compare` on records: which samples changed, and when there is no verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_runs import behind_server, line, write_run

from resolution_eval import cli
from resolution_eval.records import make_records, write_record


def record_of(folder: Path, correct: str, step: str = "attested", **options) -> str:
    """The file of a record whose samples a, b, c, ... are right (1) or wrong (0) at 28."""
    lines = [
        line(name, "28", correct=int(right), **options)
        for name, right in zip("abcdef", correct, strict=True)
    ]
    write_run(folder / "run", lines if step == "attested" else behind_server(lines, step))
    (record,) = make_records(folder / "run")
    return str(write_record(record, folder))


def test_the_samples_that_changed_are_named(tmp_path, capsys) -> None:
    first, second = record_of(tmp_path / "a", "110000"), record_of(tmp_path / "b", "101100")
    assert cli.main(["compare", first, second, "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)["verdicts"]["28"]
    assert (verdict["gained"], verdict["lost"]) == (["c", "d"], ["b"])
    assert verdict["difference"]["estimate"] == pytest.approx(1 / 6)
    assert verdict["p"] == 1.0
    assert cli.main(["compare", first, second, "--samples"]) == 0
    printed = capsys.readouterr().out
    changed = [
        row.split() for row in printed.splitlines() if row.split()[-1:] in (["gained"], ["lost"])
    ]
    assert [row[-2:] for row in changed] == [["c", "gained"], ["d", "gained"], ["b", "lost"]]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"grid": [24, 28], "expected_grid": [24, 28]}, "different grids in 6 of 6 samples"),
        ({"tiles": 5}, "28x28 against 28x28 in 5 tiles"),
        ({"status": "unattested", "grid": None}, "is unattested"),
        ({"filter": "box"}, "filter bicubic against box"),
    ],
)
def test_without_one_attested_grid_there_is_no_verdict_and_a_reason(
    tmp_path, capsys, options, why
) -> None:
    first = record_of(tmp_path / "a", "110000")
    second = record_of(tmp_path / "b", "101100", **options)
    assert cli.main(["compare", first, second, "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)["verdicts"]["28"]
    assert list(verdict) == ["reason"] and why in verdict["reason"]


def test_a_blind_run_in_the_same_folder_is_no_second_record(tmp_path, capsys) -> None:
    other, both = record_of(tmp_path / "b", "101100"), tmp_path / "both"
    record_of(both, "111000")
    blind = [line(name, "28", correct=0, blind="mean image") for name in "abcdef"]
    write_run(tmp_path / "blind", blind)
    (record,) = make_records(tmp_path / "blind")
    write_record(record, both)
    assert len(list(both.glob("*.record.json"))) == 2
    assert cli.main(["compare", str(both), other, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdicts"]["28"]["lost"] == ["b"]


@pytest.mark.parametrize("steps", [("attested", "counted"), ("counted", "predicted")])
def test_different_steps_are_compared_only_when_asked_and_it_is_said(
    tmp_path, capsys, steps
) -> None:
    first = record_of(tmp_path / "a", "110000", steps[0])
    second = record_of(tmp_path / "b", "101100", steps[1])
    assert cli.main(["compare", first, second, "--json"]) == 0
    reason = json.loads(capsys.readouterr().out)["verdicts"]["28"]["reason"]
    assert reason.startswith(f"{steps[0]} against {steps[1]}; --mix-steps")
    assert cli.main(["compare", first, second, "--mix-steps", "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)["verdicts"]["28"]
    assert (verdict["steps"], verdict["lost"]) == ([*steps], ["b"])
    assert cli.main(["compare", first, second, "--mix-steps"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{steps[0]} / {steps[1]}" in printed
    assert f"Steps of the ladder are mixed, as asked: {' and '.join(steps)}" in printed


def test_one_step_is_compared_without_asking_and_nothing_is_mixed(tmp_path, capsys) -> None:
    first = record_of(tmp_path / "a", "110000", "counted")
    second = record_of(tmp_path / "b", "101100", "counted")
    assert cli.main(["compare", first, second]) == 0
    printed = capsys.readouterr().out
    assert "counted" in printed and "mixed" not in printed


def test_what_is_mismatched_is_compared_with_nothing_though_asked(tmp_path, capsys) -> None:
    first = record_of(tmp_path / "a", "110000", "counted")
    second = record_of(tmp_path / "b", "101100", "mismatched")
    assert cli.main(["compare", first, second, "--mix-steps", "--json"]) == 0
    assert "mismatched" in json.loads(capsys.readouterr().out)["verdicts"]["28"]["reason"]


def test_predicted_sizes_that_differ_are_no_common_grid(tmp_path, capsys) -> None:
    first = record_of(tmp_path / "a", "110000")
    second = record_of(tmp_path / "b", "101100", "counted", edge=24)
    assert cli.main(["compare", first, second, "--mix-steps", "--json"]) == 0
    reason = json.loads(capsys.readouterr().out)["verdicts"]["28"]["reason"]
    assert "different grids were received, or predicted, in 6 of 6" in reason
    assert "28x28 against 24x24" in reason
