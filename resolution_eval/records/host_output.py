"""What lmms-eval wrote: runs, each a results file with the samples files of its tasks.

It is read as untrusted input: nothing in it is believed that the rest of it contradicts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from resolution_eval.evidence.attestation import (
    Attestation,
    Blind,
    Cost,
    ImageAttestation,
    Judgement,
    Sent,
    Verdict,
)
from resolution_eval.evidence.facts import CheckpointFacts, RunFacts
from resolution_eval.evidence.ladder import step
from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.redaction import redacted
from resolution_eval.records.answer_table import Answers
from resolution_eval.records.bounded import read_document, read_lines
from resolution_eval.resolution import TrainingResolution, parse_resolution

MAX_FILES = 100_000
MAX_FOLDERS_DEEP = 16
LARGEST_COUNT = 2**31 - 1
"""Largest size in pixels, and count of tokens, that a column holds."""

_RESULTS = re.compile(r"^(?P<date>[0-9T_.:+-]+)_results\.json$")
_SAMPLES = re.compile(r"^(?P<date>[0-9T_.:+-]+)_samples_(?P<task>.+)\.jsonl$")


@dataclass(frozen=True, eq=False)
class TaskAnswers:
    """One task's samples file, read."""

    path: Path
    answers: Answers
    checkpoint: str | None
    adapter: str | None
    training: str
    """Training resolution as the adapter declared it; `unknown` where none of ours answered."""
    fingerprint: str | None
    prompt: str | None
    """Text of the first sample's prompt, where lmms-eval kept it."""
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


class _Line(BaseModel):
    """What one line of a samples file holds of ours."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    verdict: Verdict
    attestation: Attestation
    cost: Cost | None = None
    run: RunFacts | None = None


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
            found = "is neither a folder nor a results file" if path.exists() else "does not exist"
            raise RecordError(
                f"{path} {found}; pass the folder given to --output_path, a DATE_results.json in "
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
    found = {name: _task(path, match["date"], name, results) for name in sorted(names)}
    tasks = {name: task for name, task in found.items() if task is not None}
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
    lines: list[_Line] = []
    numbers: dict[tuple[str, str], int] = {}
    constants = _Constants(path)
    prompt = None
    for number, document in read_lines(path):
        if not lines and not {"verdict", "attestation"} & set(document):
            return None
        prompt = prompt or _prompt(document)
        line = _line(document, f"{path}, line {number}")
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
        answers=Answers.from_rows(_rows(lines)),
        checkpoint=constants.of("checkpoint"),
        adapter=constants.of("adapter"),
        training=constants.of("training") or "unknown",
        fingerprint=constants.of("fingerprint"),
        prompt=prompt,
        shown=constants.shown,
        facts=_facts(lines, path),
    )


def _facts(lines: list[_Line], path: Path) -> tuple[RunFacts, ...]:
    """What the processes told, by rank; they saw the same data and the same checkpoint."""
    told = {line.run.rank: line.run for line in reversed(lines) if line.run is not None}
    found = tuple(told[rank] for rank in sorted(told))
    for each in found[1:]:
        same = (each.data, each.versions) == (found[0].data, found[0].versions)
        if not same or _apart_from_device(each) != _apart_from_device(found[0]):
            raise RecordError(
                f"{path}: processes {found[0].rank} and {each.rank} had other data, versions or "
                "checkpoints; one run is one of each"
            )
    return found


def _apart_from_device(told: RunFacts) -> CheckpointFacts | None:
    """The checkpoint's facts without the device, which each process has its own of, and without the
    kernels that it met.
    """
    found = told.checkpoint
    if found is None:
        return None
    same = found.arithmetic and found.arithmetic.model_copy(update={"may_differ": ()})
    return found.model_copy(update={"device": None, "arithmetic": same})


def _prompt(document: Mapping[str, Any]) -> str | None:
    given = document.get("input")
    first = given[0] if isinstance(given, list) and given else given
    return first[:4000] if isinstance(first, str) and first else None


class _Constants:
    """What must be the same on all lines of a file, and per sample at all its resolutions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, str] = {}
        self._samples: dict[str, tuple[str, str]] = {}
        self.shown: Literal["image", Blind] | None = None
        """What the model was given, on all lines that have an answer."""

    def of(self, name: str) -> str | None:
        return self._values.get(name)

    def check(self, line: _Line, number: int) -> None:
        attestation, verdict = line.attestation, line.verdict
        for name in ("checkpoint", "adapter", "training", "fingerprint"):
            value = getattr(attestation, name)
            if value in ("", "unknown"):
                continue
            if self._values.setdefault(name, value) != value:
                self._differs(number, f"{name} {value!r}", repr(self._values[name]))
        if attestation.status != "failed":
            shown = attestation.blind or "image"
            self.shown = self.shown or shown
            if shown != self.shown:
                self._differs(number, f"the model was shown {shown!r}", repr(self.shown))
        mine = (verdict.cluster, verdict.target)
        if self._samples.setdefault(verdict.sample, mine) != mine:
            known = str(self._samples[verdict.sample])
            self._differs(number, f"cluster and target {mine} of {verdict.sample!r}", known)

    def _differs(self, number: int, found: str, known: str) -> None:
        raise RecordError(
            f"{self._path}, line {number}: {found}, but {known} on a line before; "
            "one samples file is one checkpoint on one data set"
        )


def _line(document: Mapping[str, Any], where: str) -> _Line:
    try:
        line = _Line.model_validate(document)
        _check_names(line.verdict.resolution, line.attestation.training)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RecordError(f"{where}: {place}: {first['msg']}") from error
    except ValueError as error:
        raise RecordError(f"{where}: {error}") from error
    for fault in _contradictions(line):
        raise RecordError(f"{where}: {fault}")
    return line


@lru_cache(maxsize=1024)
def _check_names(resolution: str, training: str) -> None:
    """Refuse names that are no resolution or no training resolution; the same few come again."""
    parse_resolution(resolution)
    TrainingResolution.parse(training)


def _contradictions(line: _Line) -> Iterator[str]:
    """What in a line cannot be true together."""
    verdict, attestation = line.verdict, line.attestation
    if attestation.requested != verdict.resolution:
        yield f"resolution {verdict.resolution!r}, but {attestation.requested!r} was requested"
    failed = {verdict.correct is None, verdict.failure is not None, attestation.status == "failed"}
    if len(failed) > 1:
        yield (
            f"correct {verdict.correct}, failure {verdict.failure}, status {attestation.status!r}: "
            "a failed sample has no verdict, and any other has one"
        )
    for one in _each(attestation) if attestation.status == "attested" else ():
        if one.grid is None or one.grid != one.expected_grid:
            yield (
                f"status 'attested', but the encoder received {one.grid} "
                f"and {one.expected_grid} was expected"
            )
    yield from _image_contradictions(attestation)
    served = attestation.status in ("counted", "predicted") or attestation.served is not None
    if served and attestation.status != "failed":
        word = step(
            attestation.served, attestation.sent, attestation.expected_grid, attestation.images
        )
        if word != attestation.status or attestation.grid is not None:
            yield (
                f"status {attestation.status!r}, but what was sent, predicted and counted makes it "
                f"{word!r}"
            )
    if (attestation.answer_mode == "open") is not (verdict.form == "open"):
        yield f"answers by {attestation.answer_mode!r} to a question of form {verdict.form!r}"
    if line.cost is not None and (attestation.status == "failed" or not attestation.adapter):
        yield "a cost, but no adapter of ours answered"
    ranked, shown = verdict.choice_scores, verdict.options
    if ranked is not None and "options" in verdict.model_fields_set and len(ranked) != len(shown):
        yield f"{len(ranked)} scores of {len(shown)} options"
    if verdict.f1 is not None and not 0 <= verdict.f1 <= 1:
        yield f"f1 lies between 0 and 1, found {verdict.f1}"
    counts = [n for one in _each(attestation) for n in _counts(one)]
    counts += _served_counts(attestation)
    if any(not 0 <= count <= LARGEST_COUNT for count in counts):
        yield f"sizes and token counts lie between 0 and {LARGEST_COUNT}, found {counts}"


def _each(attestation: Attestation) -> tuple[Attestation | ImageAttestation, ...]:
    """A sample's own sizes and counts, and those of each of several images."""
    return (attestation, *attestation.images)


def _image_contradictions(attestation: Attestation) -> Iterator[str]:
    """What of several images the sample's own fields deny: those of the first, and the sums."""
    images = attestation.images
    if not images:
        return
    if len(images) == 1:
        yield "a list of one image; a question with one has none"
    for name in ("source", "information", "expected_grid", "grid", "capped"):
        own, first = getattr(attestation, name), getattr(images[0], name)
        if own != first:
            yield f"{name} {own}, but its first image has {first}"
    tokens = [image.visual_tokens for image in images]
    if None not in tokens and sum(filter(None, tokens)) != attestation.visual_tokens:
        yield f"{attestation.visual_tokens} visual tokens, but its images have {tokens}"


def _counts(one: Attestation | ImageAttestation) -> list[int]:
    """Sizes in pixels, and counts, of a sample or of one of its images."""
    sizes = (one.source, one.information, one.grid, one.expected_grid)
    found = [side for size in sizes if size is not None for side in size]
    return found + [n for n in (one.visual_tokens, one.tiles) if n is not None]


def _served_counts(attestation: Attestation) -> list[int]:
    """Sizes and counts of a sample that a server answered."""
    sent, served = attestation.sent, attestation.served
    found = [] if sent is None else [sent.width, sent.height, sent.bytes]
    if served is not None:
        known = (served.predicted_size, served.predicted_tokens)
        found += [value for pair in known if pair is not None for value in pair]
        found += [served.unit, served.wrapping, served.attempts, served.counted_tokens or 0]
    return found


def _setting(line: _Line) -> tuple[str, str, str]:
    attestation = line.attestation
    return attestation.scheme, attestation.filter, attestation.answer_mode


def _rows(lines: list[_Line]) -> Iterator[dict[str, Any]]:
    """Table rows. A failed sample never met its adapter: it joins its resolution's cell, if one."""
    settings: dict[tuple[str, str], set[tuple[str, str, str]]] = {}
    everywhere: dict[str, set[tuple[str, str, str]]] = {}
    for line in lines:
        if line.attestation.status != "failed":
            place = (line.verdict.form, line.verdict.resolution)
            settings.setdefault(place, set()).add(_setting(line))
            everywhere.setdefault(line.verdict.form, set()).add(_setting(line))
    for line in lines:
        form = line.verdict.form
        others = everywhere.get(form, set())
        candidates = settings.get((form, line.verdict.resolution), others)
        failed = line.attestation.status == "failed"
        sole = failed and len(candidates) == 1
        yield _row(line, next(iter(candidates)) if sole else _setting(line))


def _row(line: _Line, setting: tuple[str, str, str]) -> dict[str, Any]:
    verdict, attestation = line.verdict, line.attestation
    scheme, filter, answer_mode = setting
    failure = verdict.failure
    return {
        **verdict.model_dump(exclude={"failure", "judgement", "detail"}),
        "options": verdict.options if "options" in verdict.model_fields_set else None,
        "detail": None if verdict.detail is None else verdict.detail.model_dump_json(),
        **_judged(verdict.judgement),
        "failure_kind": None if failure is None else failure.kind,
        "failure_message": None if failure is None else redacted(failure.message),
        "scheme": scheme,
        "filter": filter,
        "answer_mode": answer_mode,
        "status": attestation.status,
        "capped": attestation.capped,
        "visual_tokens": attestation.visual_tokens,
        "evidence": attestation.evidence,
        "notes": list(attestation.notes),
        "tiles": attestation.tiles,
        "blind": attestation.blind,
        "adapter": attestation.adapter or None,
        "seconds": None if line.cost is None else line.cost.seconds,
        "peak_memory": None if line.cost is None else line.cost.peak_memory,
        **_served(attestation),
        **_sizes(attestation),
        "images": [_image(image) for image in attestation.images] or None,
    }


def _image(image: ImageAttestation) -> dict[str, Any]:
    """One of several images, by the names of the columns."""
    sent = _sent(image.sent)
    return {
        "capped": image.capped,
        "visual_tokens": image.visual_tokens,
        "tiles": image.tiles,
        **_sizes(image),
        **{name: sent.get(name) for name in ("sent_width", "sent_height", "sent_bytes")},
        **_pair("predicted", ("width", "height"), image.predicted_size),
    }


def _sizes(one: Attestation | ImageAttestation) -> dict[str, int | None]:
    return {
        **_pair("source", ("width", "height"), one.source),
        **_pair("information", ("width", "height"), one.information),
        **_pair("expected", ("height", "width"), one.expected_grid),
        **_pair("grid", ("height", "width"), one.grid),
    }


def _sent(sent: Sent | None) -> dict[str, Any]:
    if sent is None:
        return {}
    names = ("width", "height", "format", "bytes", "sha256")
    return {f"sent_{name}": getattr(sent, name) for name in names}


def _served(attestation: Attestation) -> dict[str, Any]:
    """What was sent to a server, and what was predicted and counted of it."""
    served = attestation.served
    row = _sent(attestation.sent)
    if served is None:
        return row
    least, most = served.predicted_tokens or (None, None)
    return {
        **row,
        **_pair("predicted", ("width", "height"), served.predicted_size),
        "rule": served.rule,
        "predicted_least": least,
        "predicted_most": most,
        "counted_tokens": served.counted_tokens,
        "counted_by": served.counted_by,
        "server_model": None if served.model is None else redacted(served.model),
        "server_fingerprint": None if served.fingerprint is None else redacted(served.fingerprint),
        "attempts": served.attempts,
    }


def _judged(said: Judgement | None) -> dict[str, Any]:
    """What a judge said of an open answer; nothing where none was asked."""
    if said is None:
        return {}
    return {
        "judge": said.judge,
        "judge_model": said.model,
        "judged": said.correct,
        "judge_failure": None if said.failure is None else redacted(said.failure),
    }


def _pair(name: str, sides: tuple[str, str], size: tuple[int, int] | None) -> dict[str, int | None]:
    first, second = size if size is not None else (None, None)
    return {f"{name}_{sides[0]}": first, f"{name}_{sides[1]}": second}
