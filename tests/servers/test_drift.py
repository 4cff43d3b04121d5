"""The drift alarm, by its command: five kinds of change, each named with the cells it touches."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stand_in import qwen, running
from test_served_records import MODEL, RULE, line, served

from resolution_eval import cli
from resolution_eval.models.wrapped import base_plan
from resolution_eval.records import make_records, write_record

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import synthetic_runs
import tiny_families

pytestmark = pytest.mark.filterwarnings("ignore")
Recorder = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path) -> Recorder:
    """Writes the record of a run of two sizes against a server; its file."""

    def made(
        model_args: str,
        defaults: dict[str, str] | None = None,
        checkpoint: str = MODEL,
        **changes: Any,
    ) -> Path:
        lines = [
            line("a", edge, served(edge, **changes), checkpoint=checkpoint) for edge in (84, 140)
        ]
        lines[0]["run"] = synthetic_runs.facts(defaults=defaults or {})

        def told(results: dict[str, Any]) -> None:
            results["config"] |= {"model": "reswrap", "model_args": model_args}

        synthetic_runs.write_run(tmp_path / "run", lines, change=told)
        (found,) = make_records(tmp_path / "run")
        return write_record(found, tmp_path / "records")

    return made


@pytest.fixture
def changes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """What `doctor --against` prints of a record, by what changed; its status is told by it."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")  # a record keeps no key

    def found(path: Path, *more: str) -> dict[str, Any]:
        capsys.readouterr()
        status = cli.main(["doctor", "--against", str(path), "--json", *more])
        told = {each["what"]: each for each in json.loads(capsys.readouterr().out)}
        assert status == (3 if told else 0)
        return told

    return found


def openai(url: str = "http://nowhere/v1") -> str:
    return f"base=openai,model={MODEL},base_url={url},max_retries=1,httpx_trust_env=False"


def own_defaults() -> dict[str, str]:
    """Those of the base as it is installed, which a run leaves as they are."""
    told = dict(part.split("=", 1) for part in openai().split(","))
    return base_plan.plan(told.pop("base"), told, force_simple=False).defaults


def test_a_rule_of_another_date_touches_every_cell_that_it_predicted(record, changes) -> None:
    assert changes(record(openai())) == {}
    found = changes(record(openai(), rule=RULE.replace("2026", "2025")))
    assert found["rule that predicts"]["cells"] == ["84", "140"]
    assert (found["rule that predicts"]["before"], found["rule that predicts"]["now"]) == (
        RULE.replace("2026", "2025"), RULE,
    )  # fmt: skip


def test_a_processors_file_that_changed_is_named_with_the_tokens_that_follow(
    record, changes, tmp_path: Path
) -> None:
    """A repository changed its own budget from one day to the next."""
    from resolution_eval.models.wrapped.predictors import predictor
    from resolution_eval.resolution import Size

    folder = tiny_families.save("qwen2_5_vl", tmp_path / "tiny")
    told = f"{openai()},processor={folder}"
    before = predictor(MODEL, {"processor": str(folder)})
    assert before is not None
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which?"}]}]
    tokens = before.forecast(Size(140, 140), turns).tokens
    path = record(told, rule=before.title, predicted_tokens=tokens, counted_tokens=None)
    assert "rule that predicts" not in changes(path)
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            document = json.loads((folder / name).read_text())
            for part in (document, document.get("image_processor", {})):
                if "size" in part:
                    part["size"] = {"shortest_edge": 200704, "longest_edge": 1003520}
            (folder / name).write_text(json.dumps(document))
    found = changes(path)
    assert found["rule that predicts"]["before"] == before.title
    assert found["rule that predicts"]["cells"] == ["84", "140"]
    assert found["tokens of 140x140 px"]["now"] == "256"


def test_a_default_of_lmms_evals_model_that_changed_under_the_same_version_is_named(
    record, changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record(openai(), own_defaults())
    assert changes(path) == {}
    from lmms_eval.models.simple.openai import OpenAICompatible

    kept = OpenAICompatible.__init__.__defaults__
    other = tuple(5 if value == 20 else value for value in kept)
    assert other != kept
    monkeypatch.setattr(OpenAICompatible.__init__, "__defaults__", other)
    found = changes(path)
    assert list(found) == ["lmms-eval's default of max_size_in_mb"]
    (change,) = found.values()
    assert (change["before"], change["now"], change["cells"]) == ("20", "5", ["84", "140"])
    given = record(f"{openai()},max_size_in_mb=20", own_defaults())
    assert changes(given) == {}, "what the run itself gave is no default"


def test_arguments_are_merged_with_those_of_the_record_and_not_put_in_their_place(
    record, changes, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run named a rule by another name than its model's, under which nobody predicts."""
    known = f"{openai().replace(MODEL, 'my-alias')},rule={MODEL}"
    path = record(known, checkpoint="my-alias", model="my-alias")
    assert changes(path) == {}
    assert changes(path, "--model_args", "base_url=http://elsewhere/v1") == {}
    found = changes(path, "--model_args", "rule=gpt-4o")
    assert found["rule that predicts"]["before"] == RULE
    assert found["rule that predicts"]["now"].startswith("openai/")
    with running(qwen) as server:
        assert changes(path, "--ask", "--model_args", f"base_url={server.url}") == {}
    assert cli.main(["doctor", "--against", str(path), "--model_args", "rule=nobody's"]) == 1
    assert "no rule names such a model" in capsys.readouterr().err


def test_what_fits_no_more_is_a_change_beside_the_others_and_ends_no_alarm(record, changes) -> None:
    told = openai().replace("=openai", "=closed")
    found = changes(record(told, own_defaults(), rule=RULE.replace("2026", "2025")), "--ask")
    assert list(found) == ["lmms-eval's model closed", "rule that predicts", "the server's answer"]
    first = found["lmms-eval's model closed"]
    assert "lmms-eval has no model 'closed'" in first["now"]
    assert (first["before"], first["cells"]) == ("fit the run", ["84", "140"])
    assert found["the server's answer"]["now"].startswith("not asked: lmms-eval has no model")
    found = changes(record(f"{openai()},rule=retired-model"))
    assert found["rule that predicts"]["now"].startswith("none: rule='retired-model'")
    assert found["rule that predicts"]["before"] == RULE
    asked = changes(record(f"{openai()},rule=retired-model"), "--ask")
    assert asked["the server's answer"]["now"].startswith("not asked: rule='retired-model'")
    assert asked["rule that predicts"] == found["rule that predicts"]
    with running(qwen) as server:
        path = record(openai(server.url))
        wrong = ["--ask", "--model_args", "base=nothing"]
        assert cli.main(["doctor", "--against", str(path), *wrong]) == 1, "the user's own word"
        assert server.received == []


def test_an_argument_that_the_record_does_not_hold_is_asked_for_and_only_the_key_left_out(
    record, changes, capsys: pytest.CaptureFixture[str]
) -> None:
    """A base without its address would ask the paid service in the place of the user's server."""
    with running(qwen) as server:
        secret = server.url.replace("://", "://me:word@")
        path = record(f"{openai(secret)},api_key=sk-secretsecretsecret")
        assert changes(path) == {}, "offline nothing is missed"
        capsys.readouterr()
        assert cli.main(["doctor", "--against", str(path), "--ask"]) == 1
        said = capsys.readouterr().err
        assert "base_url=" in said and "--model_args base_url=..." in said
        assert "api_key" not in said and server.received == []
        assert changes(path, "--ask", "--model_args", f"base_url={server.url}") == {}
        assert len(server.questions) == 2
        assert {each["authorization"] for each in server.headers_seen} == {"Bearer none"}
    lost = record(f"{openai()},processor=https://me:word@host/folder")
    assert cli.main(["doctor", "--against", str(lost)]) == 1
    assert "processor=" in capsys.readouterr().err


def test_a_servers_answer_that_changed_is_named_where_it_is_asked(record, changes) -> None:
    with running(qwen) as server:
        path = record(openai(server.url))
        assert changes(path) == {} and server.received == [], "offline unless asked"
        assert changes(path, "--ask") == {}
        assert [each.size for each in server.questions] == [(84, 84), (140, 140)]
    with running(lambda width, height: qwen(width, height) + 7) as server:
        server.faults.add("other fingerprint")
        found = changes(path, "--ask", "--model_args", f"base_url={server.url}")
    assert found["tokens counted of 140x140 px"]["before"] == "25"
    assert found["tokens counted of 140x140 px"]["now"] == "32"
    assert found["tokens counted of 140x140 px"]["cells"] == ["140"]
    assert found["fingerprint of the server"]["now"] == "fp_2"


def test_another_models_name_is_named_and_one_that_answers_no_more(record, changes) -> None:
    path = record(openai(), model=f"{MODEL}-2026-01-01")
    with running(qwen) as server:
        found = changes(path, "--ask", "--model_args", f"base_url={server.url}")
        assert found["model that answers"]["before"] == f"{MODEL}-2026-01-01"
        assert found["model that answers"]["now"] == MODEL
    with running(qwen, faults=["another model"]) as server:
        found = changes(path, "--ask", "--model_args", f"base_url={server.url}")
        assert "some/other-model-3b" in found["the server's answer"]["now"]
    found = changes(path, "--ask", "--model_args", f"base_url={server.url}")
    assert found["the server's answer"]["now"].startswith("no connection")


def test_asking_needs_a_record_that_a_server_answered(
    record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["doctor", "--ask"]) != 0
    assert "--ask needs --against RECORD" in capsys.readouterr().err
    synthetic_runs.write_run(tmp_path / "local", synthetic_runs.sweep({"28": 0.5}))
    (made,) = make_records(tmp_path / "local")
    path = write_record(made, tmp_path / "here")
    assert cli.main(["doctor", "--against", str(path), "--ask"]) != 0
    assert "no server answered in this record" in capsys.readouterr().err
