"""Records from lmms-eval's output."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from resolution_eval.data.cards import ModelCard, TaskCard, model_cards, task_cards
from resolution_eval.evidence.facts import Arithmetic, CheckpointFacts, RunFacts
from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.files import file_digest
from resolution_eval.ground.redaction import redacted
from resolution_eval.records.blind import controlled
from resolution_eval.records.cells import cells, cost, failures
from resolution_eval.records.host_output import Run, TaskAnswers, read_run
from resolution_eval.records.schema import (
    Cell,
    CellCost,
    Checkpoint,
    Controls,
    Dataset,
    Environment,
    Record,
)

ROUNDING = 6e-5
"""How far a printed accuracy may lie from the samples': rows in words have four decimals."""


def make_records(path: Path, *, blind: Path | None = None) -> list[Record]:
    """One record per run and task of ours in lmms-eval's output folder `path`, in order of date.

    What the run does not say, our task and model cards may; what they don't either is null and
    named in `unknown`. Blind runs in `path`, and in the folder `blind` where given, become the
    controls of the runs that they fit.

    Raises:
        RecordError: as `read_run`, or an accuracy in a results file is not that of its samples.
    """
    made = _made(path)
    others = [] if blind is None else [record for record in _made(blind) if record.blind]
    if blind is not None and not others:
        raise RecordError(f"{blind}: holds no blind run; run the model with blind=true")
    return [controlled(record, [*made, *others]) for record in made]


def _made(path: Path) -> list[Record]:
    return [
        _record(run, name, answers) for run in read_run(path) for name, answers in run.tasks.items()
    ]


def _record(run: Run, task: str, given: TaskAnswers) -> Record:
    configuration = _table(_table(run.results, "configs"), task)
    metadata = _table(configuration, "metadata")
    card = task_cards().get(_text(metadata, "card") or task.removesuffix("_res"))
    summed = cells(given.answers)
    _check(run, task, summed)
    parts: dict[str, Any] = {
        "checkpoint": _checkpoint(run, given),
        "dataset": _dataset(card, task, given).model_copy(update=_titled(metadata)),
        "controls": Controls(chance=card.chance if card else _chance(metadata), blind=()),
        "environment": _environment(run, task, given),
    }
    version = metadata.get("version")
    return Record(
        task=task,
        task_version=None if version is None else str(version),
        shown=given.shown,
        prompt=given.prompt,
        cells=summed,
        failures=failures(given.answers),
        unknown=(*(() if given.shown else ("shown",)), *unknown(parts)),
        answers=given.answers,
        **parts,
    )


def _check(run: Run, task: str, summed: tuple[Cell, ...]) -> None:
    """Refuse a results file whose accuracies, or whose number of samples, are not its samples'."""
    _check_number(run, task)
    printed = _table(_table(run.results, "results"), task)
    rows = {(_row_name(cell), cell.resolution) for cell in summed}
    for name, resolution in sorted(rows):
        stated = _leading_number(printed.get(f"{name}@{resolution},none"))
        here = [c for c in summed if (_row_name(c), c.resolution) == (name, resolution)]
        scored = sum(cell.scored for cell in here)
        counted = sum(cell.correct for cell in here) / scored if scored else None
        if stated is not None and (counted is None or not abs(stated - counted) <= ROUNDING):
            raise RecordError(
                f"{run.path}: task {task!r} says {name}@{resolution} {stated:.4f}, but its samples "
                f"give {'no score' if counted is None else f'{counted:.4f}'}; edit neither file"
            )


def _check_number(run: Run, task: str) -> None:
    """Refuse a samples file that was cut short between two lines: no accuracy need tell."""
    counted = _number(_table(_table(run.results, "n-samples"), task), "effective")
    offset = _number(_table(run.results, "config"), "offset")
    length = len(run.tasks[task].answers)
    if counted is not None and counted >= 1 and not offset and counted != length:
        raise RecordError(
            f"{run.path}: task {task!r} counts {counted:.0f} answers, but its samples file holds "
            f"{length}; it was cut short or edited: repeat the run"
        )


def _row_name(cell: Cell) -> str:
    """What a cell's row in the results file begins with: accuracy, or exact match if open."""
    return "em" if cell.answer_mode == "open" else "acc"


def _leading_number(value: Any) -> float | None:
    """The number that an accuracy's row begins with; None for other words."""
    words = str(value).split(maxsplit=1)
    try:
        return float(words[0])
    except (ValueError, IndexError):
        return None


def _checkpoint(run: Run, given: TaskAnswers) -> Checkpoint:
    host = _table(run.results, "config")
    told = given.facts[0].checkpoint if given.facts else None
    name = given.checkpoint or _text(run.results, "model_name") or _text(host, "model")
    card = model_cards().get(given.checkpoint or "")
    declared = told.declared if told else None
    agrees = card is not None and card.training == (declared or given.training)
    return Checkpoint(
        name=None if name is None else redacted(name),
        revision=_commit(told, card, host),
        adapter=given.adapter,
        training=given.training,
        training_declared=declared or (card.training if card else None),
        training_overridden=told.overridden if told else None,
        training_evidence=card.evidence if card and agrees else told and told.evidence,
        training_evidence_url=card.evidence_url if card and agrees else None,
        probes=told.probes if told else (),
        **_said(told, "strategy", "training_data", "dtype", "writing"),
    )


def _said(by: object, *names: str) -> dict[str, Any]:
    """What `by` says under `names`; null where there is nobody to say it."""
    return {name: None if by is None else getattr(by, name) for name in names}


def _commit(
    told: CheckpointFacts | None, card: ModelCard | None, host: Mapping[str, Any]
) -> str | None:
    """The revision as its adapter found it, or as `--model_args` pins it: that of the checkpoint
    that ran, not of the one that a card describes.
    """
    if told is not None and told.revision is not None:
        return told.revision
    pinned = re.search(r"(?:^|,)revision=([^,]+)", _text(host, "model_args") or "")
    return None if pinned is None else pinned[1]


def _dataset(card: TaskCard | None, task: str, given: TaskAnswers) -> Dataset:
    told = given.facts[0].data if given.facts else None
    return Dataset(
        name=card.name if card else task,
        **_said(card, "title", "modality", "kind", "revision", "licence", "citation", "cluster"),
        **_said(told, "source", "loaded", "excluded_total"),
        revision_found=told and told.revision,
        fingerprint=given.fingerprint,
        classes=card.classes if card else (),
        excluded=told.excluded if told else (),
        notes=told.notes if told else (),
    )


def _titled(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What a folder's card says of its own data, beside what shipped cards would."""
    own = _table(metadata, "own")
    told: dict[str, Any] = {name: _text(own, name) for name in ("title", "modality", "kind")}
    classes = own.get("classes")
    if isinstance(classes, list) and all(isinstance(each, str) for each in classes):
        told["classes"] = tuple(classes)
    return {name: value for name, value in told.items() if value}


def _chance(metadata: Mapping[str, Any]) -> float | None:
    """The chance level of a folder's card; None where it has none."""
    chance = _number(_table(metadata, "own"), "chance")
    return chance if chance is not None and 0 < chance < 1 else None


def _environment(run: Run, task: str, given: TaskAnswers) -> Environment:
    host, told = _table(run.results, "config"), given.facts[0] if given.facts else None
    seeds = {
        name: host[f"{name}_seed"]
        for name in ("random", "numpy", "torch", "fewshot")
        if type(host.get(f"{name}_seed")) is int
    }
    configuration = _table(_table(run.results, "configs"), task)
    shots = _number(_table(run.results, "n-shot"), task)
    spent = cost(given.answers.rows())
    peak, peak_of = _peak(given, spent)
    return Environment(
        date=run.date,
        results_file=run.path.name,
        results_sha256=file_digest(run.path),
        **{name: _text(host, name) for name in ("model", "model_args", "batch_size")},
        model_defaults=told.checkpoint.defaults if told and told.checkpoint else {},
        limit=_number(host, "limit"),
        offset=int(_number(host, "offset") or 0) or None,
        generation=_text(configuration, "generation_kwargs") or _text(host, "gen_kwargs"),
        fewshot=None if shots is None else int(shots),
        option_order=_text(_table(configuration, "metadata"), "option_order"),
        device=told.checkpoint.device if told and told.checkpoint else _text(host, "device"),
        **_said(told, "hardware", "platform"),
        arithmetic=_arithmetic(given.facts),
        processes=len(given.facts) or None,
        versions=_versions(run, told),
        seeds=seeds,
        wall_time=_number(run.results, "total_evaluation_time_seconds"),
        peak_memory=peak,
        peak_memory_of=peak_of,
        samples_per_second=spent.samples_per_second if spent else None,
    )


def _arithmetic(told: Sequence[RunFacts]) -> Arithmetic | None:
    """That of the first process, and the kernels that may differ in any."""
    arithmetics = [each.checkpoint.arithmetic for each in told if each.checkpoint is not None]
    known = [one for one in arithmetics if one is not None]
    if not known:
        return None
    differing = {kernel for one in known for kernel in one.may_differ}
    return known[0].model_copy(update={"may_differ": tuple(sorted(differing))})


def _peak(
    given: TaskAnswers, spent: CellCost | None
) -> tuple[int | None, Literal["gpu", "process"] | None]:
    """The largest memory of a process in bytes, and of what; of the GPU where one was used."""
    if spent is not None and spent.peak_memory is not None:
        return spent.peak_memory, "gpu"
    devices = {told.checkpoint.device for told in given.facts if told.checkpoint is not None}
    if any(device is None or not device.startswith("cpu") for device in devices):
        return None, None
    resident = [told.peak_memory for told in given.facts if told.peak_memory is not None]
    return (max(resident), "process") if resident and devices else (None, None)


def _versions(run: Run, told: RunFacts | None) -> dict[str, str]:
    """The versions as installed. lmms-eval's word for its own comes last: in a git checkout it is
    the branch and commit of whatever repository the run was started in.
    """
    named = {
        "lmms-eval": _text(run.results, "lmms_eval_version"),
        **(told.versions if told else {}),
        "git": _text(run.results, "git_hash"),
    }
    return {name: value for name, value in named.items() if value}


_ALWAYS_KNOWN = ("environment.limit", "environment.offset", "environment.model_args")
"""Fields whose null is an answer: none was given."""


def unknown(parts: Mapping[str, BaseModel]) -> list[str]:
    """Names of the fields of `parts` that are null, or empty, for want of knowledge."""
    return [
        name
        for part, model in parts.items()
        for field, value in model
        if (name := f"{part}.{field}") not in _ALWAYS_KNOWN
        and (value is None or value == "unknown" or (name == "controls.blind" and not value))
    ]


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _text(document: Mapping[str, Any], key: str) -> str | None:
    """The value as text of bounded length without secrets; None where it is absent or empty."""
    value = document.get(key)
    if value is None or value in ("", {}, []):
        return None
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return redacted(text)[:2000]


def _number(document: Mapping[str, Any], key: str) -> float | None:
    """The value as a finite number of at least 0, also where lmms-eval wrote it as text."""
    try:
        value = float(document[key])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and value >= 0 else None
