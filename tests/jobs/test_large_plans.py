"""A plan of 500 jobs, killed ten times: each job ends once, and none runs beside another."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from resolution_eval.jobs.sweep_plan import read_plan

HOST = """
import json, os, sys, time
from pathlib import Path
value = lambda name: sys.argv[sys.argv.index(name) + 1]
results = Path(value("--output_path"))
note = Path(value("--model_args").partition("=")[2])
mine = note / f"{results.parts[-3]}.running"
try:
    os.close(os.open(mine, os.O_CREAT | os.O_EXCL))
except FileExistsError:
    pid = mine.read_text()
    if pid and Path(f"/proc/{pid}").exists():
        (note / f"{results.parts[-3]}.twice").touch()
mine.write_text(str(os.getpid()))
for source in (note / "run").iterdir():
    text = source.read_text().replace("NAME", results.parts[-3])
    (results / source.name).write_text(text)
with (note / "ended").open("a") as file:
    file.write(results.parts[-3] + "\\n")
mine.unlink()
"""
SWEEP = """
import sys
from pathlib import Path
from resolution_eval.jobs.execution import execute
from resolution_eval.jobs.sweep_plan import read_plan
execute(read_plan(Path(sys.argv[1])), progress=False)
"""
JOBS = 500


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_plan_of_five_hundred_jobs_survives_ten_kills(tmp_path: Path) -> None:
    """Killed at ten random moments (seed 11); what was finished before is never run again."""
    from synthetic_runs import line, write_run

    notes = tmp_path / "notes"
    (notes / "run").mkdir(parents=True)
    lines = [line(f"tile-{i}", r, checkpoint="NAME") for i in range(2) for r in ("28", "64")]
    write_run(notes / "run", lines, task="synthetic_res")
    host = tmp_path / "host.py"
    host.write_text(HOST, encoding="utf-8")
    models = [
        {
            "name": f"m{number:03}",
            "model": "resflamingo",
            "model_args": f"notes={notes}",
            "launch": [sys.executable, str(host)],
        }
        for number in range(JOBS)
    ]
    path = tmp_path / "plan.yaml"
    document = {"output": "out", "models": models, "tasks": ["synthetic_res"]}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    chance, kills = random.Random(11), 0
    while True:
        sweep = subprocess.Popen([sys.executable, "-c", SWEEP, str(path)])
        try:
            sweep.wait(timeout=chance.uniform(6, 18) if kills < 10 else None)
            break
        except subprocess.TimeoutExpired:
            os.kill(sweep.pid, signal.SIGKILL)
            sweep.wait()
            kills += 1
            time.sleep(0.2)
    jobs = list(read_plan(path).jobs())
    assert kills == 10 and len(jobs) == JOBS
    assert all(job.finished for job in jobs), "every job is finished, its outputs by digest"
    assert not list(notes.glob("*.twice")), "no job ran beside itself"
    ended = Counter((notes / "ended").read_text().split())
    assert len(ended) == JOBS and sum(ended.values()) <= JOBS + kills
    names = {json.loads((job.folder / "finished.json").read_text())["record"] for job in jobs}
    assert len(names) == JOBS
