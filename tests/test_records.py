"""Records: what lmms-eval wrote, read as untrusted input, and kept."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from synthetic_runs import CLASSES, TASK, line, sweep, write_run

from resolution_eval.data.cards import task_cards
from resolution_eval.ground import files
from resolution_eval.ground.errors import RecordError
from resolution_eval.records import (
    Answers,
    Record,
    make_records,
    read_record,
    store,
    write_record,
)
from resolution_eval.records.answer_table import GENERATIONS, resolution_order
from resolution_eval.records.host_output import read_run
from tools import records_page
from tools.records_page import json_schema, publish_schema

CURVE = {"28": 0.3, "64": 0.8, "128": 0.7, "native": 0.75}


def one(folder: Path, lines: list, **options) -> Record:
    write_run(folder, lines, **options)
    (record,) = make_records(folder)
    return record


def test_records_import_neither_torch_nor_lmms_eval_nor_altair():
    code = (
        "import sys, resolution_eval.records as r; "
        "print([m for m in ('torch', 'lmms_eval', 'altair') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_cells_count_what_the_lines_say(tmp_path):
    lines = [
        line("a", "28", correct=1),
        line("b", "28", correct=0, target="mucosa"),
        line("c", "28", correct=None),
        line("d", "28", correct=0),
        line("a", "64", correct=1, grid=[60, 64], status="mismatched"),
        line("b", "64", correct=1, target="mucosa"),
        line("c", "64", correct=0, status="unattested", grid=None, visual_tokens=None),
    ]
    lines[3]["verdict"]["prediction"] = None
    low, high = one(tmp_path, lines).cells
    assert (low.resolution, low.n, low.correct, low.failed, low.unparseable) == ("28", 4, 1, 1, 1)
    assert (low.status, low.missing, low.accuracy) == ("incomplete", 0, 1 / 3)
    assert low.balanced_accuracy == pytest.approx((1 / 2 + 0) / 2)
    assert (high.status, high.missing, high.mismatched, high.unattested) == ("mismatched", 1, 1, 1)
    assert low.source_edge == pytest.approx(math.sqrt(240 * 200))
    assert [(g.height, g.width, g.expected_width, g.samples) for g in high.grids] == [
        (60, 64, 64, 1),
        (64, 64, 64, 1),
        (None, None, 64, 1),
    ]
    assert (high.visual_tokens.least, high.visual_tokens.mean) == (256, 256)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ([{}, {}], "complete"),
        ([{}, {"status": "unattested", "grid": None}], "unattested"),
        ([{"correct": None}, {"status": "unattested", "grid": None}], "incomplete"),
        ([{"correct": None}, {"status": "mismatched", "grid": [4, 8]}], "mismatched"),
    ],
)
def test_the_worst_sample_gives_the_cell_its_status(tmp_path, options, status):
    lines = [line(f"s{i}", "64", **each) for i, each in enumerate(options)]
    assert one(tmp_path, lines).cells[0].status == status


def test_a_failed_sample_joins_the_cell_of_its_resolution(tmp_path):
    (cell,) = one(tmp_path, [line("a", "28"), line("b", "28", correct=None)]).cells
    assert (cell.answer_mode, cell.n, cell.failed) == ("rank", 2, 1)


def open_question(sample: str, *, correct: int | None, f1: float | None) -> dict:
    made = line(sample, "28", correct=correct, target=f"phrase of {sample}", answer_mode="open")
    made["verdict"].update(form="open", f1=f1)
    return made


def test_open_and_closed_questions_are_never_averaged(tmp_path):
    lines = [
        line("a", "28", correct=0),
        line("b", "28", correct=None),
        open_question("c", correct=1, f1=1.0),
        open_question("d", correct=0, f1=0.25),
        open_question("e", correct=None, f1=None),
    ]

    def write_open(results):
        rows = results["results"][TASK]
        rows["em@28,none"] = "0.5000 incomplete (1 of 3 failed)"
        rows["acc@28,none"] = "0.0000 incomplete (1 of 2 failed)"

    free, closed = one(tmp_path, lines, change=write_open).cells
    assert (free.answer_mode, free.n, free.failed, free.missing) == ("open", 3, 1, 0)
    assert (free.accuracy, free.f1, free.balanced_accuracy) == (0.5, 0.625, None)
    assert (closed.answer_mode, closed.n, closed.failed, closed.missing) == ("rank", 2, 1, 0)
    assert (closed.accuracy, closed.f1) == (0.0, None)


def judged(sample: str, said: int | None, *, correct: int = 0) -> dict:
    made = open_question(sample, correct=correct, f1=0.5)
    made["verdict"]["judgement"] = {
        "judge": "openai:a-judge",
        "model": None if said is None else "judge-2026",
        "correct": said,
        "failure": "neither yes nor no" if said is None else None,
    }
    return made


def test_what_a_judge_said_stands_beside_exact_match_and_survives_writing(tmp_path):
    answers = [judged("a", 1), judged("b", 1, correct=1), judged("c", 0), judged("d", None)]
    lines = [*answers, open_question("e", correct=None, f1=None)]

    def write_open(results):
        results["results"][TASK]["em@28,none"] = "0.2500 incomplete (1 of 5 failed)"
        del results["results"][TASK]["acc@28,none"]

    record = one(tmp_path / "run", lines, change=write_open)
    again = read_record(write_record(record, tmp_path / "records"))
    (cell,) = again.cells
    assert (cell.accuracy, cell.f1) == (0.25, 0.5), "the judge has no part in these"
    said = cell.judged
    assert (said.asked, said.failed, said.correct, said.accuracy) == (4, 1, 2, 2 / 3)
    assert (said.judges, said.models) == (("openai:a-judge",), ("judge-2026",))
    assert again.answers.column("judged") == [1, 1, 0, None, None]
    assert again.answers.column("judge_failure") == [None] * 3 + ["neither yes nor no", None]
    plain = one(tmp_path / "plain", [line("a", "28")]).cells[0]
    assert plain.judged is None


def columns_since(first: str) -> list[str]:
    """The columns that the answers did not have before there was the column `first`."""
    generations = [[field.name for field in columns] for columns in GENERATIONS]
    (start,) = (i for i, names in enumerate(generations) if first in names)
    return [name for names in generations[start:] for name in names]


def test_answers_written_before_there_were_judgements_are_read(tmp_path):
    names = columns_since("judge")
    record = one(tmp_path / "run", sweep(CURVE, samples=3))
    path = write_record(record, tmp_path)
    (file,) = tmp_path.glob("*.parquet")
    pq.write_table(pq.read_table(file).drop_columns(names), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    rewrite(path, lambda d: d["answers_file"].update(sha256=digest))
    rewrite(path, lambda d: [cell.pop("judged") for cell in d["cells"]])
    assert read_record(path).cells == record.cells


def test_a_cell_where_all_failed_has_no_accuracy(tmp_path):
    record = one(tmp_path, [line("a", "28", correct=None), line("a", "64")])
    assert (record.cells[0].accuracy, record.cells[0].status) == (None, "incomplete")
    assert record.failures[0].message == "a is truncated"


def test_resolutions_ascend_by_number_and_native_is_last(tmp_path):
    record = one(tmp_path, sweep({"native": 0.5, "224": 0.5, "28": 0.5, "1024": 0.5}, samples=2))
    assert [cell.resolution for cell in record.cells] == ["28", "224", "1024", "native"]


@given(st.lists(st.sampled_from(["native", "4", "16", "28", "100", "1024"]), unique=True))
def test_resolution_order_is_numeric(names):
    ordered = sorted(names, key=resolution_order)
    numbers = [int(name) for name in ordered if name != "native"]
    assert numbers == sorted(numbers)
    assert "native" not in ordered[:-1]


def test_scores_pair_samples_across_cells_and_mark_the_absent(tmp_path):
    lines = [
        line("b", "28", correct=0, cluster="p1"),
        line("a", "28", correct=1, cluster="p2"),
        line("a", "64", correct=None, cluster="p2"),
    ]
    record = one(tmp_path, lines)
    scores = record.answers.scores([cell.key for cell in record.cells])
    assert (scores.samples, scores.clusters) == (("a", "b"), ("p2", "p1"))
    assert [[str(x) for x in row] for row in scores.correct] == [["1.0", "nan"], ["0.0", "nan"]]
    assert not scores.complete.any()


def test_several_runs_and_tasks_become_one_record_each_in_order_of_date(tmp_path):
    write_run(tmp_path / "b", sweep(CURVE, samples=2), date="20260105_000000")
    write_run(tmp_path / "a" / "deep", sweep(CURVE, samples=3), date="20260101_000000")
    records = make_records(tmp_path)
    assert [(r.environment.date, r.cells[0].n) for r in records] == [
        ("20260101_000000", 3),
        ("20260105_000000", 2),
    ]


def test_a_task_of_the_hosts_own_is_left_out(tmp_path):
    def add(results):
        results["results"]["mme"] = {"score,none": 1.0}

    write_run(tmp_path, sweep(CURVE, samples=2), change=add)
    (tmp_path / "20260102_030405_samples_mme.jsonl").write_text('{"doc_id": 0}\n')
    assert [list(run.tasks) for run in read_run(tmp_path)] == [[TASK]]


def test_what_the_run_does_not_say_is_null_and_named(tmp_path):
    record = one(tmp_path, sweep(CURVE, samples=2))
    assert record.controls.chance is None
    assert {"controls.chance", "controls.blind", "environment.hardware"} <= set(record.unknown)
    assert "environment.limit" not in record.unknown
    assert record.environment.wall_time == 12.5
    assert record.environment.seeds == {"random": 0, "numpy": 1234}
    assert record.environment.versions == {"lmms-eval": "0.7.3", "git": "0123abc"}
    assert record.prompt == "Which tissue is shown?"
    assert (record.checkpoint.training, record.label) == ("fixed:64", "small-flamingo")


def test_a_task_with_a_card_has_its_chance_and_revision(tmp_path):
    card = task_cards()["phantom"]
    record = one(tmp_path, sweep(CURVE, samples=2), task="phantom_res")
    assert (record.controls.chance, record.dataset.revision) == (card.chance, card.revision)


def broken(text: str):
    def write(folder: Path) -> None:
        write_run(folder, sweep(CURVE, samples=1))
        path = next(folder.glob("*_samples_*"))
        good = path.read_text().splitlines(keepends=True)
        path.write_text(good[0] + text + "\n" + "".join(good[1:]))

    return write


def edited(**changes):
    """A second line, changed in its verdict or attestation."""
    document = line("x", "28")
    for name, value in changes.items():
        part = "attestation" if name in document["attestation"] else "verdict"
        document[part][name] = value
    return broken(json.dumps(document))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (broken("{"), "line 2, column 2: not JSON"),
        (broken("[1]"), "line 2: expected a JSON object, found list"),
        (broken('{"a": NaN}'), "line 2: holds NaN"),
        (broken('{"a": -Infinity}'), "line 2: holds -Infinity"),
        (broken('{"a": 1e999}'), "line 2: holds 1e999"),
        (broken('{"a": ' + "[" * 65 + "]" * 65 + "}"), "line 2: nested deeper than 64"),
        (broken('{"a": ' + "[" * 200_000), "line 2: nested deeper than 64"),
        (broken('{"a": "\\ud800"}'), "line 2: holds half a character"),
        (broken('{"a": ' + "9" * 5000 + "}"), "line 2: Exceeds the limit"),
        (broken('{"verdict": {}}'), "line 2: verdict.sample: Field required"),
        (
            broken(json.dumps(line("tile-0", "28"))),
            "line 2: sample 'tile-0' at 28 is already on line 1",
        ),
        (edited(correct=2), "line 2: verdict.correct"),
        (edited(correct=None), "line 2: correct None, failure None"),
        (edited(status="failed"), "a failed sample has no verdict"),
        (edited(requested="64"), "line 2: resolution '28', but '64' was requested"),
        (edited(grid=[28, 32]), "line 2: status 'attested', but the encoder received \\(28, 32\\)"),
        (edited(grid=None), "line 2: status 'attested', but the encoder received None"),
        (edited(resolution="0", requested="0"), "line 2: no resolution '0'"),
        (edited(training="sometimes"), "line 2: no training resolution 'sometimes'"),
        (edited(source=[2**40, 1]), "line 2: sizes and token counts"),
        (edited(answer_mode="open"), "line 2: answers by 'open' to a question of form 'closed'"),
        (edited(f1=1.5), "line 2: f1 lies between 0 and 1"),
        (edited(visual_tokens=-1), "line 2: sizes and token counts"),
        (edited(checkpoint="another"), "line 2: checkpoint 'another'"),
        (
            edited(sample="tile-0", resolution="512", requested="512", cluster="z"),
            "line 2: cluster",
        ),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path, write, message):
    write(tmp_path)
    with pytest.raises(RecordError, match=message) as caught:
        make_records(tmp_path)
    assert "_samples_synthetic_res.jsonl" in str(caught.value)


def test_a_line_or_document_over_its_size_is_refused(tmp_path, monkeypatch):
    from resolution_eval.records import bounded

    write_run(tmp_path, sweep(CURVE, samples=2))
    monkeypatch.setattr(bounded, "MAX_LINE", 50)
    with pytest.raises(RecordError, match="line 1: longer than 50 bytes"):
        make_records(tmp_path)
    monkeypatch.setattr(bounded, "MAX_DOCUMENT", 50)
    with pytest.raises(RecordError, match=r"_results\.json: larger than 50 bytes"):
        make_records(tmp_path)


def test_a_number_that_is_not_finite_is_named_with_its_line_in_the_results(tmp_path):
    path = write_run(tmp_path, sweep(CURVE, samples=1))
    path.write_text(json.dumps({"results": {}, "x": float("nan")}, indent=1))
    with pytest.raises(RecordError, match=r"_results\.json, line 3: holds NaN"):
        make_records(tmp_path)


@pytest.mark.parametrize(("said", "shown"), [(0.99, r"0\.9900"), ("nan", "nan"), ("inf", "inf")])
def test_accuracies_that_are_not_those_of_the_samples_are_refused(tmp_path, said, shown):
    def flatter(results):
        results["results"][TASK]["acc@64,none"] = said

    write_run(tmp_path, sweep(CURVE), change=flatter)
    with pytest.raises(RecordError, match=rf"says acc@64 {shown}, but its samples give 0\.[78]"):
        make_records(tmp_path)


def test_results_without_samples_and_samples_without_results_are_refused(tmp_path):
    results = write_run(tmp_path, sweep(CURVE, samples=1))
    samples = next(tmp_path.glob("*.jsonl"))
    text = samples.read_text()
    samples.unlink()
    with pytest.raises(RecordError, match="run lmms-eval with --log_samples"):
        make_records(tmp_path)
    samples.write_text(text)
    results.unlink()
    with pytest.raises(RecordError, match=r"its results file .* is missing"):
        make_records(tmp_path)


def test_a_folder_without_results_says_what_to_pass(tmp_path):
    with pytest.raises(RecordError, match="--output_path"):
        read_run(tmp_path)
    with pytest.raises(RecordError, match=r"absent does not exist"):
        read_run(tmp_path / "absent")


def test_a_written_record_reads_back_equal(tmp_path):
    record = one(tmp_path / "run", sweep(CURVE))
    path = write_record(record, tmp_path / "records")
    again = read_record(path)
    assert again.model_copy(update={"answers_file": None}).model_dump() == record.model_dump()
    assert again.answers.table.equals(record.answers.table)
    assert write_record(again, tmp_path / "records") == path
    assert len(list((tmp_path / "records").iterdir())) == 2


def test_a_record_is_frozen(tmp_path):
    record = one(tmp_path, sweep(CURVE, samples=1))
    with pytest.raises(ValidationError, match="frozen"):
        record.task = "other"


def test_an_interrupted_write_leaves_the_old_record_whole(tmp_path, monkeypatch):
    record = one(tmp_path / "run", sweep(CURVE, samples=3))
    path = write_record(record, tmp_path / "records")
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_record(record, tmp_path / "records")
    monkeypatch.undo()
    assert read_record(path).cells == record.cells
    assert len(list((tmp_path / "records").iterdir())) == 2


def rewrite(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d.update(schema_version=4),
            "version 4, and this program knows up to 3; upgrade",
        ),
        (lambda d: d.update(schema_version="1"), "schema_version is '1'"),
        (lambda d: d.pop("schema_version"), "schema_version is None"),
        (lambda d: d.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda d: d["cells"][0].update(correct=999), "do not follow from its answers"),
        (lambda d: d["cells"][0].update(accuracy=2.0), "cells.0.accuracy"),
        (lambda d: d["answers_file"].update(name="../x.answers.parquet"), "lie beside it"),
        (lambda d: d["answers_file"].update(sha256="0" * 64), "sha256"),
        (lambda d: d["answers_file"].update(rows=3), "expected 3 rows"),
        (lambda d: d.update(answers_file=None), "answers_file"),
    ],
)
def test_a_record_that_was_edited_is_refused(tmp_path, change, message):
    path = write_record(one(tmp_path / "run", sweep(CURVE, samples=3)), tmp_path)
    rewrite(path, change)
    with pytest.raises(RecordError, match=message):
        read_record(path)


def test_an_older_schema_is_migrated_step_by_step_or_refused(tmp_path, monkeypatch):
    path = write_record(one(tmp_path / "run", sweep(CURVE, samples=3)), tmp_path)
    monkeypatch.setattr(store, "SCHEMA_VERSION", 5)
    with pytest.raises(RecordError, match="version 3 cannot be read any more"):
        read_record(path)
    steps = []
    migrations = {n: lambda d, n=n: steps.append(n) or d for n in (3, 4)}
    monkeypatch.setattr(store, "MIGRATIONS", migrations)
    with pytest.raises(RecordError, match="schema_version: Input should be 3"):
        read_record(path)
    assert steps == [3, 4]


OF_OLD = Path(__file__).with_name("records_of_old")


def test_a_record_of_version_1_is_read_and_what_it_did_not_say_is_unknown():
    record = read_record(next(OF_OLD.glob("*.record.json")))
    assert record.schema_version == 3
    assert [(cell.resolution, cell.n, cell.failed) for cell in record.cells] == [
        ("28", 7, 1),
        ("64", 6, 0),
    ]
    assert (record.shown, record.blind, record.controls.blind) == (None, None, ())
    assert {cell.cost for cell in record.cells} == {None}
    assert {"shown", "checkpoint.revision", "dataset.loaded"} <= set(record.unknown)
    assert set(record.answers.column("seconds")) == {None}


def test_a_record_of_version_1_is_written_again_in_the_present_version(tmp_path):
    record = read_record(next(OF_OLD.glob("*.record.json")))
    again = read_record(write_record(record, tmp_path))
    assert (
        again.model_copy(update={"answers_file": None}).model_dump()
        == record.model_copy(update={"answers_file": None}).model_dump()
    )


def shuffled(number, line):
    """The line with its three options shown in an order of its own."""
    order = [list(CLASSES), [*CLASSES[1:], CLASSES[0]], list(CLASSES)[::-1]][number % 3]
    scores = [-0.5 if option == line["verdict"]["prediction"] else -2.0 for option in order]
    line["verdict"] |= {"options": order, "choice_scores": scores}
    return line


def test_ranked_scores_belong_to_the_options_in_the_order_that_was_shown(tmp_path):
    lines = [shuffled(i, each) for i, each in enumerate(sweep(CURVE, samples=6))]
    record = read_record(write_record(one(tmp_path / "run", lines), tmp_path))
    rows = record.answers.rows()
    assert len({tuple(row["options"]) for row in rows}) == 3
    for row in rows:
        best = max(zip(row["choice_scores"], row["options"], strict=True))[1]
        assert best == row["prediction"]


def test_a_run_that_does_not_tell_its_options_leaves_them_unknown(tmp_path):
    record = one(tmp_path / "run", sweep(CURVE, samples=3))
    assert set(record.answers.column("options")) == {None}


def test_as_many_scores_as_options(tmp_path):
    lines = [shuffled(i, each) for i, each in enumerate(sweep(CURVE, samples=3))]
    lines[1]["verdict"]["options"].pop()
    with pytest.raises(RecordError, match="line 2: 3 scores of 2 options"):
        one(tmp_path / "run", lines)


def test_a_thousand_rows_at_a_time_make_one_table_in_order(tmp_path):
    rows = one(tmp_path / "run", sweep(CURVE, samples=9)).answers.rows()
    many = [{**row, "sample": f"s{i % 70}-{row['sample']}"} for i in range(70) for row in rows]
    made = Answers.from_rows(iter(many)).table
    order = sorted(many, key=lambda row: (resolution_order(row["resolution"]), row["sample"]))
    assert len(many) > 2_000 and order != many
    assert made.equals(pa.Table.from_pylist(order, schema=made.schema))
    assert all(column.num_chunks == 1 for column in made.columns)


def test_answers_whose_options_do_not_fit_their_scores_are_refused(tmp_path):
    lines = [shuffled(i, each) for i, each in enumerate(sweep(CURVE, samples=3))]
    record = one(tmp_path / "run", lines)
    rows = record.answers.rows()
    rows[1]["options"].pop()
    path = write_record(record.model_copy(update={"answers": Answers.from_rows(rows)}), tmp_path)
    with pytest.raises(RecordError, match="options are not as many as their scores"):
        read_record(path)


def test_answers_of_version_2_are_read_without_options(tmp_path):
    path = write_record(one(tmp_path / "run", sweep(CURVE, samples=3)), tmp_path)
    answers = next(tmp_path.glob("*.parquet"))
    older = pq.read_table(answers).drop_columns(columns_since("options"))
    pq.write_table(older, answers)
    digest = hashlib.sha256(answers.read_bytes()).hexdigest()
    rewrite(path, lambda d: d["answers_file"].update(sha256=digest) or d.update(schema_version=2))
    record = read_record(path)
    assert record.schema_version == 3 and set(record.answers.column("options")) == {None}


def test_answers_that_are_not_parquet_are_refused(tmp_path):
    path = write_record(one(tmp_path / "run", sweep(CURVE, samples=3)), tmp_path)
    answers = next(tmp_path.glob("*.parquet"))
    answers.write_bytes(b"PAR1 nothing PAR1")
    digest = hashlib.sha256(answers.read_bytes()).hexdigest()
    rewrite(path, lambda d: d["answers_file"].update(sha256=digest))
    with pytest.raises(RecordError, match="not a readable parquet file"):
        read_record(path)
    answers.unlink()
    with pytest.raises(RecordError, match="are missing; copy both files"):
        read_record(path)


def test_the_page_of_records_has_every_part_of_one():
    assert set(records_page.ORDER) == set(json_schema()["$defs"])


def test_a_written_record_fits_the_published_schema(tmp_path):
    path = write_record(one(tmp_path / "run", sweep(CURVE, samples=3)), tmp_path)
    schema = json.loads(publish_schema(tmp_path).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(path.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(path.read_text()), "task": 3}, schema)


def test_the_schema_in_the_docs_is_the_present_one():
    docs = Path(__file__).parents[1] / "docs" / "record.schema.json"
    assert json.loads(docs.read_text()) == json_schema(), "run python -m tools.records_page"


def test_hostile_strings_survive_unchanged(tmp_path):
    hostile = "</script><img src=x onerror=alert(1)> \u2028 \x00 =cmd|' /C calc'!A0 😀"
    record = one(tmp_path / "run", [line(hostile, "28", target=hostile, cluster=hostile)])
    again = read_record(write_record(record, tmp_path / "records"))
    assert again.answers.column("sample") == [hostile]


def test_names_of_tasks_and_checkpoints_cannot_leave_the_folder(tmp_path):
    lines = [line("a", "28", checkpoint="../../../etc/passwd")]
    path = write_record(one(tmp_path / "run", lines), tmp_path / "records")
    assert path.parent == tmp_path / "records"

    def rename(results):
        results["results"] = {"../x": {}}

    write_run(tmp_path / "bad", lines, change=rename)
    with pytest.raises(RecordError, match="cannot be the name of a task"):
        make_records(tmp_path / "bad")


def test_the_page_about_records_is_the_one_of_the_schema():
    docs = Path(__file__).parents[1] / "docs" / "records.md"
    assert docs.read_text() == records_page.page(), "run python -m tools.records_page"


def answers_with(path: Path, name: str, value: object) -> None:
    """Give the first answer another value, digest and all, as a forger would."""
    document = json.loads(path.read_text())
    answers = path.with_name(document["answers_file"]["name"])
    table = pq.read_table(answers)
    column = table.column(name).to_pylist()
    column[0] = value
    place = table.schema.get_field_index(name)
    field = table.schema.field(name)
    pq.write_table(table.set_column(place, field, pa.array(column, field.type)), answers)
    document["answers_file"]["sha256"] = hashlib.sha256(answers.read_bytes()).hexdigest()
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("source_width", None, "a width or a height, not both"),
        ("grid_height", None, "a width or a height, not both"),
        ("information_width", -5, "smaller than nothing"),
        ("visual_tokens", -1, "contradict themselves"),
        ("correct", 2, "sample 'a' at 28: correct is neither 0 nor 1"),
        ("judged", -1, "judged is neither 0 nor 1"),
        ("correct", None, "a failed sample has no verdict"),
        ("status", "splendid", "its status is none that we know .status 'splendid'"),
        ("status", "failed", "a failed sample has no verdict"),
        ("grid_height", 56, "attested, but the encoder received"),
        ("seconds", -0.1, "its seconds are below 0"),
    ],
)
def test_answers_that_cannot_be_true_are_refused(tmp_path, column, value, said):
    path = write_record(one(tmp_path, [line("a", "28"), line("b", "28")]), tmp_path)
    answers_with(path, column, value)
    with pytest.raises(RecordError, match=said):
        read_record(path)


def test_a_text_that_stands_there_too_often_is_refused_before_it_is_copied(tmp_path, monkeypatch):
    path = write_record(one(tmp_path, [line(name, "28") for name in "abcdefgh"]), tmp_path)
    answers_with(path, "answer", "x" * 100_000)
    answers = next(tmp_path.glob("*.parquet"))
    table = pq.read_table(answers)
    place, field = table.schema.get_field_index("answer"), table.schema.field("answer")
    full = pa.array(table["answer"].to_pylist()[:1] * 8, field.type)
    pq.write_table(table.set_column(place, field, full), answers)
    assert answers.stat().st_size < 25_000
    digest = hashlib.sha256(answers.read_bytes()).hexdigest()
    rewrite(path, lambda d: d["answers_file"].update(sha256=digest))
    assert len(read_record(path).answers) == 8
    monkeypatch.setattr(store, "MAX_ANSWERS", 400_000)
    with pytest.raises(RecordError, match=r"8\d{5} bytes of text; at most 400000"):
        read_record(path)


@pytest.mark.parametrize("text", ["<script>", "0", "../x", "028", "70000"])
def test_a_resolution_that_is_none_is_refused(tmp_path, text):
    path = write_record(one(tmp_path, [line("a", "28")]), tmp_path)
    document = json.loads(path.read_text())
    document["cells"][0]["resolution"] = text
    path.write_text(json.dumps(document))
    with pytest.raises(RecordError, match="resolution"):
        read_record(path)
