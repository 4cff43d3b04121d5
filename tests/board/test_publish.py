"""Publishing to a stand-in for the hub and to a git repository: once, and no secret said."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hub_stand_in import TOKEN, Hub, stand_in
from synthetic_board import facts, new_board, score_of, submit

from resolution_eval import cli
from resolution_eval.records.store import answers_of


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = new_board(tmp_path_factory.mktemp("publish"))
    submit(folder, facts())
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "data").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>one", encoding="utf-8")
    (folder / "data" / "board.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with stand_in() as found:
        yield found


def publish(board: Path, *arguments: str) -> int:
    return cli.main(["leaderboard", "publish", "--board", str(board), *arguments])


def test_a_space_is_made_and_published_once(
    board: Path, site: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--site", str(site), "--space", "me/board", "--endpoint", hub.url)
    assert publish(board, *arguments, "--dry-run") == 0
    assert "add index.html" in capsys.readouterr().out
    assert hub.repositories == {} and hub.commits == []
    assert publish(board, *arguments) == 0
    files = hub.repositories["space:me/board"]
    assert files["index.html"] == b"<!doctype html>one" and b"sdk: static" in files["README.md"]
    assert hub.created[0]["sdk"] == "static"
    assert publish(board, *arguments) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert len(hub.commits) == 1


def test_only_what_differs_is_sent_and_what_is_gone_is_deleted(
    board: Path, site: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--site", str(site), "--space", "me/board", "--endpoint", hub.url)
    publish(board, *arguments)
    (site / "index.html").write_text("<!doctype html>two", encoding="utf-8")
    (site / "data" / "board.json").rename(site / "data" / "other.json")
    capsys.readouterr()
    publish(board, *arguments)
    assert capsys.readouterr().out.splitlines() == [
        "space me/board:",
        "  add data/other.json",
        "  change index.html",
        "  delete data/board.json",
    ]
    changed = ("data/board.json", "data/other.json", "index.html")
    assert hub.commits[-1] == ("space:me/board", changed)
    assert ".gitattributes" in hub.repositories["space:me/board"]


def test_records_become_a_data_set_of_parquet_files(board: Path, hub: Hub) -> None:
    arguments = ("--dataset", "me/records", "--endpoint", hub.url)
    assert publish(board, *arguments) == 0
    files = hub.repositories["dataset:me/records"]
    cells = pq.read_table(BytesIO(files["cells.parquet"])).to_pylist()
    assert [line["resolution"] for line in cells] == ["16", "24", "32", "48", "64"]
    (folder,) = (board / "records").glob("*/*")
    record = score_of(folder)
    key = f"{folder.parent.name}/{folder.name}"
    assert files[f"records/{key}/{record.name}"] == record.read_bytes()
    answers = answers_of(record)
    assert files[f"answers/{key.replace('/', '__')}__{answers.name}"] == answers.read_bytes()
    assert publish(board, *arguments) == 0
    assert len(hub.commits) == 1


def test_a_refusal_names_the_place_and_never_the_token(
    board: Path,
    site: Path,
    hub: Hub,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = "hf_anotherTokenThatTheHubRefuses"
    monkeypatch.setenv("HF_TOKEN", secret)
    assert publish(board, "--site", str(site), "--space", "me/board", "--endpoint", hub.url) == 1
    printed = capsys.readouterr()
    assert "space me/board" in printed.err and "403" in printed.err
    assert secret not in printed.err + printed.out and "Traceback" not in printed.err


def test_a_board_with_a_fault_is_not_published(
    tmp_path: Path, site: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = new_board(tmp_path)
    record = score_of(submit(folder, facts()))
    record.write_text(record.read_text().replace('"limit": null', '"limit": 8'))
    assert publish(folder, "--site", str(site), "--space", "me/board", "--endpoint", hub.url) == 1
    assert "environment.limit" in capsys.readouterr().err and hub.repositories == {}


def test_a_branch_for_pages_holds_the_site_and_its_history(
    board: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    arguments = ("--site", str(site), "--pages", str(remote))

    def shown(*what: str) -> str:
        command = ["git", "--git-dir", str(remote), *what]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert publish(board, *arguments, "--dry-run") == 0
    assert shown("branch") == "" and "add index.html" in capsys.readouterr().out
    assert publish(board, *arguments) == 0
    tree = shown("ls-tree", "-r", "--name-only", "gh-pages").split()
    assert tree == [".nojekyll", "data/board.json", "index.html"]
    (site / "data" / "board.json").unlink()
    (site / "index.html").write_text("<!doctype html>two", encoding="utf-8")
    publish(board, *arguments)
    publish(board, *arguments)
    assert shown("show", "gh-pages:index.html") == "<!doctype html>two"
    assert shown("ls-tree", "-r", "--name-only", "gh-pages").split() == [".nojekyll", "index.html"]
    assert shown("rev-list", "--count", "gh-pages").strip() == "2"


def test_a_remote_that_refuses_is_named_without_its_password(
    board: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remote = "http://me:secret@127.0.0.1:1/x.git"
    assert publish(board, "--site", str(site), "--pages", remote) == 1
    printed = capsys.readouterr()
    assert "git ls-remote" in printed.err and "secret" not in printed.err + printed.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nowhere to publish to"),
        (("--site", "/nowhere", "--space", "a/b"), "no index.html"),
        (("--site", "SITE", "--pages", "--upload-pack=x"), "must be a repository"),
    ],
)
def test_a_users_mistake_is_one_sentence(
    board: Path,
    site: Path,
    arguments: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(site) if each == "SITE" else each for each in arguments]
    if "--pages" in given:
        given[-2:] = [f"--pages={given[-1]}"]
    assert publish(board, *given) == 1
    assert said in capsys.readouterr().err


def test_exported_forms_carry_every_cell_with_its_interval(board: Path, tmp_path: Path) -> None:
    import csv

    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    from huggingface_hub.repocard_data import model_index_to_eval_results

    output = tmp_path / "out"
    assert cli.main(["leaderboard", "export", "--board", str(board), "--output", str(output)]) == 0
    with (output / "board.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    parquet = pq.read_table(output / "board.parquet").to_pylist()
    record = json.loads(score_of(next((board / "records").glob("*/*"))).read_text())
    stated = {cell["resolution"]: cell["accuracy"] for cell in record["cells"]}
    assert {line["resolution"]: float(line["accuracy"]) for line in lines} == stated
    assert {line["resolution"]: line["accuracy"] for line in parquet} == stated
    assert all(float(line["accuracy_low"]) <= float(line["accuracy"]) for line in lines)
    (card,) = (output / "model-cards").iterdir()
    results = yaml.safe_load((card / ".eval_results" / "resolution-eval.yaml").read_text())
    assert {each["dataset"]["task_id"]: each["value"] for each in results} == {
        f"phantom_res@{resolution}": accuracy for resolution, accuracy in stated.items()
    }
    assert results[0]["date"] == "2026-01-02T03:04:00+08:00"
    entries = [
        EvalResultEntry(
            dataset_id=each["dataset"]["id"],
            task_id=each["dataset"]["task_id"],
            value=each["value"],
            date=each["date"],
            notes=each["notes"],
        )
        for each in results
    ]
    assert eval_result_entries_to_yaml(entries) == results
    index = yaml.safe_load((card / "model-index.yaml").read_text())["model-index"]
    name, read = model_index_to_eval_results(index)
    assert name == "one" and [each.metric_value for each in read] == list(stated.values())


def test_a_spreadsheet_runs_no_formula_of_a_record() -> None:
    from resolution_eval.board.export import csv_bytes

    assert csv_bytes([{"title": "=cmd()", "accuracy": -0.5}]) == b"title,accuracy\n'=cmd(),-0.5\n"
