"""Blind controls in the report: what a checkpoint scores without the image stands beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import sweep, write_run

from resolution_eval.analysis import Sweep, by_task, figures
from resolution_eval.analysis.blind_control import looks
from resolution_eval.records import write_record
from resolution_eval.report import load
from resolution_eval.report.content import points
from resolution_eval.report.findings import findings
from resolution_eval.report.task_tables import accuracy_table, blind_table

SEEN = {"28": 0.34, "64": 0.9}
BLIND = {"28": 0.35, "64": 0.34}


def sweeps(folder: Path, *, apart: bool = False, keep: bool = True) -> tuple[Sweep, ...]:
    """The sweeps of a run, with its blind run in the same folder or in one `apart`."""
    blind = folder / "blind" if apart else folder / "runs"
    write_run(folder / "runs", sweep(SEEN, samples=90), date="20260101_000000")
    hidden = sweep(BLIND, samples=90, seed=11, blind="mean image")
    write_run(blind, hidden, date="20260102_000000")
    paths = [folder / "runs", *([blind] if apart else [])]
    records = load(paths)
    if not keep:
        records = [record for record in records if record.blind is None]
    return by_task(records)[0].sweeps


def test_a_blind_run_is_a_control_and_no_curve(tmp_path):
    (each,) = sweeps(tmp_path)
    assert each.name == "small-flamingo"
    assert [control.resolution for control in each.record.controls.blind] == ["28", "64"]


def test_a_blind_run_in_another_folder_is_found_too(tmp_path):
    (each,) = sweeps(tmp_path, apart=True)
    assert all(look is not None for look in looks(each))


def test_the_difference_is_paired_by_sample_and_tells_whether_it_looks(tmp_path):
    (each,) = sweeps(tmp_path)
    low, high = looks(each)
    assert (low.place, high.place) == ("on", "above")
    seen = each.scores.correct.mean(axis=0)
    hidden = each.unseen[0].answers.scores([cell.key for cell in each.cells]).correct
    assert [low.accuracy, high.accuracy] == pytest.approx(hidden.mean(axis=0))
    differences = [look.difference.estimate for look in (low, high)]
    assert differences == pytest.approx(seen - hidden.mean(axis=0))
    assert low.difference.low < 0 < low.difference.high


def test_below_its_own_blind_score_is_not_called_blind(tmp_path):
    write_run(tmp_path, sweep({"28": 0.2, "64": 0.2}, samples=90), date="20260101_000000")
    hidden = sweep({"28": 0.9, "64": 0.9}, samples=90, blind="mean image")
    write_run(tmp_path, hidden, date="20260102_000000")
    ((each,),) = (task.sweeps for task in by_task(load([tmp_path])))
    assert [look.place for look in looks(each)] == ["below", "below"]
    (finding,) = findings([figures(each)])
    assert "Below its own score without the image at 28, 64." in finding.sentences


def test_without_the_blind_answers_two_intervals_that_touch_decide(tmp_path):
    (each,) = sweeps(tmp_path, keep=False)
    low, high = looks(each)
    assert (low.difference, high.difference) == (None, None)
    assert (low.place, high.place) == ("on", "above")
    interval = figures(each).cells[1].accuracy
    assert interval.low > high.high > high.accuracy > high.low


def test_a_blind_run_that_was_asked_otherwise_is_no_control(tmp_path):
    def shown_examples(results):
        results["n-shot"] = {"synthetic_res": 4}

    write_run(tmp_path, sweep(SEEN, samples=30), date="20260101_000000", change=shown_examples)
    hidden = sweep(BLIND, samples=30, blind="mean image")
    write_run(tmp_path, hidden, date="20260102_000000")
    record = next(record for record in load([tmp_path]) if record.blind is None)
    assert record.environment.fewshot == 4
    assert record.controls.blind == ()


def test_a_stored_record_keeps_its_control(tmp_path):
    (each,) = sweeps(tmp_path, keep=False)
    stored = write_record(each.record, tmp_path / "records")
    (again,) = by_task(load([stored]))[0].sweeps
    assert [look.place for look in looks(again)] == ["on", "above"]


def test_the_table_has_a_row_without_the_image_and_the_mark(tmp_path):
    write_run(tmp_path / "other", sweep(SEEN, samples=30, checkpoint="x/no-control"))
    (mine,) = sweeps(tmp_path)
    task = by_task([*load([tmp_path / "other"]), mine.record, *mine.unseen])[0]
    estimated = [figures(each) for each in task.sweeps]
    table = accuracy_table(task, estimated)
    notes = [(row[0].text, row[0].note) for row in table.rows]
    assert notes == [
        ("no-control", ""),
        ("small-flamingo", ""),
        ("small-flamingo", "without the image"),
    ]
    assert [entry.mark for entry in table.rows[1][3:]] == ["no better than without the image", ""]
    assert [entry.mark for entry in table.rows[0][3:]] == ["", ""]
    seen, hidden = (row[3].sort for row in table.rows[1:])
    gains = blind_table(task, estimated)
    (row,) = gains.rows
    assert [entry.text for entry in row[:2]] == ["small-flamingo", "mean image"]
    assert row[2].sort == pytest.approx(seen - hidden)
    assert [entry.mark for entry in row[2:]] == ["no better than without the image", ""]


def test_without_the_blind_answers_no_difference_is_shown(tmp_path):
    (each,) = sweeps(tmp_path, keep=False)
    task = by_task([each.record])[0]
    (row,) = blind_table(task, [figures(each)]).rows
    assert [entry.text for entry in row[2:]] == ["–", "–"]
    assert [entry.mark for entry in row[2:]] == ["no better than without the image", ""]


def test_the_findings_say_where_it_does_not_look(tmp_path):
    (each,) = sweeps(tmp_path)
    (finding,) = findings([figures(each)])
    assert any(text.startswith("Does not look at 28, as far") for text in finding.sentences)
    assert not any("every resolution" in text for text in finding.sentences)


def test_the_chart_has_the_blind_score_of_every_cell(tmp_path):
    (each,) = sweeps(tmp_path)
    drawn = points([figures(each)])
    hidden = each.unseen[0].cells
    assert [point.blind for point in drawn] == [cell.accuracy for cell in hidden]
    assert not np.isclose(drawn[1].blind, drawn[1].accuracy)


def test_a_blind_run_of_nothing_is_shown_under_its_own_name(tmp_path):
    write_run(tmp_path, sweep(BLIND, samples=30, blind="mean image"))
    (each,) = by_task(load([tmp_path]))[0].sweeps
    assert each.name == "small-flamingo · mean image"
    assert looks(each) == (None, None)
