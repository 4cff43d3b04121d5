"""Jobs and their processes: no orphan runs beside its job, and a state is no proof of an output."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from test_jobs import model, plan_file, states

from resolution_eval.jobs import process
from resolution_eval.jobs.job import JobError, run_job
from resolution_eval.jobs.sweep_plan import read_plan

SLEEPER = """
import os, sys, time
sys.path.insert(0, {here!r})
open({note!r}, "w").write(str(os.getpid()))
time.sleep(60)
"""


def asleep(tmp_path: Path) -> tuple[Path, Path]:
    """A plan of one job whose host writes its number and sleeps; and where it writes it."""
    note, host = tmp_path / "pid", tmp_path / "host.py"
    text = SLEEPER.format(here=str(Path(__file__).parent), note=str(note))
    host.write_text(text, encoding="utf-8")
    one = {**model("one"), "launch": [sys.executable, str(host)]}
    return plan_file(tmp_path, models=[one]), note


def until(what, seconds: float = 30):
    """The first true value of `what`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("did not come about")


def sweeping(plan: Path) -> subprocess.Popen[bytes]:
    script = (
        "import sys; from pathlib import Path\n"
        "from resolution_eval.jobs.sweep_plan import read_plan\n"
        "from resolution_eval.jobs.job import run_job\n"
        "run_job(next(read_plan(Path(sys.argv[1])).jobs()))"
    )
    return subprocess.Popen([sys.executable, "-c", script, str(plan)], stderr=subprocess.DEVNULL)


@pytest.mark.whole
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_killed_sweep_leaves_no_run_behind(tmp_path: Path) -> None:
    plan, note = asleep(tmp_path)
    parent = sweeping(plan)
    child = psutil.Process(int(until(lambda: note.exists() and note.read_text())))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.whole
def test_a_run_that_outlives_its_sweep_keeps_the_job(tmp_path: Path) -> None:
    lock, note = tmp_path / "lock", tmp_path / "note"
    script = (
        "import sys; from pathlib import Path; from resolution_eval.jobs import process\n"
        "process.die_with = lambda parent: None\n"  # as where the system ends no child
        "with process.held(Path(sys.argv[1])) as lock, open(sys.argv[2] + '.log', 'wb') as log:\n"
        "    process.run(['sh', '-c', 'echo $$ > ' + sys.argv[2] + '; exec sleep 60'], log, lock)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(lock), str(note)])
    child = psutil.Process(int(until(lambda: note.exists() and note.read_text().strip())))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert child.is_running()
    with pytest.raises(process.LockedError), process.held(lock):
        pass
    child.kill()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    with process.held(lock) as again:
        assert again is not None


def test_a_job_that_is_being_run_is_not_started_again(tmp_path: Path) -> None:
    plan = read_plan(plan_file(tmp_path, models=[model("one")]))
    (job,) = plan.jobs()
    job.folder.mkdir(parents=True)
    with (
        process.held(job.folder / "lock"),
        pytest.raises(JobError, match="another process is running it"),
    ):
        run_job(job)
    assert states(plan) == ["finished"]


@pytest.mark.parametrize("suffix", ["record.json", "answers.parquet"])
@pytest.mark.parametrize("damage", ["changed", "gone", "untold"])
def test_a_job_is_finished_only_with_the_outputs_that_it_wrote(
    tmp_path: Path, suffix: str, damage: str
) -> None:
    plan = read_plan(plan_file(tmp_path, models=[model("one")]))
    assert states(plan) == ["finished"] and states(plan) == ["skipped"]
    (job,) = plan.jobs()
    (output,) = job.records.glob(f"*.{suffix}")
    if damage == "changed":
        output.write_bytes(output.read_bytes() + b" ")
    elif damage == "gone":
        output.unlink()
    else:
        state = json.loads((job.folder / "finished.json").read_text(encoding="utf-8"))
        del state["outputs"]
        (job.folder / "finished.json").write_text(json.dumps(state), encoding="utf-8")
    assert job.finished is None
    assert states(plan) == ["finished"] and states(plan) == ["skipped"]


def test_what_a_cluster_is_handed_holds_no_secret_and_is_the_same_job(tmp_path: Path) -> None:
    token = "hf_" + "aB3dE6gH9jK2mN5pQ8sT"
    one = model("one", f"calm=1,api_key={token}")
    path = plan_file(tmp_path, models=[one], budget=7)
    (job,) = read_plan(path, budget=5).jobs()
    handed = pickle.dumps(job)
    assert token.encode() not in handed
    assert pickle.loads(handed) == job  # noqa: S301 (our own bytes)
    path.write_text(path.read_text(encoding="utf-8").replace("calm=1", "calm=2"), encoding="utf-8")
    with pytest.raises(JobError, match="has changed since"):
        pickle.loads(handed)  # noqa: S301 (our own bytes)
