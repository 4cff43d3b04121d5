"""Running a plan: finished jobs are skipped, failed ones tried once more, all are reported.

An executor runs every job it is given, here, on Slurm or on Ray, and yields each with its error,
null where it finished, in the order in which they end; a process that dies is an error too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from tqdm import tqdm

from resolution_eval.ground.errors import ResolutionEvalError, UsageError
from resolution_eval.jobs.job import Job, run_job
from resolution_eval.jobs.sweep_plan import Ray, Slurm, SweepPlan

ATTEMPTS = 2
Ended = tuple[Job, str | None]
"""A job, and what went wrong."""

POLL = 1.0
"""Seconds between two looks at the jobs of a cluster."""


def local(plan: SweepPlan, jobs: Sequence[Job]) -> Iterator[Ended]:
    """One after the other, in processes of this machine."""
    for job in jobs:
        yield job, error_of(job)


def slurm(plan: SweepPlan, jobs: Sequence[Job]) -> Iterator[Ended]:
    """Through submitit.

    Raises:
        UsageError: submitit is not installed, or Slurm is not there.
    """
    try:
        import submitit
    except ImportError:
        raise UsageError(
            "executor slurm needs submitit; pip install resolution-eval[slurm]"
        ) from None
    where = plan.executor
    assert isinstance(where, Slurm)
    try:
        executor = submitit.AutoExecutor(folder=plan.output / "slurm", cluster=where.cluster)
    except RuntimeError as error:
        raise UsageError(f"no Slurm is reached from here ({error})") from error
    executor.update_parameters(**_slurm_parameters(where))
    rest = iter(jobs)
    # Slurm itself keeps to `parallel` of an array; on this machine nobody else does
    at_once = where.parallel if where.cluster == "local" else len(jobs)
    waiting = _submitted(executor, list(islice(rest, at_once)))
    while waiting:
        for job, handle in list(waiting.items()):
            if handle.done():
                del waiting[job]
                waiting |= _submitted(executor, list(islice(rest, 1)))
                yield job, _submitit_error(job, handle)
        time.sleep(POLL if waiting else 0)


def _submitted(executor: Any, jobs: Sequence[Job]) -> dict[Job, Any]:
    """The jobs' handles, submitted as one array."""
    if not jobs:
        return {}
    with executor.batch():
        handles = [executor.submit(error_of, job) for job in jobs]
    return dict(zip(jobs, handles, strict=True))


def _slurm_parameters(where: Slurm) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "name": "resolution-eval",
        "timeout_min": where.minutes,
        "cpus_per_task": where.cpus,
        "gpus_per_node": where.gpus,
        "mem_gb": where.memory_gb,
    }
    if where.cluster == "slurm":
        given = {"partition": where.partition, "account": where.account}
        parameters |= {f"slurm_{name}": value for name, value in given.items() if value}
        parameters |= {"slurm_array_parallelism": where.parallel, "slurm_setup": [*where.setup]}
    return parameters


def _submitit_error(job: Job, handle: Any) -> str | None:
    """The error of a job that submitit ran, also where its process died."""
    import submitit

    try:
        said: str | None = handle.result()
    except (submitit.core.utils.FailedJobError, submitit.core.utils.UncompletedJobError) as error:
        first = str(error).strip().splitlines()
        return f"{job.name}: its process died ({first[0] if first else 'no reason given'})"
    return said


def ray(plan: SweepPlan, jobs: Sequence[Job]) -> Iterator[Ended]:
    """As tasks of Ray.

    Raises:
        UsageError: Ray is not installed, or its cluster cannot be reached.
    """
    try:
        import ray as host
    except ImportError:
        raise UsageError("executor ray needs ray; pip install resolution-eval[ray]") from None
    where = plan.executor
    assert isinstance(where, Ray)
    began = not host.is_initialized()
    if began:
        try:
            host.init(address=where.address, log_to_driver=False, include_dashboard=False)
        except ConnectionError as error:
            raise UsageError(f"no Ray cluster at {where.address!r} ({error})") from error
    try:
        remote = host.remote(num_cpus=where.cpus, num_gpus=where.gpus, max_retries=0)(error_of)
        waiting = {remote.remote(job): job for job in jobs}
        while waiting:
            ready, _ = host.wait(list(waiting), num_returns=1)
            job = waiting.pop(ready[0])
            yield job, _ray_error(host, job, ready[0])
    finally:
        if began:
            host.shutdown()


def _ray_error(host: Any, job: Job, handle: Any) -> str | None:
    try:
        said: str | None = host.get(handle)
    except host.exceptions.RayError as error:
        return f"{job.name}: its process died ({type(error).__name__})"
    return said


def error_of(job: Job) -> str | None:
    """Run `job`; what went wrong, or null."""
    try:
        run_job(job)
    except (ResolutionEvalError, OSError) as error:
        return str(error)
    return None


EXECUTORS: Mapping[str, Callable[[SweepPlan, Sequence[Job]], Iterator[Ended]]] = {
    "local": local,
    "slurm": slurm,
    "ray": ray,
}
"""By the plan's `executor.kind`."""


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
