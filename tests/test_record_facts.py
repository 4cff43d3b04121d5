"""What a record says of its run beside the scores: costs, machine, data, checkpoint, controls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_runs import TASK, facts, line, sweep, write_run

from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.redaction import redacted
from resolution_eval.records import Record, make_records, read_record, write_record

CURVE = {"28": 0.3, "64": 0.8}


def one(folder: Path, lines: list, **options) -> Record:
    write_run(folder, lines, **options)
    (record,) = make_records(folder)
    return record


def test_costs_add_up_over_the_samples_that_this_run_answered(tmp_path):
    lines = [
        line("a", "28", seconds=0.5),
        line("b", "28", seconds=0.25),
        line("c", "28", seconds=None),
        line("d", "28", correct=None),
        line("a", "64", seconds=None),
    ]
    lines[0]["cost"]["peak_memory"] = 3000
    lines[1]["cost"]["peak_memory"] = 5000
    record = one(tmp_path, lines)
    low, high = record.cells
    assert low.cost is not None
    assert (low.cost.timed, low.cost.seconds, low.cost.peak_memory) == (2, 0.75, 5000)
    assert low.cost.samples_per_second == pytest.approx(2 / 0.75)
    assert high.cost is None
    assert record.environment.samples_per_second == pytest.approx(2 / 0.75)
    assert (record.environment.peak_memory, record.environment.peak_memory_of) == (5000, "gpu")


def test_what_the_process_told_stands_in_the_record(tmp_path):
    lines = sweep(CURVE, samples=2)
    lines[0]["run"] = facts()
    record = one(tmp_path, lines)
    checkpoint, data, run = record.checkpoint, record.dataset, record.environment
    assert (checkpoint.strategy, checkpoint.dtype) == ("native", "float32")
    assert (checkpoint.training_declared, checkpoint.training_overridden) == ("fixed:64", False)
    assert checkpoint.training_evidence == "config.json in the checkpoint's folder"
    assert (data.loaded, data.excluded_total, data.excluded[0].item) == (60, 1, "images/odd.png")
    assert (data.source, data.revision_found) == ("local", "local-1")
    assert run.hardware is not None and run.hardware.cpu == "Synthetic CPU"
    assert (run.peak_memory, run.peak_memory_of, run.processes) == (1_000_000, "process", 1)
    assert (run.versions["torch"], run.versions["lmms-eval"]) == ("2.15.0", "0.7.3")
    assert record.shown == "image"
    known = {"environment.hardware", "checkpoint.revision", "dataset.loaded", "shown"}
    assert not known & set(record.unknown)


@pytest.mark.parametrize(("given", "said"), [(8, 8), (0, None), (None, None)])
def test_where_a_part_of_the_documents_begins_is_in_the_record(tmp_path, given, said):
    record = one(
        tmp_path,
        sweep(CURVE, samples=2),
        change=lambda results: results["config"].update(offset=given),
    )
    assert record.environment.offset == said
    assert "environment.offset" not in record.unknown


def test_two_processes_are_counted_and_the_larger_memory_stands(tmp_path):
    lines = sweep(CURVE, samples=2)
    lines[1]["run"], lines[3]["run"] = facts(0), facts(1)
    run = one(tmp_path, lines).environment
    assert (run.processes, run.peak_memory) == (2, 1_000_001)


def test_processes_that_had_other_checkpoints_are_refused(tmp_path):
    lines = sweep(CURVE, samples=2)
    lines[1]["run"], lines[3]["run"] = facts(0), facts(1, revision="sha256:" + "cd" * 32)
    with pytest.raises(RecordError, match="processes 0 and 1 had other data"):
        one(tmp_path, lines)


def test_the_memory_of_a_process_is_not_passed_off_as_that_of_a_gpu(tmp_path):
    lines = sweep(CURVE, samples=2)
    lines[0]["run"] = facts(device="cuda:0")
    run = one(tmp_path, lines).environment
    assert (run.peak_memory, run.peak_memory_of) == (None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(cost={"seconds": -1, "peak_memory": None}), "cost.seconds"),
        (lambda d: d.update(cost={"seconds": 1, "peak_memory": 2**63}), "cost.peak_memory"),
        (lambda d: d["attestation"].update(adapter=""), "a cost, but no adapter of ours answered"),
        (lambda d: d.update(run={"rank": 0}), "run.hardware: Field required"),
        (lambda d: d["attestation"].update(blind="mean image"), "the model was shown 'mean image'"),
        (lambda d: d["attestation"].update(tiles=-1), "sizes and token counts"),
    ],
)
def test_a_line_that_contradicts_itself_is_refused(tmp_path, change, message):
    lines = sweep(CURVE, samples=2)
    change(lines[-1])
    with pytest.raises(RecordError, match=message):
        one(tmp_path, lines)


def blind_and_sighted(folder: Path, **changes) -> None:
    """A run, and a blind one of it that `changes` make less of its like."""
    write_run(folder, sweep(CURVE, samples=4), date="20260101_000000")
    lines = [
        line(
            each["verdict"]["sample"],
            each["verdict"]["resolution"],
            correct=int(i == 0),
            target=each["verdict"]["target"],
            cluster=each["verdict"]["cluster"],
            **{"blind": "mean image", **changes},
        )
        for i, each in enumerate(sweep(CURVE, samples=4))
    ]
    write_run(folder, lines, date="20260102_000000")


def test_a_blind_run_in_the_folder_becomes_the_control_and_has_none_itself(tmp_path):
    blind_and_sighted(tmp_path)
    sighted, blind = make_records(tmp_path)
    assert (sighted.blind, blind.blind) == (None, "mean image")
    assert [(c.resolution, c.n, c.correct, c.accuracy, c.kind) for c in sighted.controls.blind] == [
        ("28", 4, 1, 0.25, "mean image"),
        ("64", 4, 0, 0.0, "mean image"),
    ]
    assert "controls.blind" not in sighted.unknown
    assert blind.controls.blind == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"checkpoint": "another"},
        {"fingerprint": "another"},
        {"scheme": "restore"},
        {"adapter": "reshf"},
    ],
)
def test_a_blind_run_of_something_else_is_no_control(tmp_path, changes):
    blind_and_sighted(tmp_path, **changes)
    sighted, _ = make_records(tmp_path)
    assert sighted.controls.blind == ()
    assert "controls.blind" in sighted.unknown


def test_a_blind_run_of_fewer_samples_is_no_control(tmp_path):
    write_run(tmp_path, sweep(CURVE, samples=4), date="20260101_000000")
    write_run(tmp_path, sweep(CURVE, samples=3, blind="no image"), date="20260102_000000")
    assert make_records(tmp_path)[0].controls.blind == ()


def test_a_blind_run_may_lie_in_a_folder_of_its_own(tmp_path):
    write_run(tmp_path / "seen", sweep(CURVE, samples=4))
    write_run(tmp_path / "unseen", sweep(CURVE, samples=4, blind="no image"))
    (record,) = make_records(tmp_path / "seen", blind=tmp_path / "unseen")
    assert len(record.controls.blind) == 2
    with pytest.raises(RecordError, match="holds no blind run"):
        make_records(tmp_path / "unseen", blind=tmp_path / "seen")


def test_facts_and_controls_survive_writing_and_reading(tmp_path):
    blind_and_sighted(tmp_path / "run")
    record = make_records(tmp_path / "run")[0]
    again = read_record(write_record(record, tmp_path / "records"))
    assert again.model_copy(update={"answers_file": None}).model_dump() == record.model_dump()


def test_a_cost_that_does_not_follow_from_the_answers_is_refused(tmp_path):
    path = write_record(one(tmp_path / "run", sweep(CURVE, samples=2)), tmp_path)
    document = json.loads(path.read_text())
    document["cells"][0]["cost"]["seconds"] = 0.001
    path.write_text(json.dumps(document))
    with pytest.raises(RecordError, match="do not follow from its answers"):
        read_record(path)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("model=x,api_key=abc-123,batch=2", "abc-123"),
        ("model=x,hf_token=abc-123", "abc-123"),
        ("token=abc123", "abc123"),
        ("lmms-eval --hf-token abc123 --limit 4", "abc123"),
        ('{"Authorization": "Bearer abc.def"}', "abc.def"),
        ("base_url=https://me:pass@host/v1", "pass"),
        ("base_url=https://host/v1?key=abc123&x=1", "abc123"),
        ("base_url=https://host/v1?token=abc123", "abc123"),
        ("pretrained=x,extra=hf_abcdefghijklmnop", "hf_abcdefghijklmnop"),
        ("x=sk-proj-abcdefghijklmnop", "abcdefghijklmnop"),
        ("client_secret: abc123", "abc123"),
        ("pretrained=x,password=abc123", "abc123"),
        ("base_url=postgres://me:abc123@host:5432/db", "abc123"),
        ("AWS_SECRET_ACCESS_KEY=abc/123+x", "abc/123+x"),
        ("https://api.host/v1?api_key=abc123#frag", "abc123"),
        ("clone https://ghp_abcdefghijklmnop@github.com/a/b", "ghp_abcdefghijklmnop"),
    ],
)
def test_secrets_are_struck_out(text, secret):
    assert secret not in redacted(text)
    assert "[REDACTED]" in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "pretrained=org/model-7b,tokenizer=org/tok,max_new_tokens=64,revision=0123abcd",
        "pretrained=a,monkey=3,turkey=4,image_token=<image>"[:36],
        "base_url=http://localhost:8000/v1",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["a" * 200_000, "auth" * 50_000, "key-" * 50_000, "a://" * 50_000])
def test_long_text_is_read_once(text: str) -> None:
    assert len(redacted(text)) == len(text)


def test_no_secret_of_the_results_file_reaches_the_record(tmp_path):
    def leak(results):
        results["config"]["model_args"] = "base_url=http://u:hush@h/v1,api_key=hush,model=m"
        results["configs"][TASK]["generation_kwargs"] = {"api_key": "hush", "temperature": 0}
        results["model_name"] = "http://u:hush@h/v1"

    lines = [line("a", "28", checkpoint="")]
    path = write_record(one(tmp_path / "run", lines, change=leak), tmp_path / "records")
    assert "hush" not in path.read_text() + path.name
