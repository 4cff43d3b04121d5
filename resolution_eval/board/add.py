"""Adding: a submission's folder from lmms-eval's output, checked before it is put in place."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from resolution_eval.board.checks import check_submission
from resolution_eval.board.ledger import LEDGER, read_ledger
from resolution_eval.board.submission import FACTS, Facts, folder_name
from resolution_eval.data.cards import model_cards
from resolution_eval.ground.errors import RecordError, UsageError
from resolution_eval.ground.files import copy_folder
from resolution_eval.ground.refusals import clause
from resolution_eval.records import Record, write_record
from resolution_eval.records.store import load


def add(results: Sequence[Path], board: Path, declared: Mapping[str, Any]) -> Path:
    """Put the records of `results` (lmms-eval's output, or records) into `board`; their folder.

    `declared` holds what the submitter says of the checkpoint; what it leaves out is taken from the
    records and from the checkpoint's card. Nothing is written unless everything is accepted.

    Raises:
        UsageError: a fact is missing or impossible, or the folder is there already.
        RecordError: the results cannot be read, are of several checkpoints, or are refused.
    """
    records = load(results)
    try:
        facts = facts_of(records, declared)
    except UsageError as error:
        raise UsageError("; ".join((str(error), *unpinned(records, board)))) from error
    place = board / "records" / folder_name(facts.model, facts.revision)
    if place.exists():
        raise UsageError(f"{place} is there already; a submission is one folder, added once")
    with TemporaryDirectory() as scratch:
        made = Path(scratch) / "records" / folder_name(facts.model, facts.revision)
        for record in records:
            write_record(record, made)
        text = facts.model_dump_json(indent=1, exclude_defaults=False)
        (made / FACTS).write_text(text + "\n", encoding="utf-8")
        faults = check_submission(made, board, read_ledger(board / LEDGER)).faults
        if faults:
            listed = "\n".join(f"  {fault}".replace(f"{made}/", "") for fault in faults)
            raise RecordError(f"not added, {len(faults)} faults:\n{listed}")
        _put(made, place)
    return place


def _put(made: Path, place: Path) -> None:
    """Copy the folder beside its place, and put it there in one step: whole, or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place.parents[2], prefix=".adding-") as beside:
        copy_folder(made, Path(beside) / place.name)
        (Path(beside) / place.name).rename(place)


def pinned(board: Path) -> list[str]:
    """Names of the data sets whose test samples are pinned in `board`."""
    return sorted(path.stem for path in (board / "samples").glob("*.json"))


def unpinned(records: Sequence[Record], board: Path) -> list[str]:
    """What is to be said of each data set of `records` that nobody pinned, a clause each."""
    known = pinned(board)
    names = sorted({record.dataset.name for record in records} - set(known))
    return [
        f"{name} has no pinned samples (pinned are {', '.join(known) or 'none'}); make them by "
        f"python -m resolution_eval.board.pins {name}"
        for name in names
    ]


def facts_of(records: Sequence[Record], declared: Mapping[str, Any]) -> Facts:
    """The facts of a submission of `records`: as declared, else as the records and the card say.

    Raises:
        UsageError: a fact is missing or impossible.
        RecordError: there is no record, or they are of several checkpoints.
    """
    names = sorted({str(record.checkpoint.name) for record in records})
    if len(names) != 1:
        raise RecordError(f"a submission is of one checkpoint; found {names or 'no record'}")
    said = records[0].checkpoint
    card = model_cards().get(names[0])
    fields = {
        "model": names[0],
        "title": card.name if card else names[0].rstrip("/").rpartition("/")[2],
        "revision": (said.revision or "").replace("sha256:", "sha256-"),
        "parameters": None,
        "strategy": said.strategy or "unknown",
        "training": said.training,
        "training_evidence": said.training_evidence or (card.evidence if card else ""),
        "training_evidence_url": said.training_evidence_url,
        "base": None,
        "licence": card.licence if card else "",
        "submitted": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "pretrained": names[0],
        **{key: value for key, value in declared.items() if value is not None},
    }
    try:
        return Facts.model_validate(fields)
    except ValidationError as error:
        lines = [_said(fault) for fault in error.errors()]
        raise UsageError("; ".join(lines)) from error


def _said(fault: Mapping[str, Any]) -> str:
    place = ".".join(map(str, fault["loc"]))
    option = "--" + place.partition(".")[0].replace("_", "-")
    return f"{clause(fault, Facts.model_fields)}; give {option}"
