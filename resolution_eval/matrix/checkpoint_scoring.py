"""Scoring: each checkpoint swept once through lmms-eval, and kept as a record.

A checkpoint that has its record is not scored again, so a matrix that was stopped goes on where it
stopped. The record's folder is named by everything that the score depends on, the checkpoint's
files included: another sweep, or weights written anew, are scored anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from resolution_eval.ground.errors import RecordError, UsageError
from resolution_eval.records import Record, make_records, read_record, write_record
from resolution_eval.records.store import SUFFIX
from resolution_eval.resolution import Resolution, label


@dataclass(frozen=True, kw_only=True)
class CheckpointSweep:
    """What every checkpoint of a matrix is asked, and how."""

    task: str
    resolutions: tuple[Resolution, ...]
    model: str = "resflamingo"
    """Name of the lmms-eval model."""
    model_args: str = ""
    """Its arguments beside `pretrained`."""
    batch_size: int = 32
    limit: int | None = None
    """Score the first so many samples only."""

    def arguments(self, checkpoint: str) -> str:
        """`--model_args` for the checkpoint.

        Raises:
            UsageError: its name would be read as several arguments.
        """
        if "," in checkpoint:
            raise UsageError(f"the checkpoint {checkpoint!r} has a comma in its name; rename it")
        return ",".join(filter(None, (f"pretrained={checkpoint}", self.model_args)))


def score(checkpoint: str, sweep: CheckpointSweep, output: Path) -> Record:
    """The record of `checkpoint`, from `output` where it is there, else from a run of lmms-eval.

    Raises:
        RecordError: the run's results cannot be read.
        UsageError: the sweep is impossible.
    """
    folder = output / "checkpoints" / key(checkpoint, sweep)
    if (kept := _kept(folder)) is not None:
        return kept
    results = _fresh(folder)
    _evaluate(checkpoint, sweep, results)
    (record,) = make_records(results)
    write_record(record, folder)
    return record


def _fresh(folder: Path) -> Path:
    """A folder for one attempt: what a run that was stopped left is neither read nor deleted."""
    number, results = 1, folder / "lmms-eval"
    while results.exists():
        number += 1
        results = folder / f"lmms-eval-{number}"
    return results


def _kept(folder: Path) -> Record | None:
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if len(found) > 1:
        raise RecordError(f"{folder} holds {len(found)} records, expected one; remove it")
    return read_record(found[0]) if found else None


def _evaluate(checkpoint: str, sweep: CheckpointSweep, results: Path) -> None:
    from resolution_eval.host.runs import evaluate

    evaluate(
        sweep.model,
        sweep.arguments(checkpoint),
        sweep.task,
        results,
        batch_size=sweep.batch_size,
        resolutions=sweep.resolutions,
        limit=None if sweep.limit is None else sweep.limit * len(sweep.resolutions),
    )


def key(checkpoint: str, sweep: CheckpointSweep) -> str:
    """Name of the folder for `checkpoint` under `sweep`: its last part, and a digest.

    The digest is over the sweep, this program's version and the content of the checkpoint's files.
    """
    place = Path(checkpoint)
    parts = [
        version("resolution-eval"),
        sweep.model,
        sweep.arguments(checkpoint),
        sweep.task,
        [label(r) for r in sweep.resolutions],
        sweep.limit,
        _contents(place) if place.is_dir() else [],
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    plain = "".join(char if char.isalnum() or char in "-_." else "_" for char in place.name)
    return f"{plain[:40].strip('.')}-{digest[:12]}"


def _contents(folder: Path) -> Sequence[tuple[str, str]]:
    """Name and SHA-256 of every file in the folder, subfolders left out."""
    return [(path.name, _digest(path)) for path in sorted(folder.iterdir()) if path.is_file()]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
