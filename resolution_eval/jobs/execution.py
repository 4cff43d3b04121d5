"""Running a plan: finished jobs are skipped, failed ones tried once more, all are reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tqdm import tqdm

from resolution_eval.jobs.executors import EXECUTORS
from resolution_eval.jobs.job import Job
from resolution_eval.jobs.sweep_plan import SweepPlan

ATTEMPTS = 2


@dataclass(frozen=True)
class Outcome:
    """What became of one job."""

    job: Job
    state: Literal["skipped", "finished", "finished at the second try", "failed"]
    error: str | None
    """Of the last attempt; null where the job is finished."""


def execute(plan: SweepPlan, *, progress: bool = True) -> list[Outcome]:
    """Run what is not finished of `plan`; one outcome per job, in the plan's order.

    It can be killed at any time and called again: a finished job is skipped, and an unfinished one
    goes on with the answers that its response cache holds. A job with a budget is tried once in a
    call.

    Raises:
        UsageError: the executor cannot be had here.
    """
    jobs = list(plan.jobs())
    outcomes = {job: Outcome(job, "skipped", None) for job in jobs if job.finished}
    waiting = [job for job in jobs if job not in outcomes]
    run = EXECUTORS[plan.executor.kind]
    with tqdm(total=len(waiting), desc="jobs", disable=not progress) as bar:
        for attempt in range(1, ATTEMPTS + 1):
            failed = []
            for job, error in run(plan, waiting) if waiting else ():
                outcomes[job] = _outcome(job, error, attempt)
                if error is None:
                    bar.update()
                else:
                    failed.append(job)
                    bar.write(error)
            waiting = [job for job in failed if job.budget is None]  # it might spend as much again
    return [outcomes[job] for job in jobs]


def _outcome(job: Job, error: str | None, attempt: int) -> Outcome:
    if error is not None:
        return Outcome(job, "failed", error)
    return Outcome(job, "finished" if attempt == 1 else "finished at the second try", None)


def summary(outcomes: Sequence[Outcome]) -> str:
    """A row per job as text: model, task, state, seconds, record or error."""
    from tabulate import tabulate

    rows = [
        {
            "model": outcome.job.model,
            "task": outcome.job.settings.task,
            "state": outcome.state,
            "seconds": (outcome.job.finished or {}).get("seconds"),
            "record": (outcome.job.finished or {}).get("record"),
        }
        for outcome in outcomes
    ]
    table = tabulate(rows, headers="keys", missingval="-")
    errors = [f"failed: {outcome.error}" for outcome in outcomes if outcome.error]
    return "\n".join([table, *errors])
