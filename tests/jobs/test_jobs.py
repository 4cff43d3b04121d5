"""Many models on many tasks: finished jobs are skipped, failed ones tried once more and named."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from resolution_eval import cli
from resolution_eval.ground.errors import UsageError
from resolution_eval.jobs.execution import execute
from resolution_eval.jobs.sweep_plan import SweepPlan, read_plan
from resolution_eval.records import read_record

HOST = [sys.executable, str(Path(__file__).with_name("stand_in_host.py"))]


def model(name: str, args: str = "calm=1") -> dict[str, Any]:
    return {"name": name, "model": "resflamingo", "model_args": args, "launch": HOST}


def plan_file(folder: Path, **changes: Any) -> Path:
    document = {
        "output": "out",
        "models": [model("one"), model("two")],
        "tasks": ["synthetic_res"],
        **changes,
    }
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def states(plan: SweepPlan) -> list[str]:
    return [outcome.state for outcome in execute(plan, progress=False)]


def test_every_model_runs_on_every_task_and_leaves_a_record(tmp_path: Path) -> None:
    plan = read_plan(plan_file(tmp_path, tasks=["synthetic_res", "other_res"]))
    assert states(plan) == ["finished"] * 4
    records = [read_record(path) for path in (plan.output / "records").glob("*.record.json")]
    assert sorted(record.task for record in records) == ["other_res"] * 2 + ["synthetic_res"] * 2
    assert all(cell.n == 4 for record in records for cell in record.cells)


def test_a_second_run_skips_what_is_finished_and_runs_what_changed(tmp_path: Path) -> None:
    plan = read_plan(plan_file(tmp_path))
    execute(plan, progress=False)
    assert states(plan) == ["skipped", "skipped"]
    changed = plan_file(tmp_path, models=[model("one", "calm=2"), model("two")])
    assert states(read_plan(changed)) == ["finished", "skipped"]


def test_a_record_that_is_gone_is_made_again(tmp_path: Path) -> None:
    plan = read_plan(plan_file(tmp_path))
    execute(plan, progress=False)
    first = next(iter(plan.jobs()))
    assert first.finished is not None
    (first.records / first.finished["record"]).unlink()
    assert states(plan) == ["finished", "skipped"]


def test_no_secret_of_the_plan_stays_in_a_jobs_folder(tmp_path: Path) -> None:
    args = "calm=1,api_key=hush-1,base_url=https://me:hush-2@host/v1"
    more = ["--wandb_args", "key=hush-3", "--token", "hush-4", "hf_hushhushhushhush"]
    plan = read_plan(plan_file(tmp_path, models=[model("one", args)], arguments=more))
    assert (states(plan), states(plan)) == (["finished"], ["skipped"])
    (job,) = plan.jobs()
    kept = (job.folder / "finished.json").read_text() + job.log.read_text()
    assert "calm=1,api_key=[REDACTED]" in kept and "--token" in kept and "hush" not in kept


def test_the_log_of_a_job_that_failed_holds_no_secret_either(tmp_path: Path) -> None:
    plan = read_plan(plan_file(tmp_path, models=[model("one", "fail=9,api_key=hush-1")]))
    (outcome,) = execute(plan, progress=False)
    assert outcome.state == "failed" and "hush" not in str(outcome.error)
    assert "hush" not in outcome.job.log.read_text()


@pytest.mark.parametrize("fault", ["fail=1", "kill=1", "failed=1"])
def test_a_job_that_fails_once_is_finished_at_the_second_try(tmp_path: Path, fault: str) -> None:
    plan = read_plan(plan_file(tmp_path, models=[model("one", fault), model("two")]))
    assert states(plan) == ["finished at the second try", "finished"]


def test_a_job_with_a_budget_is_tried_once_in_a_call_and_goes_on_in_the_next(
    tmp_path: Path,
) -> None:
    plan = read_plan(plan_file(tmp_path, models=[model("one", "fail=1")], budget=500))
    assert states(plan) == ["failed"]
    (job,) = plan.jobs()
    assert [path.name for path in sorted(job.folder.glob("attempt-*"))] == ["attempt-1"]
    assert states(plan) == ["finished"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("fail=9", "status 3; the model's weights are missing"),
        ("kill=9", "status -9"),
        ("failed=9", "1 samples have no verdict: tile-0 at 28 (image)"),
    ],
)
def test_a_job_that_fails_twice_is_named_and_the_others_go_on(
    tmp_path: Path, fault: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = plan_file(tmp_path, models=[model("bad", fault), model("good")])
    assert cli.main(["sweep", str(path)]) == 1
    printed = capsys.readouterr().out
    assert f"failed: bad on synthetic_res: {said}" in " ".join(printed.split()).replace(
        "ended with ", ""
    )
    outcomes = execute(read_plan(path), progress=False)
    assert [outcome.state for outcome in outcomes] == ["failed", "skipped"]


def test_two_sweeps_of_one_plan_do_not_run_a_job_at_once(tmp_path: Path) -> None:
    plan = read_plan(plan_file(tmp_path, models=[model("one")]))
    job = next(iter(plan.jobs()))
    job.folder.mkdir(parents=True)
    code = "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); "
    code += "lock.acquire(); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(job.folder / "lock")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        outcome = execute(plan, progress=False)[0]
        other.communicate("")
    assert outcome.error is not None and "another process is running it" in outcome.error


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models": []}, "models"),
        ({"tasks": ["../escape"]}, "tasks.0"),
        ({"models": [model("a/b")]}, "models.0.name"),
        ({"models": [model("one"), model("one")]}, "'one' is named twice"),
        ({"arguments": ["--output_path", "x"]}, "'--output_path' among the arguments"),
        ({"executor": {"kind": "kubernetes"}}, "kubernetes"),
        ({"modles": 1}, "modles"),
        ({"scheme": "stretch"}, "scheme"),
    ],
)
def test_a_plan_that_breaks_its_form_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=r"plan\.yaml") as refused:
        read_plan(plan_file(tmp_path, **changes))
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["[", "- a", "", "!!python/object/apply:os.system [true]", "\x00"])
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError):
        read_plan(tmp_path / "plan.yaml")


def test_the_dry_run_prints_commands_that_a_shell_can_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = plan_file(tmp_path, resolutions=[28, "native"], arguments=["--limit", 8])
    assert cli.main(["sweep", str(path), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "# one on synthetic_res: to run" in printed
    assert "--resolutions 28,native" in printed and "--limit 8" in printed
    assert not (tmp_path / "out").exists()


EVERYWHERE = [
    {"kind": "local"},
    {
        "kind": "slurm",
        "cluster": "local",
        "gpus": 0,
        "cpus": 1,
        "memory_gb": 1,
        "minutes": 9,
        "parallel": 2,
    },
    {"kind": "ray", "cpus": 1},
]


@pytest.mark.slow
@pytest.mark.parametrize("executor", EVERYWHERE, ids=["local", "submitit", "ray"])
def test_twelve_real_jobs_end_alike_though_one_is_killed_half_way(
    tmp_path: Path, executor: dict[str, Any]
) -> None:
    """Real lmms-eval runs of the embedded checkpoints; the first is killed with SIGKILL."""
    models = [
        {
            "name": f"{strategy}-{batch}",
            "model": "resflamingo",
            "model_args": f"pretrained=embedded/{strategy}",
            "batch_size": batch,
        }
        for strategy in ("low", "native", "mixed")
        for batch in (1, 2, 4, 8)
    ]
    changes = {"models": models, "tasks": ["phantom_res"], "arguments": ["--limit", 10]}
    plan = read_plan(plan_file(tmp_path, executor=executor, **changes))
    killer = threading.Thread(target=_kill_first, args=(plan,), daemon=True)
    killer.start()
    outcomes = execute(plan, progress=False)
    killer.join(timeout=5)
    assert [outcome.error for outcome in outcomes] == [None] * 12
    assert sum(outcome.state == "finished at the second try" for outcome in outcomes) == 1
    assert states(plan) == ["skipped"] * 12
    records = [read_record(path) for path in (plan.output / "records").glob("*.record.json")]
    by_strategy: dict[str, set[tuple[float | None, ...]]] = {}
    for record in records:
        scores = tuple(cell.accuracy for cell in record.cells)
        by_strategy.setdefault(record.label, set()).add(scores)
    assert len(records) == 12 and all(len(scores) == 1 for scores in by_strategy.values())


def _kill_first(plan: SweepPlan) -> None:
    """Kill the first job's lmms-eval process some seconds after it began."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for process in psutil.process_iter(["cmdline"]):
            given = process.info["cmdline"] or []
            if str(plan.output) in " ".join(given) and "resolution_eval" in given:
                time.sleep(6)
                os.kill(process.pid, 9)
                return
        time.sleep(0.2)
