"""Checks: everything that a submission must be, each refusal with its own message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from resolution_eval.board import first_reading
from resolution_eval.board.duplicate_answers import Originals
from resolution_eval.board.ledger import (
    LEDGER,
    Acceptance,
    BoardLedger,
    changes,
    lost,
    read_ledger,
    rerun_faults,
)
from resolution_eval.board.pins import most_answers, read_pin
from resolution_eval.board.rerun import read_rerun
from resolution_eval.board.rescore import sample_faults
from resolution_eval.board.row_identity import asked_faults, identity_faults
from resolution_eval.board.submission import (
    FACTS,
    RERUN,
    Facts,
    Submission,
    key_of,
    read_submission,
    submissions,
)
from resolution_eval.board.submission_files import Fault, RefusedError, file_faults, load_record
from resolution_eval.board.watched import changes_to, home_faults
from resolution_eval.data.cards import TaskCard, task_cards
from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.likeness import skeleton
from resolution_eval.host.taskfiles import VERSION
from resolution_eval.records import Cell, Record
from resolution_eval.records.store import answers_of

MOST_FAULTS = 20
"""Faults of one record's samples that are listed; the rest is counted."""


@dataclass(frozen=True)
class CheckResult:
    """One submission, checked."""

    folder: Path
    submission: Submission | None
    """None where its facts cannot be read."""
    records: Mapping[Path, Record]
    """Those that can be read, scores and blind controls alike."""
    faults: tuple[Fault, ...]
    """Empty where it is accepted."""
    withdrawn: str | None = None
    """Why the ledger says that it is no longer shown; None where it is."""


@dataclass(frozen=True)
class CheckedBoard:
    """Every submission of a board, checked."""

    submissions: tuple[CheckResult, ...]
    faults: tuple[Fault, ...] = ()
    """Of the board as a whole: what was accepted and is gone."""

    @property
    def all_faults(self) -> tuple[Fault, ...]:
        """Every fault."""
        return (*self.faults, *(fault for each in self.submissions for fault in each.faults))


def check_board(
    folder: Path, ledger: Path | None = None, *, base: Path | None = None, apart: bool = False
) -> CheckedBoard:
    """Check all that the leaderboard's `folder` holds: every submission against each other and the
    `ledger`, the folder's own by default; of another one, the folder's must be a copy.

    Where `base` is given, the leaderboard's folder of the branch that a request goes to, its ledger
    and its pins count, and every difference that is no new submission is a fault. `apart` has a
    child read first what the ledger does not have.

    Raises:
        RecordError: there is no folder of records, or the ledger cannot be read.
    """
    trusted = folder if base is None else base
    ledger = ledger or trusted / LEDGER
    accepted = read_ledger(ledger)
    places = list(submissions(folder / "records"))
    new = [p for p in places if key_of(p) not in accepted.submissions]
    deadly = first_reading.fatal(
        new if apart else [], lambda place: check_submission(place, trusted, accepted)
    )
    checked = [
        CheckResult(place, None, {}, (Fault(place, deadly[place]),))
        if place in deadly
        else check_submission(place, trusted, accepted)
        for place in places
    ]
    present = {key_of(each.folder) for each in checked}
    gone = lost(accepted, present, folder / "records")
    beside = (*home_faults(folder), *_ledger_faults(folder / LEDGER, ledger, accepted))
    changed = () if base is None else tuple(changes_to(base, folder))
    return CheckedBoard(tuple(_uncopied(checked, accepted)), (*gone, *beside, *changed))


def _ledger_faults(path: Path, ledger: Path, accepted: BoardLedger) -> Iterator[Fault]:
    """Whether the board's own ledger is a copy of the one that counts."""
    try:
        same = read_ledger(path) == accepted
    except RecordError as error:
        yield Fault.of(error, path)
        return
    if not same:
        yield Fault(path, f"differs from {ledger}; only the maintainers enter into it")


def _uncopied(checked: list[CheckResult], ledger: BoardLedger) -> Iterator[CheckResult]:
    """`checked` with a fault for answers and names that another submission has too; what the
    ledger has was there first, by whatever name a later one comes.
    """
    originals, folders, names = Originals(), dict[str, Path](), dict[str, str]()
    for each in sorted(checked, key=lambda each: key_of(each.folder) not in ledger.submissions):
        faults = list(each.faults)
        twin = folders.setdefault(key_of(each.folder).casefold(), each.folder)
        if twin != each.folder:
            faults.append(Fault(each.folder, f"differs from {twin} in the case of letters only"))
        said = None if each.submission is None else each.submission.facts.submitter
        if said is not None and (first_said := names.setdefault(skeleton(said), said)) != said:
            told = f"submitter {said!r} reads as {first_said!r}, who is somebody else here"
            faults.append(Fault(each.folder / FACTS, told))
        for path, record in each.records.items():
            first = originals.original(path, record)
            if first is not None:
                faults.append(Fault(path, f"has the very answers of {first}: a copy"))
        yield replace(each, faults=tuple(faults))


def check_submission(
    place: Path, board: Path, ledger: BoardLedger, *, vouched: str | None = None
) -> CheckResult:
    """Check the submission in the folder `place` by the pins of the leaderboard's folder `board`.

    A submission that cannot be checked at all is refused; the others are checked nevertheless.
    `vouched` is the maintainers' word for its identity, beside the ledger's.
    """
    try:
        with first_reading.bounded():
            return _checked(place, board, ledger, vouched)
    except (MemoryError, RecursionError, ArithmeticError, LookupError, TypeError, ValueError) as e:
        told = f"cannot be checked ({type(e).__name__}: {e}); it is refused"
        return CheckResult(place, None, {}, (Fault(place, told),))


def _checked(place: Path, board: Path, ledger: BoardLedger, vouched: str | None) -> CheckResult:
    faults = list(file_faults(place))
    if faults:
        return CheckResult(place, None, {}, tuple(faults))
    try:
        submission = read_submission(place)
    except RecordError as error:
        return CheckResult(place, None, {}, (Fault.of(error, place / FACTS),))
    records: dict[Path, Record] = {}
    most = most_answers(board)
    for path in submission.records:
        try:
            records[path] = load_record(path, most)
        except RefusedError as error:
            faults.append(error.fault)
    faults += _facts_faults(submission)
    for path, record in records.items():
        faults += _record_faults(path, record, submission.facts, board)
    faults += _control_faults(records)
    faults += _duplicates(records)
    accepted = ledger.submissions.get(submission.key)
    vouched = vouched or (accepted.vouched if accepted else None)
    named = identity_faults(submission.facts, vouched, accepted=accepted is not None)
    faults += [Fault(place / FACTS, said) for said in named]
    faults += _rerun_faults(place, accepted)
    if accepted is not None:
        faults += changes(accepted, submission, records)
    withdrawn = None if accepted is None else accepted.withdrawn
    return CheckResult(place, submission, records, tuple(faults), withdrawn)


def _facts_faults(submission: Submission) -> Iterator[Fault]:
    facts, path = submission.facts, submission.folder / FACTS
    if facts.training == "unknown":
        yield Fault(path, "training: the training resolution must be declared; found unknown")
    if not submission.records and not facts.claims:
        yield Fault(path, "neither a record nor a claim; there is nothing to show")
    if facts.base is None and facts.base_trained_on:
        yield Fault(path, "base_trained_on names data sets, and base no model")
    seen: set[tuple[str, str, str]] = set()
    for claim in facts.claims:
        key = (claim.task, claim.scheme, claim.resolution)
        if key in seen:
            yield Fault(path, f"claims: {claim.task} at {claim.resolution} is claimed twice")
        seen.add(key)


def _rerun_faults(place: Path, accepted: Acceptance | None) -> Iterator[Fault]:
    yield from rerun_faults(accepted, place)
    try:
        read_rerun(place)
    except RecordError as error:
        yield Fault.of(error, place / RERUN)


def _record_faults(path: Path, record: Record, facts: Facts, board: Path) -> Iterator[Fault]:
    card = task_cards().get(record.dataset.name)
    if card is None or record.task != f"{card.name}_res":
        yield Fault(
            path,
            f"task {record.task!r} on data set {record.dataset.name!r} is none of ours; see "
            "`resolution-eval datasets`",
        )
        return
    for message in (*_checkpoint(record, facts), *_data(record, card), *_run(record)):
        yield Fault(path, message)
    try:
        pin = read_pin(card.name, board)
    except RecordError as error:
        yield Fault(path, str(error))
        return
    if pin is None:
        yield Fault(
            path,
            f"{card.name} has no pinned samples, so nobody can tell whether these are all; add "
            f"leaderboard/samples/{card.name}.json (python -m resolution_eval.board.pins)",
        )
        return
    if record.dataset.fingerprint != pin.fingerprint:
        yield Fault(
            path,
            f"dataset.fingerprint {record.dataset.fingerprint}, but the pin of {card.name} has "
            f"{pin.fingerprint}: other data",
        )
    yield from (Fault(path, message) for message in asked_faults(record, card, pin))
    answers = answers_of(path)
    for number, message in enumerate(sample_faults(record, pin)):
        if number == MOST_FAULTS:
            yield Fault(answers, f"and more than {MOST_FAULTS} faults of its samples")
            return
        yield Fault(answers, message)


def _checkpoint(record: Record, facts: Facts) -> Iterator[str]:
    said = record.checkpoint
    if said.name != facts.pretrained:
        yield f"checkpoint.name {said.name!r}, but the submission is of {facts.pretrained!r}"
    if said.training == "unknown":
        yield "checkpoint.training is unknown; declare the training resolution and run again"
    elif said.training != facts.training:
        yield (
            f"checkpoint.training {said.training}, but {FACTS} declares {facts.training}: the "
            "figures would be against another resolution"
        )
    if said.revision is None:
        yield "checkpoint.revision is unknown; pin it (revision=COMMIT) and run again"
    elif said.revision.replace("sha256:", "sha256-") != facts.revision:
        yield f"checkpoint.revision {said.revision}, but the submission is of {facts.revision}"


def _data(record: Record, card: TaskCard) -> Iterator[str]:
    if record.dataset.revision != card.revision:
        yield f"dataset.revision {record.dataset.revision!r}, but the card pins {card.revision!r}"
    if record.dataset.fingerprint is None:
        yield "dataset.fingerprint is missing; run again with this version"
    chance = record.controls.chance
    if chance is None or abs(chance - card.chance) > 1e-9:
        yield f"controls.chance is {chance}; the chance level of {card.name} is {card.chance}"


def _run(record: Record) -> Iterator[str]:
    if record.task_version != str(VERSION):
        yield (
            f"task_version is {record.task_version!r}, and the board's tasks are of version "
            f"'{VERSION}': they may ask or score otherwise; run again"
        )
    if record.shown is None:
        yield "shown is null: nobody can say whether the model was shown the image; run again"
    if record.environment.limit is not None:
        yield f"environment.limit {record.environment.limit}: a part of the samples; run them all"
    if record.environment.offset is not None:
        yield f"environment.offset {record.environment.offset}: a part of the samples; run them all"
    if record.environment.fewshot != 0:
        yield f"environment.fewshot is {record.environment.fewshot}; the board is without examples"
    if record.environment.option_order != "fixed":
        yield (
            f"environment.option_order is {record.environment.option_order!r}; the board's options "
            "stand in the data's order (fixed)"
        )
    if not record.environment.versions:
        yield "environment.versions is empty; a score needs the versions that made it"


def _control_faults(records: Mapping[Path, Record]) -> Iterator[Fault]:
    """Whether every score has a blind control, and the answers that it was made from."""
    blind = {
        record.environment.results_sha256: record for record in records.values() if record.blind
    }
    for path, record in records.items():
        told = (_control_fault(record, cell, blind) for cell in record.cells)
        message = next(filter(None, told), None) if record.blind is None else None
        if message is not None:
            yield Fault(path, message)


def _control_fault(record: Record, cell: Cell, blind: Mapping[str, Record]) -> str | None:
    name = f"{record.task} {cell.key}"
    controls = [control for control in record.controls.blind if control.key == cell.key]
    if not controls:
        return f"{name}: no blind control; run with blind=true too and make the record again"
    source = blind.get(controls[0].results_sha256)
    if source is None or source.task != record.task:
        return f"{name}: the record of its blind run is not in the submission; add it"
    for other in source.cells:
        if other.key == cell.key:
            stated = (controls[0].n, controls[0].failed, controls[0].correct)
            counted = (other.n, other.failed, other.correct)
            if stated != counted or other.n != cell.n:
                return (
                    f"{name}: blind control (n, failed, correct) {stated} of {cell.n} samples; "
                    f"the blind run's answers give {counted}"
                )
            return None
    return f"{name}: the blind run has no such cell"


def _duplicates(records: Mapping[Path, Record]) -> Iterator[Fault]:
    seen: dict[tuple[str, ...], Path] = {}
    for path, record in records.items():
        for setting in sorted({cell.key.setting for cell in record.cells}):
            key = (record.task, record.blind or "image", *setting)
            first = seen.setdefault(key, path)
            if first != path:
                yield Fault(
                    path,
                    f"{' '.join(key)} is in {first.name} already: one run per curve, none best of "
                    "several",
                )
