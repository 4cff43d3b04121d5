"""What lmms-eval wrote: runs, each a results file with its tasks' samples files. It is read as
untrusted input: nothing in it is believed that the rest of it contradicts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resolution_eval.evidence.attestation import Blind
from resolution_eval.evidence.facts import CheckpointFacts, RunFacts
from resolution_eval.ground.errors import RecordError
from resolution_eval.records.answer_rows import answer_rows
from resolution_eval.records.answer_table import Answers
from resolution_eval.records.bounded import read_document, read_lines
from resolution_eval.records.sample_line import SampleLine, read_line

MAX_FILES = 100_000
MAX_FOLDERS_DEEP = 16

_RESULTS = re.compile(r"^(?P<date>[0-9T_.:+-]+)_results\.json$")
_SAMPLES = re.compile(r"^(?P<date>[0-9T_.:+-]+)_samples_(?P<task>.+)\.jsonl$")


@dataclass(frozen=True, eq=False)
class TaskAnswers:
    """One task's samples file, read."""

    path: Path
    answers: Answers
    prompt: str | None
    """Text of the first sample's prompt, where lmms-eval kept it."""
    checkpoint: str | None = None
    adapter: str | None = None
    training: str = "unknown"
    """Training resolution as the adapter declared it; `unknown` where none of ours answered."""
    fingerprint: str | None = None
    shown: Literal["image", Blind] | None = None
    """What the model was given; None where every sample failed."""
    facts: tuple[RunFacts, ...] = ()
    """What each process told of itself, by rank; none in the files of older versions."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run of lmms-eval: its results file and the answers of each of our tasks in it."""

    path: Path
    date: str
    results: Mapping[str, Any]
    """The results file as it is, not validated."""
    tasks: Mapping[str, TaskAnswers]


def read_run(path: Path) -> list[Run]:
    """Every run of lmms-eval in the folder `path`, at any depth, by date; or of a results file.

    Tasks that are not ours (no line has a verdict and an attestation) are left out, and so are runs
    without one of ours.

    Raises:
        RecordError: nothing to read, a results file without the samples of a task of ours or the
            reverse, or a line that breaks its schema or contradicts itself; it is named.
    """
    files = sorted(_files(path))
    runs = [run for file in files if (run := _run(file)) is not None]
    claimed = {task.path for run in runs for task in run.tasks.values()}
    if path.is_dir():
        _refuse_orphans(files, claimed)
    if not runs:
        raise RecordError(
            f"{path}: no results of our tasks; run lmms-eval with --output_path and --log_samples, "
            "and pass the folder given to --output_path"
        )
    return sorted(runs, key=lambda run: (run.date, str(run.path)))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if not _RESULTS.match(path.name):
            fault = "is neither a folder nor a results file" if path.exists() else "does not exist"
            raise RecordError(
                f"{path} {fault}; pass the folder given to --output_path, a DATE_results.json in "
                "it, or a record"
            )
        yield path
        return
    seen = 0
    for folder, folders, names in os.walk(path):
        if len(Path(folder).relative_to(path).parts) >= MAX_FOLDERS_DEEP:
            folders.clear()
        for name in names:
            seen += 1
            if seen > MAX_FILES:
                raise RecordError(f"{path}: more than {MAX_FILES} files; pass a smaller folder")
            if _RESULTS.match(name) or _SAMPLES.match(name):
                yield Path(folder, name)


def _run(path: Path) -> Run | None:
    """The run of the results file `path`; None for a samples file, and where no task is ours."""
    match = _RESULTS.match(path.name)
    if match is None:
        return None
    results = read_document(path)
    names = _mapping(results, "results", path)
    by_name = {name: _task(path, match["date"], name, results) for name in sorted(names)}
    tasks = {name: task for name, task in by_name.items() if task is not None}
    return Run(path=path, date=match["date"], results=results, tasks=tasks) if tasks else None


def _mapping(document: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise RecordError(f"{path}: {key!r} should be an object, found {type(value).__name__}")
    return value


def _task(path: Path, date: str, name: str, results: Mapping[str, Any]) -> TaskAnswers | None:
    if "/" in name or "\\" in name or "\0" in name:
        raise RecordError(f"{path}: {name!r} cannot be the name of a task")
    samples = path.with_name(f"{date}_samples_{name}.jsonl")
    if samples.is_file():
        return read_samples(samples)
    figures = _mapping(results["results"], name, path)
    if any(key.startswith("acc@") for key in figures):
        raise RecordError(
            f"{path}: the samples of task {name!r} are missing ({samples.name}); "
            "run lmms-eval with --log_samples"
        )
    return None


def _refuse_orphans(files: list[Path], claimed: set[Path]) -> None:
    """Refuse samples of ours whose results file is missing: a run that was interrupted."""
    for file in files:
        match = _SAMPLES.match(file.name)
        if match is None or file in claimed:
            continue
        results = file.with_name(f"{match['date']}_results.json")
        if not results.is_file() and read_samples(file) is not None:
            raise RecordError(f"{file}: its results file {results.name} is missing; repeat the run")


def read_samples(path: Path) -> TaskAnswers | None:
    """The answers in a samples file, or None where the first line shows that the task is not ours.

    Raises:
        RecordError: a line breaks its schema, contradicts itself or another one; it is named.
    """
    lines: list[SampleLine] = []
    numbers: dict[tuple[str, str], int] = {}
    constants = _Constants(path)
    prompt = None
    for number, document in read_lines(path):
        if not lines and not {"verdict", "attestation"} & set(document):
            return None
        prompt = prompt or _prompt(document)
        line = read_line(document, f"{path}, line {number}")
        key = (line.verdict.sample, line.verdict.resolution)
        if key in numbers:
            raise RecordError(
                f"{path}, line {number}: sample {key[0]!r} at {key[1]} is already "
                f"on line {numbers[key]}"
            )
        numbers[key] = number
        constants.check(line, number)
        lines.append(line)
    if not lines:
        raise RecordError(f"{path}: holds no sample; repeat the run")
    return TaskAnswers(
        path=path,
        answers=Answers.from_rows(answer_rows(lines)),
        prompt=prompt,
        facts=_facts(lines, path),
        **constants.known,
    )


def _facts(lines: list[SampleLine], path: Path) -> tuple[RunFacts, ...]:
    """What the processes told, by rank; they saw the same data and the same checkpoint."""
    told = {line.run.rank: line.run for line in reversed(lines) if line.run is not None}
    facts = tuple(told[rank] for rank in sorted(told))
    for each in facts[1:]:
        same = (each.data, each.versions) == (facts[0].data, facts[0].versions)
        if not same or _apart_from_device(each) != _apart_from_device(facts[0]):
            raise RecordError(
                f"{path}: processes {facts[0].rank} and {each.rank} had other data, versions or "
                "checkpoints; one run is one of each"
            )
    return facts


def _apart_from_device(told: RunFacts) -> CheckpointFacts | None:
    """The checkpoint's facts without what each process has of its own: device, and kernels met."""
    checkpoint = told.checkpoint
    if checkpoint is None:
        return None
    same = checkpoint.arithmetic and checkpoint.arithmetic.model_copy(update={"may_differ": ()})
    return checkpoint.model_copy(update={"device": None, "arithmetic": same})


def _prompt(document: Mapping[str, Any]) -> str | None:
    given = document.get("input")
    first = given[0] if isinstance(given, list) and given else given
    return first[:4000] if isinstance(first, str) and first else None


class _Constants:
    """What must be the same on all lines of a file, and per sample at all its resolutions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._samples: dict[str, tuple[str, str]] = {}
        self.known: dict[str, Any] = {}
        """By the names of `TaskAnswers`; what no line says is not there."""

    def check(self, line: SampleLine, number: int) -> None:
        attestation, verdict = line.attestation, line.verdict
        for name in ("checkpoint", "adapter", "training", "fingerprint"):
            value = getattr(attestation, name)
            if value not in ("", "unknown"):
                self._same(number, name, value, f"{name} {value!r}")
        if attestation.status != "failed":
            shown = attestation.blind or "image"
            self._same(number, "shown", shown, f"the model was shown {shown!r}")
        mine = (verdict.cluster, verdict.target)
        if self._samples.setdefault(verdict.sample, mine) != mine:
            known = str(self._samples[verdict.sample])
            self._differs(number, f"cluster and target {mine} of {verdict.sample!r}", known)

    def _same(self, number: int, name: str, value: str, statement: str) -> None:
        if self.known.setdefault(name, value) != value:
            self._differs(number, statement, repr(self.known[name]))

    def _differs(self, number: int, statement: str, known: str) -> None:
        raise RecordError(
            f"{self._path}, line {number}: {statement}, but {known} on a line before; "
            "one samples file is one checkpoint on one data set"
        )
