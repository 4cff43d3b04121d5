"""`doctor` without a model: what is missing is said, with what to do; nothing waits for long."""

from __future__ import annotations

import json
import time

import pytest

from resolution_eval import cli, installation


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")


def found(name: str) -> installation.InstallationFinding:
    (finding,) = [each for each in installation.examine() if each.name == name]
    return finding


def test_a_sound_installation_is_ready_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RESOLUTION_EVAL_DATA", raising=False)
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert printed.rstrip().endswith("ready")
    for name in ("lmms-eval", "torch", "open_flamingo", "plugin", "GPU", "data", "hub", "browser"):
        assert f" {name} " in printed


def test_json_has_the_same_findings(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["doctor", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told] == [each.name for each in installation.examine()]


def test_a_data_folder_that_is_none_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", "/nowhere/at/all")
    assert cli.main(["doctor"]) == 3
    printed = capsys.readouterr().out
    assert "/nowhere/at/all" in printed and printed.rstrip().endswith(
        "1 to mend before anything runs"
    )


def test_damaged_data_is_a_fault_that_names_the_data_set(monkeypatch, tmp_path) -> None:
    (tmp_path / "pbc_blood").mkdir()
    (tmp_path / "pbc_blood" / "labels.csv").write_text("nonsense\n")
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path))
    assert found("data pbc").state == "fault"


def test_another_open_flamingo_is_refused_with_the_command_that_helps(monkeypatch) -> None:
    monkeypatch.setattr(
        installation, "version_of", lambda name: "0.0.2" if name == "open-flamingo" else "1.0"
    )
    finding = found("open_flamingo")
    assert (
        finding.state == "note" and "pip install --no-deps open_flamingo==2.0.1" in finding.advice
    )


def test_a_package_that_is_missing_is_a_fault(monkeypatch) -> None:
    monkeypatch.setattr(installation, "version_of", lambda name: None)
    assert found("lmms-eval").state == "fault"


def test_a_hub_that_never_answers_is_waited_for_no_longer_than_promised(monkeypatch) -> None:
    monkeypatch.setattr(installation, "HUB_SECONDS", 0.2)
    monkeypatch.setattr(installation, "_call", lambda address, answers: time.sleep(30))
    began = time.monotonic()
    (finding,) = installation._hub()
    assert time.monotonic() - began < 5
    assert finding.state == "note" and "no answer" in finding.found


def test_a_hub_that_cannot_be_reached_is_a_note(monkeypatch) -> None:
    assert found("hub").state == "note"


def test_a_token_is_not_printed(monkeypatch) -> None:
    monkeypatch.setattr(installation, "_call", lambda address, answers: answers.append(""))
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")
    (finding,) = installation._hub()
    assert finding.state == "ok" and "hf_secret" not in repr(finding)


def test_a_nearly_full_disk_is_noted_and_a_closed_folder_is_a_fault(monkeypatch, tmp_path) -> None:
    full = type("usage", (), {"free": 2**30})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: full)
    noted = installation._room("downloads", tmp_path / "not" / "there", "RESOLUTION_EVAL_CACHE")
    assert noted.state == "note" and "RESOLUTION_EVAL_CACHE" in noted.advice
    monkeypatch.setattr("os.access", lambda folder, mode: False)
    assert installation._room("downloads", tmp_path, "X").state == "fault"


def test_sizes_without_a_model_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--sizes", "28"]) == 1
    assert "need --model" in capsys.readouterr().err


def test_a_package_that_is_only_on_the_path_is_a_fault(monkeypatch):
    """Its entry points are not there, and no version is told."""
    version_of = installation.version_of
    monkeypatch.setattr(
        installation,
        "version_of",
        lambda name: None if name == "resolution-eval" else version_of(name),
    )
    first = next(installation._python())
    assert (first.name, first.state, first.found) == ("resolution-eval", "fault", "not installed")
