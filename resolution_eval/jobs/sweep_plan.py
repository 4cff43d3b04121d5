"""The plan of a sweep over models and tasks, as its YAML file states it."""

from __future__ import annotations

import copyreg
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from resolution_eval.ground.errors import UsageError, refuse_misspelled
from resolution_eval.ground.notation import NotationError, yaml_value
from resolution_eval.ground.refusals import told
from resolution_eval.ground.registry import ADAPTERS
from resolution_eval.host.taskfiles import task_names
from resolution_eval.identity import stamp_of
from resolution_eval.jobs.job import Job, JobError, JobSettings
from resolution_eval.models.arguments import model_arguments

MAX_PLAN = 2**20
"""Largest plan read, in bytes."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
"""A name that is also a folder's."""
Count = Annotated[int, Field(ge=1)]


class _PlanPart(BaseModel):
    """Frozen; a key that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Model(_PlanPart):
    """One checkpoint and the adapter that runs it."""

    name: Name
    """What its folder and its rows are called; unique in the plan."""
    model: Annotated[str, Field(min_length=1)]
    """As for `lmms-eval --model`."""
    model_args: str = ""
    """As for `lmms-eval --model_args`."""
    batch_size: Count | Literal["auto"] = 1
    launch: tuple[str, ...] = ()
    """What starts Python modules in place of `python -m`, e.g. `[accelerate, launch, -m]`."""

    @property
    def served(self) -> bool:
        """Whether it may be behind a server: one of lmms-eval's own, wrapped."""
        return self.model == "reswrap"

    def probed(self, edge: int | str | None) -> str:
        """Its arguments, with the `edge` of a probe where it is behind a server."""
        if edge is None or not self.served or "probe" in model_arguments(self.model_args):
            return self.model_args
        return ",".join(filter(None, (self.model_args, f"probe={edge}")))


class Local(_PlanPart):
    """Jobs run one after the other, on this machine."""

    kind: Literal["local"] = "local"


class Slurm(_PlanPart):
    """Each job is a Slurm job, submitted through submitit."""

    kind: Literal["slurm"]
    partition: str | None = None
    account: str | None = None
    minutes: Count = 240
    cpus: Count = 8
    gpus: Annotated[int, Field(ge=0)] = 1
    memory_gb: Count = 64
    parallel: Count = 16
    """Jobs that may run at once."""
    setup: tuple[str, ...] = ()
    """Shell lines before each job, e.g. `module load cuda`."""
    cluster: Literal["slurm", "local"] = "slurm"
    """`local` runs the same jobs as processes of this machine: a rehearsal without Slurm."""


class Ray(_PlanPart):
    """Each job is a Ray task."""

    kind: Literal["ray"]
    address: str | None = None
    """Of a running cluster, or `auto`; null starts Ray on this machine."""
    cpus: Annotated[float, Field(gt=0)] = 1
    gpus: Annotated[float, Field(ge=0)] = 0


Executor = Annotated[Local | Slurm | Ray, Field(discriminator="kind")]


class SweepPlan(_PlanPart):
    """Every model on every task."""

    whole: ClassVar[bool] = True
    """Whether a job fails whose record lacks a verdict of some sample."""
    output: Path
    """Folder of the jobs and their records."""
    models: Annotated[tuple[Model, ...], Field(min_length=1)]
    tasks: Annotated[tuple[Name, ...], Field(min_length=1)]
    resolutions: tuple[int | Literal["native"], ...] = ()
    """Inference resolutions in place of the tasks' own."""
    scheme: Literal["match", "restore"] | None = None
    filter: str | None = None
    arguments: tuple[str, ...] = ()
    """Further arguments of lmms-eval, e.g. `[--limit, "100"]`."""
    budget: Count | None = None
    """Most tokens that one job may spend; it changes no answer, and so no job's name."""
    probe: Count | Literal["auto"] | None = None
    """Edge in pixels at which models behind a server are probed, before each job and after it."""
    executor: Executor = Local()
    file: Annotated[Path | None, Field(exclude=True)] = None
    """Where it was read from; not a key of the file."""

    @field_validator("arguments", mode="before")
    @classmethod
    def _texts(cls, given: object) -> object:
        return [str(part) for part in given] if isinstance(given, list) else given

    @model_validator(mode="after")
    def _consistent(self) -> SweepPlan:
        for kind, names in (("model", [m.name for m in self.models]), ("task", [*self.tasks])):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{kind} {twice[0]!r} is named twice")
        taken = {"--model", "--model_args", "--tasks", "--output_path", "--log_samples"}
        for argument in self.arguments:
            if argument.split("=")[0] in taken:
                raise ValueError(f"{argument!r} among the arguments is the plan's own to give")
        if self.probe is not None and not any(model.served for model in self.models):
            raise ValueError("probe: asks a server, and no model of the plan is a reswrap")
        return self

    def jobs(self) -> Iterator[Job]:
        """One job per model and task, models in the order of the file."""
        for model in self.models:
            for task in self.tasks:
                settings = JobSettings(
                    model=model.model,
                    model_args=model.probed(self.probe),
                    batch_size=str(model.batch_size),
                    task=task,
                    resolutions=tuple(map(str, self.resolutions)),
                    scheme=self.scheme,
                    filter=self.filter,
                    arguments=self.arguments,
                    weights=_weights(model.model_args),
                )
                yield Job(
                    self.output.absolute(),
                    model.name,
                    settings,
                    model.launch,
                    self.budget,
                    self.file,
                    self.whole,
                    self.probe,
                )


def _weights(model_args: str) -> str | None:
    """Stamp of the local checkpoint that `--model_args` names; None where it names none."""
    told = model_arguments(model_args)
    named = told.get("pretrained") or told.get("model")
    return None if named is None else stamp_of(Path(named))


def read_plan(
    path: Path, *, budget: int | None = None, probe: int | str | None = None
) -> SweepPlan:
    """The plan in the YAML file `path`; a relative `output` lies beside the file. Each of its jobs
    stops before it has spent more than `budget` tokens, and probes its server at the edge `probe`,
    where those are given.

    Raises:
        UsageError: it cannot be read, is no YAML, or breaks its form; the first fault is named.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_PLAN + 1)
        if len(data) > MAX_PLAN:
            raise UsageError(f"{path}: larger than {MAX_PLAN} bytes; is this a plan?")
        document = yaml_value(data)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except NotationError as error:
        raise UsageError(f"{path}: {error}") from error
    if isinstance(document, dict) and "file" in document:
        raise UsageError(f"{path}: there is no key 'file'")
    if not isinstance(document, dict):
        raise UsageError(f"{path}: expected keys and values (output, models, tasks), found none")
    if probe is not None:
        document["probe"] = int(probe) if str(probe).isdecimal() else probe
    try:
        plan = SweepPlan.model_validate(document)
    except ValidationError as error:
        keys = {key for part in _PlanPart.__subclasses__() for key in part.model_fields}
        raise UsageError(f"{path}: {told(error, keys)[0]}") from None
    for model in plan.models:
        refuse_misspelled("model", model.model, ADAPTERS)
    for task in plan.tasks:
        refuse_misspelled("task", task, task_names())
    spent = plan.budget if budget is None else budget
    output, file = path.absolute().parent / plan.output, path.absolute()
    return plan.model_copy(update={"output": output, "budget": spent, "file": file})


def job_of(
    plan: Path,
    model: str,
    task: str,
    digest: str,
    budget: int | None,
    probe: int | str | None = None,
) -> Job:
    """The job that the plan in the file `plan` states.

    Raises:
        JobError: the plan no longer states it as it did.
    """
    for job in read_plan(plan, budget=budget, probe=probe).jobs():
        if (job.model, job.settings.task, job.settings.digest) == (model, task, digest):
            return job
    raise JobError(f"{model} on {task}: {plan} has changed since the job was handed over")


def _kept(job: Job) -> str | tuple[Any, ...]:
    """What a cluster's job file holds: where the plan lies and which job it is. The arguments, in
    which there may be a token, are read from the plan where the job runs.
    """
    if job.plan is None:
        return object.__reduce_ex__(job, 4)
    settings = job.settings
    return job_of, (job.plan, job.model, settings.task, settings.digest, job.budget, job.probe)


copyreg.pickle(Job, _kept)
