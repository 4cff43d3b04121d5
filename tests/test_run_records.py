"""Records of whole runs through lmms-eval: measured here, and the same however the run was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from resolution_eval.host import runs
from resolution_eval.records import Record, make_records, read_record, write_record
from resolution_eval.records.times import timeless

pytestmark = pytest.mark.filterwarnings("ignore")


def swept(output: Path, *more: str, limit: int = 20) -> Record:
    """The record of a run of phantom_res on the embedded default."""
    arguments = ["--model", "resflamingo", "--tasks", "phantom_res", "--output_path", str(output)]
    options = ["--log_samples", "--verbosity", "WARNING", "--limit", str(limit)]
    assert runs.lmms_eval([*arguments, *options, *more]) == 0
    (record,) = make_records(output)
    return record


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return swept(tmp_path_factory.mktemp("plain"))


def timed(record: Record) -> int:
    return sum(cell.cost.timed for cell in record.cells if cell.cost is not None)


@pytest.mark.whole
def test_the_same_run_twice_gives_the_same_bytes_times_aside(plain: Record, tmp_path: Path) -> None:
    again = swept(tmp_path)
    assert again.environment.wall_time != plain.environment.wall_time
    assert timeless(again) == timeless(plain)


@pytest.mark.slow
def test_what_the_cache_answered_cost_nothing_here_and_the_rest_is_the_same(
    plain: Record, tmp_path: Path
) -> None:
    cache = ("--use_cache", str(tmp_path / "cache"))
    cold = swept(tmp_path / "cold", *cache)
    warm = swept(tmp_path / "warm", *cache)
    assert (timed(cold), timed(warm)) == (20, 0)
    assert warm.environment.samples_per_second is None
    assert timeless(cold) == timeless(warm) == timeless(plain)


@pytest.mark.slow
def test_a_resumed_run_reports_the_cost_of_what_was_left(plain: Record, tmp_path: Path) -> None:
    cache = ("--use_cache", str(tmp_path / "cache"))
    swept(tmp_path / "broken_off", *cache, limit=10)
    resumed = swept(tmp_path / "resumed", *cache)
    assert timed(resumed) == 10
    assert timeless(resumed) == timeless(plain)


@pytest.mark.slow
def test_a_blind_run_beside_it_is_the_control(tmp_path: Path) -> None:
    swept(tmp_path, "--model_args", "train_resolution=fixed:32")
    arguments = ["--model", "resflamingo", "--tasks", "phantom_res", "--output_path", str(tmp_path)]
    options = ["--log_samples", "--verbosity", "WARNING", "--limit", "20"]
    given = ["--model_args", "train_resolution=fixed:32,blind=true"]
    assert runs.lmms_eval([*arguments, *options, *given]) == 0
    sighted, blind = sorted(make_records(tmp_path), key=lambda record: record.blind or "")
    assert (sighted.shown, blind.shown) == ("image", "mean image")
    assert [c.resolution for c in sighted.controls.blind] == ["16", "24", "32", "48", "64"]
    assert {control.n for control in sighted.controls.blind} == {4}
    assert (sighted.checkpoint.training, sighted.checkpoint.training_declared) == (
        "fixed:32",
        "fixed:64",
    )
    assert sighted.checkpoint.training_overridden is True
    again = read_record(write_record(sighted, tmp_path / "records"))
    assert timeless(again.model_copy(update={"answers_file": None})) == timeless(sighted)


def test_two_runs_of_one_second_have_files_of_their_own(monkeypatch, tmp_path):
    """lmms-eval would write the second one's samples behind the first one's."""
    from lmms_eval import __main__ as host
    from lmms_eval import utils

    seconds = iter(["20261128_120000", "20261128_120000", "20261128_120001"])
    begun = []
    monkeypatch.setattr(utils, "get_datetime_str", lambda timezone: next(seconds))
    monkeypatch.setattr(
        host,
        "cli_evaluate_single",
        lambda _: begun.append(utils.get_datetime_str(timezone="UTC")) or (None, None),
    )
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "20261128_120000_samples_task.jsonl").write_text("{}\n")
    assert runs.lmms_eval(["--tasks", "phantom_res", "--output_path", str(tmp_path)]) == 0
    assert begun == ["20261128_120001"]
    assert next(seconds, None) is None


def test_a_quiet_run_prints_nothing_and_its_error_is_the_caller_s(monkeypatch, tmp_path, capsys):
    from lmms_eval import __main__ as host

    def breaks(given: object) -> None:
        print("lmms-eval's own words")
        raise ValueError("no such thing")

    monkeypatch.setattr(host, "cli_evaluate_single", breaks)
    with pytest.raises(ValueError, match="no such thing"):
        runs.evaluate("resflamingo", "", "phantom_res", tmp_path, batch_size=1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("tasks", "more", "theirs"),
    [
        (["phantom_res"], [], False),
        (["biomed_res"], [], False),
        (["mme"], [], True),
        (["phantom_res", "mme"], [], True),
        ([], ["--config", "runs.yaml"], True),
    ],
)
def test_where_all_tasks_are_ours_no_others_are_looked_for(
    monkeypatch, tmp_path, tasks, more, theirs
):
    from lmms_eval import __main__ as host

    known = []
    monkeypatch.setattr(
        host,
        "cli_evaluate_single",
        lambda _: known.extend(host.TaskManager("WARNING").all_tasks) or (None, None),
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.yaml").write_text("- tasks: mme\n")
    assert runs.run(tasks, more) == 0
    assert {"phantom_res", "biomed_res"} <= set(known)
    assert ("mme" in known) is theirs


@pytest.mark.parametrize("name", ["a,b", "2026", "1e3", "o'b", "[x", "-dash"])
def test_an_output_folder_is_the_one_that_was_named(monkeypatch, tmp_path, name):
    """lmms-eval would part the path at a comma, or join a quote to the token behind it."""
    from lmms_eval import __main__ as host

    trackers = []

    def single(given):
        arguments = f"{given.hf_hub_log_args},output_path={given.output_path},token=hf_secret"
        trackers.append(host.simple_parse_args_string(arguments))
        return None, None

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(host, "cli_evaluate_single", single)
    assert runs.lmms_eval(["--tasks", "phantom_res", f"--output_path={name}"]) == 0
    runs.evaluate("resflamingo", "", "phantom_res", Path(name), batch_size=1)
    assert [tracker["output_path"] for tracker in trackers] == [name, name]
    assert {tracker["token"] for tracker in trackers} == {"hf_secret"}


def test_a_folder_of_the_task_s_name_is_not_taken_for_the_task(monkeypatch, tmp_path):
    from lmms_eval import __main__ as host

    asked = []
    monkeypatch.setattr(
        host, "cli_evaluate_single", lambda given: asked.append(given.tasks) or (None, None)
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phantom_res").mkdir()
    runs.evaluate("resflamingo", "", "phantom_res", tmp_path / "out", batch_size=1)
    (tasks,) = asked
    assert not Path(tasks).is_dir() and set(tasks.split(",")) == {"phantom_res"}


def test_a_quiet_run_leaves_the_caller_s_log_as_it_was(monkeypatch, tmp_path):
    from lmms_eval import __main__ as host
    from loguru import logger

    monkeypatch.setattr(host, "cli_evaluate_single", lambda _: (None, None))
    said = []
    sink = logger.add(said.append, format="{message}")
    try:
        runs.evaluate("resflamingo", "", "phantom_res", tmp_path, batch_size=1)
        logger.warning("still here")
    finally:
        logger.remove(sink)
    assert str(said[-1]).strip() == "still here"
