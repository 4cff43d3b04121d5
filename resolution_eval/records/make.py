"""Records from lmms-eval's output."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from resolution_eval.cards import TaskCard, model_cards, task_cards
from resolution_eval.errors import RecordError
from resolution_eval.records.cells import cells, failures
from resolution_eval.records.host import Run, TaskAnswers, read_run
from resolution_eval.records.schema import (
    Cell,
    Checkpoint,
    Controls,
    Dataset,
    Environment,
    Record,
)

ROUNDING = 6e-5
"""How far a printed accuracy may lie from the samples': rows in words have four decimals."""


def make_records(path: Path) -> list[Record]:
    """One record per run and task of ours in lmms-eval's output folder `path`, in order of date.

    What the run does not say, our task and model cards may; what they don't either is null and
    named in `unknown`.

    Raises:
        RecordError: as `read_run`, or an accuracy in a results file is not that of its samples.
    """
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
        "dataset": _dataset(card, task, given),
        "controls": Controls(chance=card.chance if card else None, blind=None),
        "environment": _environment(run),
    }
    version = metadata.get("version")
    return Record(
        task=task,
        task_version=None if version is None else str(version),
        prompt=given.prompt,
        cells=summed,
        failures=failures(given.answers),
        unknown=tuple(_unknown(parts)),
        answers=given.answers,
        **parts,
    )


def _check(run: Run, task: str, summed: tuple[Cell, ...]) -> None:
    """Refuse a results file whose accuracies are not those of its samples."""
    printed = _table(_table(run.results, "results"), task)
    rows = {(_row_name(cell), cell.resolution) for cell in summed}
    for name, resolution in sorted(rows):
        stated = _leading_number(printed.get(f"{name}@{resolution},none"))
        at = [cell for cell in summed if cell.resolution == resolution]
        here = [cell for cell in at if _row_name(cell) == name]
        scored = sum(cell.scored for cell in here)
        counted = sum(cell.correct for cell in here) / scored if scored else None
        if stated is not None and (counted is None or abs(stated - counted) > ROUNDING):
            raise RecordError(
                f"{run.path}: task {task!r} says {name}@{resolution} {stated:.4f}, but its samples "
                f"give {'no score' if counted is None else f'{counted:.4f}'}; edit neither file"
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
    name = given.checkpoint or _text(run.results, "model_name") or _text(host, "model")
    card = model_cards().get(given.checkpoint or "")
    agrees = card is not None and card.training == given.training
    return Checkpoint(
        name=name,
        adapter=given.adapter,
        training=given.training,
        training_evidence=card.evidence if card is not None and agrees else None,
        training_evidence_url=card.evidence_url if card is not None and agrees else None,
    )


def _dataset(card: TaskCard | None, task: str, given: TaskAnswers) -> Dataset:
    return Dataset(
        name=card.name if card else task,
        title=card.title if card else None,
        modality=card.modality if card else None,
        kind=card.kind if card else None,
        revision=card.revision if card else None,
        fingerprint=given.fingerprint,
        licence=card.licence if card else None,
        citation=card.citation if card else None,
        classes=card.classes if card else (),
        cluster=card.cluster if card else None,
    )


def _environment(run: Run) -> Environment:
    host = _table(run.results, "config")
    said = _table(run.results, "resolution_eval")
    seeds = {
        name: host[f"{name}_seed"]
        for name in ("random", "numpy", "torch", "fewshot")
        if type(host.get(f"{name}_seed")) is int
    }
    return Environment(
        date=run.date,
        results_file=run.path.name,
        results_sha256=hashlib.sha256(run.path.read_bytes()).hexdigest(),
        model=_text(host, "model"),
        model_args=_text(host, "model_args"),
        batch_size=_text(host, "batch_size"),
        limit=_number(host, "limit"),
        generation=_text(host, "gen_kwargs"),
        device=_text(host, "device"),
        hardware=_text(said, "hardware"),
        versions=_versions(run, said),
        seeds=seeds,
        wall_time=_number(run.results, "total_evaluation_time_seconds"),
        peak_memory=_count(said, "peak_memory"),
        samples_per_second=_number(said, "samples_per_second"),
    )


def _versions(run: Run, said: Mapping[str, Any]) -> dict[str, str]:
    named = {
        "lmms-eval": _text(run.results, "lmms_eval_version"),
        "git": _text(run.results, "git_hash"),
        **{name: str(value) for name, value in _table(said, "versions").items()},
    }
    return {name: value for name, value in named.items() if value}


def _unknown(parts: Mapping[str, BaseModel]) -> list[str]:
    return [
        f"{part}.{name}"
        for part, model in parts.items()
        for name, value in model
        if value is None or (part == "checkpoint" and value == "unknown")
    ]


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _text(document: Mapping[str, Any], key: str) -> str | None:
    """The value as one line of text of bounded length; None where it is absent or empty."""
    value = document.get(key)
    if value is None or value in ("", {}, []):
        return None
    return (value if isinstance(value, str) else json.dumps(value, sort_keys=True))[:2000]


def _number(document: Mapping[str, Any], key: str) -> float | None:
    """The value as a finite number of at least 0, also where lmms-eval wrote it as text."""
    try:
        value = float(document[key])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _count(document: Mapping[str, Any], key: str) -> int | None:
    value = _number(document, key)
    return None if value is None else int(value)
