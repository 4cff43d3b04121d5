"""Records of served samples: cells by their weakest sample, both figures, drift, old files read."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from resolution_eval import cli
from resolution_eval.drift import drift
from resolution_eval.evidence.attestation import Sent, ServerFacts
from resolution_eval.evidence.ladder import due, step, was_dropped
from resolution_eval.ground.errors import RecordError
from resolution_eval.records import make_records, read_record, write_record
from resolution_eval.records.answer_table import GENERATIONS, SCHEMA
from resolution_eval.records.migrations import migrated_answers

sys.path.insert(0, str(Path(__file__).parents[1]))
import synthetic_runs

RULE = "qwen/qwen2-vl@2026-11-27"
MODEL = "Qwen/Qwen2.5-VL-7B-Instruct"


def served(edge: int, counted: int | None = None, **changes: Any) -> ServerFacts:
    tokens = (edge // 28) ** 2
    told: dict[str, Any] = {
        "rule": RULE,
        "predicted_size": (edge, edge),
        "predicted_tokens": (tokens, tokens),
        "unit": 28,
        "by_size": True,
        "wrapping": 0,
        "counted_tokens": tokens if counted is None else counted,
        "counted_by": "usage.prompt_tokens_details.image_tokens",
        "model": MODEL,
        "fingerprint": "fp_1",
        "attempts": 1,
    }
    return ServerFacts(**{**told, **changes})


def sent(edge: int) -> Sent:
    return Sent(width=edge, height=edge, format="PNG", bytes=99, sha256="a" * 64)


def line(sample: str, edge: int, said: ServerFacts, **changes: Any) -> dict[str, Any]:
    shown = (edge, edge)
    return synthetic_runs.line(
        sample,
        str(edge),
        **{
            "checkpoint": MODEL,
            "status": step(said, sent(edge), shown),
            "expected_grid": shown,
            "information": shown,
            "grid": None,
            "visual_tokens": None,
            "sent": sent(edge).model_dump(),
            "served": said.model_dump(mode="json"),
            "adapter": "reswrap",
            "answer_mode": "generate",
            **changes,
        },
    )


def record(tmp_path: Path, lines: list[dict[str, Any]]) -> Any:
    synthetic_runs.write_run(tmp_path, lines)
    (made,) = make_records(tmp_path)
    return made


def test_a_cell_says_what_is_known_of_its_weakest_sample(tmp_path: Path) -> None:
    none = served(84, counted_tokens=None, counted_by=None)
    lines = [
        line("a", 56, served(56)),
        line("b", 56, served(56, attempts=3)),
        line("a", 84, served(84)),
        line("b", 84, none),
        line("a", 112, served(112)),
        line("b", 112, served(112, counted=4)),
    ]
    made = record(tmp_path, lines)
    assert [cell.status for cell in made.cells] == ["counted", "predicted", "mismatched"]
    assert [(cell.counted, cell.predicted) for cell in made.cells] == [(2, 0), (1, 1), (1, 0)]
    first, _, last = (cell.serving for cell in made.cells)
    assert first.retried == 1 and first.rules == (RULE,) and first.models == (MODEL,)
    assert [(d.counted, d.least, d.most, d.samples) for d in last.disagreements] == [(4, 16, 16, 1)]
    path = write_record(made, tmp_path / "records")
    assert read_record(path).cells == made.cells


@pytest.mark.parametrize("status", ["counted", "attested", "unattested", "predicted"])
def test_a_status_that_its_figures_contradict_is_refused(tmp_path: Path, status: str) -> None:
    wrong = line("a", 56, served(56, counted=1), status=status)
    with pytest.raises(RecordError, match=r"mismatched|attested"):
        record(tmp_path, [wrong])


def test_answers_of_older_records_are_read_as_before() -> None:
    for age in range(1, len(GENERATIONS)):
        later = {field.name for columns in GENERATIONS[age:] for field in columns}
        assert later
        old = pa.schema([field for field in SCHEMA if field.name not in later])
        table = pa.Table.from_pylist([], schema=old)
        assert migrated_answers(table).schema.equals(SCHEMA)


def test_drift_names_the_rule_and_the_cells_that_it_touches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        line("a", 56, served(56)),
        line("a", 84, served(84, rule="qwen/qwen2-vl@2025-01-01")),
        line("a", 112, served(112, predicted_tokens=(17, 17), counted=17, fingerprint="fp_2")),
    ]
    made = record(tmp_path, lines)
    found = {change.what: change for change in drift(made)}
    assert found["rule that predicts"].cells == ("84",)
    assert (found["tokens of 112x112 px"].before, found["tokens of 112x112 px"].now) == ("17", "16")
    assert found["fingerprint"].cells == ("112",)
    path = write_record(made, tmp_path / "records")
    assert cli.main(["doctor", "--against", str(path), "--json"]) == 3
    assert {each["what"] for each in json.loads(capsys.readouterr().out)} == set(found)


def test_nothing_drifts_where_nothing_changed(tmp_path: Path) -> None:
    assert drift(record(tmp_path, [line("a", 56, served(56))])) == []


def test_a_dropped_image_is_told_from_a_small_one() -> None:
    assert was_dropped(served(28, counted=0)) and was_dropped(served(280, counted=4))
    assert not was_dropped(served(28)) and not was_dropped(served(280, counted=50))
    assert due(served(28, counted_by="difference", wrapping=2)) == (3, 3)


# Cost before it is spent.


def plan(tmp_path: Path, model: str, **more: Any) -> Path:
    import yaml

    asked = {"name": "m", "model": "reswrap", "model_args": f"base=openai,model={model}"}
    document = {"output": "out", "models": [asked], "tasks": ["pathmnist_res"], **more}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(document))
    return tmp_path / "plan.yaml"


def test_a_dry_run_says_tokens_and_money_of_every_cell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = plan(tmp_path, "gpt-4o", resolutions=[64, 224])
    command = ["sweep", str(path), "--dry-run", "--price", "2.5", "--budget", "5000"]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert "64: 7,180 samples, 1,830,900 image tokens, 4.58 by the price given" in printed
    assert "together: 3,661,800 image tokens, 9.15" in printed
    assert "--max_tokens 5000" in printed


def test_a_dry_run_guesses_no_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", str(plan(tmp_path, "some/model")), "--dry-run"]) == 0
    assert "tokens are unknown" in capsys.readouterr().out


def test_a_limit_is_shared_by_the_resolutions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = plan(tmp_path, "gpt-4o", resolutions=[64, 224], arguments=["--limit", 100])
    assert cli.main(["sweep", str(path), "--dry-run"]) == 0
    assert "64: 50 samples, 12,750 image tokens" in capsys.readouterr().out


@pytest.mark.parametrize(("option", "value"), [("--price", "cheap"), ("--budget", "0")])
def test_a_price_or_budget_that_is_none_is_refused(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["sweep", str(plan(tmp_path, "gpt-4o")), "--dry-run", option, value])
    assert value in capsys.readouterr().err


def test_a_budget_stops_asking_and_fails_what_is_left_by_name() -> None:
    from asking import ask
    from lmms_eval.models.model_utils import usage_metrics
    from stand_in import qwen, running

    usage_metrics.reset_usage_metrics()
    usage_metrics.set_budget(max_tokens=150)
    try:
        with running(qwen) as server:
            found = ask(server, ["280x280"], (84, 140, 196, 252, 280))
            assert len(server.questions) < 5
    finally:
        usage_metrics.reset_usage_metrics()
    kinds = [verdict.failure.kind for verdict, _ in found if verdict.failure is not None]
    assert kinds and set(kinds) == {"budget"}
    assert len(kinds) + len(server.questions) == 5


# No key, header or signed address in a record, whatever a server says.

SIGNED = "https://bucket.example/x?X-Amz-Signature=5ecret5ecret5ecret&X-Amz-Expires=9"
TELLTALES = {
    "model": f"{MODEL}-latest?api_key=5ecret5ecret5ecret",
    "fingerprint": "fp Authorization: Bearer 5ecret5ecret5ecret",
    "error": f"Incorrect API key provided: sk-5ecret5ecret5ecret; see {SIGNED}",
    "refusal": f"I cannot open {SIGNED} with Bearer 5ecret5ecret5ecret",
}


@pytest.mark.parametrize("where", TELLTALES)
def test_what_a_server_says_of_a_secret_is_struck_out_of_the_record(
    where: str, tmp_path: Path
) -> None:
    from asking import ask
    from stand_in import qwen, running

    with running(qwen, says={where: TELLTALES[where]}) as server:
        told = {"rule": MODEL, "base_url": server.url.replace("//", "//me:5ecret5ecret5ecret@")}
        told |= {"model": TELLTALES["model"]} if where == "model" else {}
        told |= {"api_key": "sk-5ecret5ecret5ecret"}
        found = ask(server, ["140x140"], (84, 140), **told)
        assert "Basic bWU6NWVjcmV0" in str(server.headers_seen), "the key does go to the server"
    lines = [
        {
            **synthetic_runs.line(
                "a", attested.requested, correct=verdict.correct, **attested.model_dump(mode="json")
            ),
            "verdict": verdict.model_dump(mode="json"),
        }
        for verdict, attested in found
    ]
    made = record(tmp_path / "run", lines)
    path = write_record(made, tmp_path / "records")
    assert read_record(path).cells == made.cells
    for file in (tmp_path / "records").iterdir():
        assert not re.search(b"5ecret|NWVjcmV0", file.read_bytes()), file.name
    rows = json.dumps(made.answers.rows(), default=str)
    assert "5ecret" not in rows and "NWVjcmV0" not in rows
