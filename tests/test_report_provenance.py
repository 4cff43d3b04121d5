"""Provenance and cost: nothing that is not known reads as none."""

from __future__ import annotations

from pathlib import Path

from synthetic_runs import facts, sweep, write_run

from resolution_eval.records import make_records
from resolution_eval.report import studies
from resolution_eval.report.cost_tables import cost_table
from resolution_eval.report.findings import findings
from resolution_eval.report.provenance import facts as provenance


def test_what_was_excluded_is_said_only_where_it_is_known(tmp_path: Path) -> None:
    lines = sweep({"28": 0.5, "64": 0.7}, samples=4)
    lines[0]["run"] = facts()
    write_run(tmp_path, lines)
    (record,) = make_records(tmp_path)
    known = dict(provenance(record))
    assert (known["samples loaded"], known["samples excluded"]) == ("60", "1")
    data = record.dataset.model_copy(update={"excluded_total": None})
    unknown = dict(provenance(record.model_copy(update={"dataset": data})))
    assert unknown["samples loaded"] == "60" and "samples excluded" not in unknown


def test_demonstrations_and_the_order_of_options_are_said(tmp_path: Path) -> None:
    def asked(results: dict) -> None:
        results["n-shot"] = {"synthetic_res": 0}
        results["configs"]["synthetic_res"]["metadata"]["option_order"] = "seeded:3"

    write_run(tmp_path, sweep({"28": 0.5}, samples=4), change=asked)
    (record,) = make_records(tmp_path)
    said = dict(provenance(record))
    assert (said["demonstrations"], said["order of options"]) == ("0", "seeded:3")


def test_a_slow_model_does_not_stand_still(tmp_path: Path) -> None:
    write_run(tmp_path, sweep({"28": 0.5, "64": 0.7}, samples=4, seconds=40.0))
    (record,) = make_records(tmp_path)
    ((task, curves),) = studies([record])
    table = cost_table(task, curves)
    speed = [column.name for column in table.columns].index("samples/s")
    assert {row[speed].text for row in table.rows} == {"0.025"}
    assert dict(provenance(record))["samples per second"] == "0.025"


def test_of_equal_accuracies_the_lowest_resolution_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, sweep({"64": 1.1, "128": 1.1, "224": 1.1}))
    ((_, curves),) = studies(make_records(tmp_path))
    (said,) = findings(curves)
    assert any(s.startswith("Best at 64 (1.000), worst at 64 (1.000);") for s in said.sentences)


def test_a_loss_without_the_training_resolution_is_not_said_to_start_there(tmp_path: Path) -> None:
    lines = sweep({"28": 0.1, "64": 0.9}, samples=90, training="unknown")
    write_run(tmp_path, lines)
    ((_, curves),) = studies(make_records(tmp_path))
    (said,) = findings(curves)
    assert any(
        text.startswith("The class that loses most from 64 to 28 is") for text in said.sentences
    )
