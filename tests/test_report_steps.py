"""The report says the step of the ladder of every cell, and never more than is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_runs import behind_server, failed_at, sweep, write_run

from resolution_eval.analysis import by_task, figures
from resolution_eval.analysis.probes import WORDS, probed
from resolution_eval.data.acuity.probe import ProbeArm, ProbeFinding, outcome_of
from resolution_eval.evidence.ladder import STEPS
from resolution_eval.records import Record, make_records
from resolution_eval.report import report, write_page
from resolution_eval.report.content import status_and_step
from resolution_eval.report.findings import findings
from resolution_eval.report.provenance import facts
from resolution_eval.report.task_tables import accuracy_table, cell_table, grid_table
from resolution_eval.statistics.curves import Withheld

CURVE = {"28": 0.3, "64": 0.8}
SERVED = ("counted", "predicted", "unattested")


def served(folder: Path, step: str, failed: int = 0) -> Record:
    """A record of 40 samples, all of one step, of which `failed` have no answer at 64."""
    lines = failed_at(sweep(CURVE, samples=40), {f"tile-{i}" for i in range(failed)}, "64")
    write_run(folder, lines if step == "attested" else behind_server(lines, step))
    (record,) = make_records(folder)
    return record


def studied(record: Record):
    (task,) = by_task([record])
    return task, [figures(sweep) for sweep in task.sweeps]


@pytest.mark.parametrize("step", STEPS)
def test_every_cell_shows_its_step(tmp_path, step) -> None:
    record = served(tmp_path, step)
    assert [cell.step for cell in record.cells] == [step, step]
    table = cell_table(*studied(record))
    place = [column.name for column in table.columns].index("status")
    assert [row[place].text for row in table.rows] == [step, step]


@pytest.mark.parametrize("step", ["attested", *SERVED])
def test_an_incomplete_cell_shows_the_step_of_its_other_samples(tmp_path, step) -> None:
    (low, high) = served(tmp_path, step, failed=1).cells
    assert (low.status, high.status) == ("complete" if step == "attested" else step, "incomplete")
    assert status_and_step(high) == f"incomplete, {step}"


def test_a_cell_without_a_verdict_has_no_step(tmp_path) -> None:
    assert served(tmp_path, "counted", failed=40).cells[1].step is None


@pytest.mark.parametrize(
    ("step", "known"),
    [
        ("attested", "as asked in 40 of 40"),
        ("counted", "counted by the server in 40 of 40"),
        ("predicted", "predicted by a rule alone in 40 of 40"),
        ("unattested", "as asked in 0 of 40"),
    ],
)
def test_as_asked_is_said_of_attested_samples_alone(tmp_path, step, known) -> None:
    table = grid_table(*studied(served(tmp_path, step)))
    ((_, first, second),) = table.rows
    assert first.note == second.note == known
    assert ("not seen" in first.text) == (step != "attested")
    assert (STEPS[step] in table.remark) == (step != "attested")


def test_samples_of_several_steps_are_each_counted_under_their_own(tmp_path) -> None:
    lines = sweep(CURVE, samples=40, adapter="reswrap")
    mixed = [*lines[:20], *behind_server(lines[20:50]), *behind_server(lines[50:], "predicted")]
    write_run(tmp_path, mixed)
    (record,) = make_records(tmp_path)
    first = record.cells[0]
    assert (first.step, first.attested, first.counted, first.predicted) == ("predicted", 10, 15, 15)
    ((_, entry, _),) = grid_table(*studied(record)).rows
    assert entry.note == (
        "as asked in 10 of 40; counted by the server in 15 of 40; "
        "predicted by a rule alone in 15 of 40"
    )


@pytest.mark.parametrize("step", ["counted", "predicted"])
def test_what_is_counted_or_predicted_enters_the_figures_marked(tmp_path, step) -> None:
    task, curves = studied(served(tmp_path, step))
    assert not isinstance(curves[0].figures["area"], Withheld)
    (row,) = accuracy_table(task, curves).rows
    assert [entry.mark for entry in row[3:]] == [step, step]
    (finding,) = findings(curves)
    assert f"Its resolutions are {step}, not attested: {STEPS[step]}." in finding.sentences


def test_what_is_mismatched_enters_no_figure(tmp_path) -> None:
    _, (curve,) = studied(served(tmp_path, "mismatched"))
    assert isinstance(curve.figures["area"], Withheld)
    assert "mismatched" in curve.figures["area"].reason


@pytest.mark.parametrize("step", SERVED)
def test_the_page_and_the_terminal_say_it_in_words(tmp_path, step) -> None:
    record = served(tmp_path / "run", step)
    page = write_page([record], tmp_path / "site").read_text(encoding="utf-8")
    assert STEPS[step] in page and f'<span class="mark">{step}</span>' in page
    assert "2 cells are not shown to be what was asked for" in page
    assert step in report([tmp_path / "run"])


def test_provenance_names_the_rule_and_what_the_server_says_of_itself(tmp_path) -> None:
    known = dict(facts(served(tmp_path, "counted")))
    assert known["predicted by"] == "synthetic/kept@2026-01-02"
    assert (known["counted by"], known["model, by the server's word"]) == ("usage", "synthetic")
    assert "predicted by" not in dict(facts(served(tmp_path / "other", "attested")))


# What a probe found stands in every cell that it speaks of.

FINDINGS = {
    "finer": ((45, 25, 44), (20, 0)),
    "coarser": ((24, 24, 46), (5, 5)),
    "undecided": ((38, 34, 46), (4, 0)),
    "blind": ((24, 24, 24), (5, 5)),
}


def sentence(outcome: str, edge: int) -> str:
    arms, pairs = FINDINGS[outcome]
    made = (ProbeArm(right, 48) for right in arms)
    found = ProbeFinding(edge, 2.0, 0.05, *made, pairs=pairs, failed=0)
    assert found.outcome == outcome
    return f"{edge} px: {found.sentence}; re-encoded with loss on the way, or not seen"


def with_probes(record: Record, *probes: str) -> Record:
    checkpoint = record.checkpoint.model_copy(update={"probes": probes})
    return record.model_copy(update={"checkpoint": checkpoint})


@pytest.mark.parametrize("outcome", FINDINGS)
def test_a_probes_sentence_tells_its_outcome_again(outcome) -> None:
    assert outcome_of(sentence(outcome, 96).partition(": ")[2]) == outcome
    assert outcome_of("2 probes were made") is None


def test_what_was_kept_holds_for_smaller_images_and_all_else_for_its_own_edge(tmp_path) -> None:
    plain = served(tmp_path, "counted")

    def words(*probes: str) -> list[str | None]:
        record = with_probes(plain, *probes)
        return [probed(record, cell) for cell in record.cells]

    assert words() == [None, None]
    assert words(sentence("finer", 64)) == ["probed", "probed"]
    assert words(sentence("finer", 48)) == ["probed", None]
    for worse in ("coarser", "undecided", "blind"):
        assert words(sentence(worse, 64)) == [None, WORDS[worse]]
        assert words(sentence(worse, 28)) == [WORDS[worse], None]
        assert words(sentence(worse, 56)) == [None, None]
        found = words(sentence("finer", 64), sentence(worse, 64))
        assert found == ["probed", WORDS[worse]]


def test_report_and_terminal_show_what_was_probed_in_every_cell(tmp_path) -> None:
    record = with_probes(served(tmp_path / "run", "counted"), sentence("finer", 48))
    task, curves = studied(record)
    cells, grids = cell_table(task, curves), grid_table(task, curves)
    place = [column.name for column in cells.columns].index("status")
    assert [row[place].text for row in cells.rows] == ["counted, probed", "counted"]
    ((_, first, second),) = grids.rows
    assert first.note == "counted by the server in 40 of 40; probed"
    assert second.note == "counted by the server in 40 of 40"
    assert "a lower bound, and no count" in grids.remark
    page = write_page([record], tmp_path / "site").read_text(encoding="utf-8")
    assert "counted, probed" in page and "sees detail that 24 px cannot hold" in page
