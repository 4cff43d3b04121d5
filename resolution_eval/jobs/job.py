"""One job: a model on a task, in a folder that says how far it has come."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resolution_eval.ground.errors import RecordError, ResolutionEvalError
from resolution_eval.ground.files import file_digest, is_full, replace
from resolution_eval.ground.notation import NotationError, json_value
from resolution_eval.ground.redaction import redacted, redacted_value
from resolution_eval.jobs import process


class JobError(ResolutionEvalError):
    """A job ended without a complete record."""


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """What decides a job's answers: two jobs with equal settings are the same job."""

    model: str
    model_args: str
    batch_size: str
    task: str
    resolutions: tuple[str, ...]
    scheme: str | None
    filter: str | None
    arguments: tuple[str, ...]
    weights: str | None = None
    """Stamp of the checkpoint's files where it is a local folder: new weights are a new job."""

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that follow from the settings."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Job:
    """A model on a task, in a folder named after its settings: other settings begin anew."""

    output: Path
    model: str
    settings: JobSettings
    launch: tuple[str, ...] = ()
    budget: int | None = None
    """Most tokens that it may spend."""
    plan: Path | None = None
    """The file that states it; null where none does."""
    whole: bool = True
    """Whether it fails where its record lacks a verdict of some sample."""
    probe: int | str | None = None
    """Edge at which the plan's servers are probed; its arguments hold it."""

    @property
    def name(self) -> str:
        """Model and task, for people."""
        return f"{self.model} on {self.settings.task}"

    @property
    def folder(self) -> Path:
        """Where the job keeps its attempts, its log, its cache of answers and its state."""
        return self.output / "jobs" / self.model / f"{self.settings.task}-{self.settings.digest}"

    @property
    def log(self) -> Path:
        """What lmms-eval printed, all attempts after one another."""
        return self.folder / "log.txt"

    @property
    def finished(self) -> dict[str, Any] | None:
        """What the job's state file says, where its record and answers are still those of then."""
        try:
            state = json_value((self.folder / "finished.json").read_bytes())
        except (OSError, NotationError):
            return None
        outputs = state.get("outputs") if isinstance(state, dict) else None
        if not isinstance(outputs, dict) or not outputs or not isinstance(state.get("record"), str):
            return None
        same = all(_digest(self.records / str(name)) == told for name, told in outputs.items())
        return state if same and state["record"] in outputs else None

    @property
    def records(self) -> Path:
        """Where the records of all jobs lie together, for `resolution-eval report`."""
        return self.output / "records"

    def command(self, results: Path) -> list[str]:
        """What is run; answers already given wait in lmms-eval's response cache."""
        settings = self.settings
        start = list(self.launch) or [sys.executable, "-m"]
        own = [("--resolutions", ",".join(settings.resolutions)), ("--scheme", settings.scheme)]
        own.append(("--filter", settings.filter))
        return [
            *(*start, "resolution_eval", "run", "--tasks", settings.task),
            *(part for name, value in own if value for part in (name, value)),
            *("--model", settings.model),
            *(("--model_args", settings.model_args) if settings.model_args else ()),
            *("--batch_size", settings.batch_size),
            *("--output_path", str(results), "--log_samples"),
            *("--use_cache", str(self.folder / "cache")),
            *(("--max_tokens", str(self.budget)) if self.budget else ()),
            *settings.arguments,
        ]


def run_job(job: Job) -> dict[str, Any]:
    """Run the job's command to its end, make its record, and note that it is finished.

    Only one process may run a job at a time. The state file appears whole, and last.

    Raises:
        JobError: another process runs it, the command failed, or cells are not complete.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    try:
        with process.held(job.folder / "lock") as lock:
            return job.finished or _run(job, lock)
    except process.LockedError:
        raise JobError(f"{job.name}: another process is running it ({job.folder})") from None


def _run(job: Job, lock: int | None) -> dict[str, Any]:
    started = time.monotonic()
    results = _fresh(job.folder)
    try:
        with job.log.open("ab") as log:
            code = process.run(job.command(results), log, lock)
    finally:
        _without_secrets(job.log)
    if code != 0:
        said = _last(job.log)
        if is_full(job.folder):  # what it printed had no room either
            said = f"No space left on device ({said}); free some, or choose another output"
        raise JobError(f"{job.name}: ended with status {code}; {said} (log: {job.log})")
    state = _recorded(job, results) | {"seconds": round(time.monotonic() - started, 1)}
    replace(job.folder / "finished.json", json.dumps(state, indent=2).encode() + b"\n")
    return state


def _fresh(folder: Path) -> Path:
    """A new folder for one attempt: a killed attempt's half results are never read."""
    number = 1
    while (path := folder / f"attempt-{number}").exists():
        number += 1
    path.mkdir()
    return path


def _recorded(job: Job, results: Path) -> dict[str, Any]:
    """The record of the attempt, if all its cells are complete, or need not be."""
    from resolution_eval.records import make_records, write_record
    from resolution_eval.records.store import answers_of

    try:
        records = make_records(results)
    except RecordError as error:
        raise JobError(f"{job.name}: {error}") from error
    if len(records) != 1:
        raise JobError(f"{job.name}: expected one record in {results}, found {len(records)}")
    record = records[0]
    path = write_record(record, job.records)
    lost = sum(cell.failed + cell.missing for cell in record.cells)
    if lost and job.whole:
        named = ", ".join(f"{f.sample} at {f.resolution} ({f.kind})" for f in record.failures[:3])
        raise JobError(f"{job.name}: {lost} samples have no verdict: {named} (record: {path})")
    said = {name: _public(value) for name, value in asdict(job.settings).items()}
    outputs = {one.name: _digest(one) for one in (path, answers_of(path))}
    return {"record": path.name, "outputs": outputs, "cells": len(record.cells), "settings": said}


def _digest(file: Path) -> str | None:
    """SHA-256 of a file; None where it cannot be read."""
    try:
        return file_digest(file)
    except OSError:
        return None


def _public(value: str | Sequence[str] | None) -> str | list[str] | None:
    """A setting without its secrets; one may be the value of the argument before it."""
    if value is None or isinstance(value, str):
        return None if value is None else redacted(value)
    return [redacted_value(name, each) for name, each in zip(["", *value], value, strict=False)]


def _without_secrets(log: Path) -> None:
    """Strike the secrets out of what lmms-eval printed of its arguments."""
    told = log.read_bytes().decode("utf-8", "replace")
    if (public := redacted(told)) != told:
        replace(log, public.encode())


def _last(log: Path) -> str:
    """The end of the log, on one line."""
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 4000))
        lines: Sequence[str] = file.read().decode(errors="replace").splitlines()
    return " / ".join(line.strip() for line in lines if line.strip()[:1])[-600:] or "no output"
