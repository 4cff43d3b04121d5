"""The ledger: what the board has accepted, so that nothing is changed or withdrawn in silence.

`leaderboard/accepted.json` holds the digest of every accepted file and the names of the cells. What
differs from its digest, or is no longer there, is refused; what must go is withdrawn here, by hand
and with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from resolution_eval.board.submission import FACTS, RERUN, Name, Sentence, Submission
from resolution_eval.board.submission_files import Fault
from resolution_eval.ground.files import file_digest, replace
from resolution_eval.records import Record
from resolution_eval.records.bounded import Document, read_as
from resolution_eval.records.schema import Sha256
from resolution_eval.records.store import answers_of

LEDGER = "accepted.json"


class AcceptedRecord(Document):
    """One record as it was accepted."""

    sha256: Sha256
    answers_sha256: Sha256
    task: Name
    shown: Name
    """`image`; or what stood in its place, of a blind control."""
    cells: Annotated[tuple[Name, ...], Field(strict=False)]
    """`scheme filter mode resolution` of each."""


class Acceptance(Document):
    """One submission as it was accepted."""

    facts_sha256: Sha256
    records: Mapping[str, AcceptedRecord]
    """By file name."""
    rerun_sha256: Sha256 | None = None
    """Of the maintainers' repetition, which `leaderboard rerun` alone enters; null without one."""
    vouched: Sentence | None = None
    """Why the maintainers vouch that what ran is the model that it is called, where its name and
    what `pretrained=` was given differ; null where nobody needs to."""
    by: Name
    date: Name
    withdrawn: Sentence | None = None
    """Why it is no longer shown; null where it is."""


class BoardLedger(Document):
    """Everything that was accepted, by MODEL/REVISION."""

    submissions: Mapping[str, Acceptance]


def read_ledger(path: Path) -> BoardLedger:
    """The ledger in `path`; an empty one where there is no such file.

    Raises:
        RecordError: it breaks its schema.
    """
    if not path.exists():
        return BoardLedger(submissions={})
    return read_as(BoardLedger, path)


def write_ledger(ledger: BoardLedger, path: Path) -> None:
    """Write `ledger`, submissions and records by name."""
    ordered = {
        key: each.model_copy(update={"records": dict(sorted(each.records.items()))})
        for key, each in sorted(ledger.submissions.items())
    }
    text = BoardLedger(submissions=ordered).model_dump_json(indent=1)
    replace(path, text.encode() + b"\n")


def accept(
    submission: Submission,
    records: Mapping[Path, Record],
    *,
    by: str,
    date: str,
    vouched: str | None = None,
    repeated: bool = False,
) -> Acceptance:
    """The entry of `submission` as it lies there; its re-run counts where just `repeated` by us."""
    rerun = submission.folder / RERUN
    return Acceptance(
        facts_sha256=file_digest(submission.folder / FACTS),
        records={
            path.name: AcceptedRecord(
                sha256=file_digest(path),
                answers_sha256=file_digest(answers_of(path)),
                task=record.task,
                shown=record.shown or "unknown",
                cells=tuple(str(cell.key) for cell in record.cells),
            )
            for path, record in records.items()
        },
        rerun_sha256=file_digest(rerun) if repeated else None,
        vouched=vouched,
        by=by,
        date=date,
    )


def changes(
    accepted: Acceptance, submission: Submission, records: Mapping[Path, Record]
) -> Iterator[Fault]:
    """All that is not as it was accepted."""
    folder = submission.folder
    here = {path.name: record for path, record in records.items()}
    cells = {(r.task, r.shown, str(cell.key)) for r in here.values() for cell in r.cells}
    for name, old in accepted.records.items():
        path = folder / name
        if (old.task, old.shown) not in {(task, shown) for task, shown, _ in cells}:
            yield Fault(path, f"task {old.task} was accepted and is withdrawn; put its record back")
            continue
        gone = [cell for cell in old.cells if (old.task, old.shown, cell) not in cells]
        if gone:
            yield Fault(path, f"{old.task}: the cell `{gone[0]}` was accepted and is withdrawn")
        if name not in here:
            yield Fault(path, "was accepted and is no longer there; put it back")
        elif file_digest(path) != old.sha256:
            yield Fault(path, "was changed after it was accepted; submit a new revision instead")
        elif file_digest(answers_of(path)) != old.answers_sha256:
            yield Fault(path, "its answers were changed after they were accepted")
    facts = folder / FACTS
    if file_digest(facts) != accepted.facts_sha256:
        yield Fault(facts, "was changed after it was accepted; the maintainers accept it anew")


def rerun_faults(accepted: Acceptance | None, folder: Path) -> Iterator[Fault]:
    """What is wrong with a submission's re-run: it is the one that the ledger names, or none."""
    named = None if accepted is None else accepted.rerun_sha256
    path = folder / RERUN
    if path.is_file() and file_digest(path) != named:
        yield Fault(
            path,
            "is not a re-run that the ledger names; only the maintainers' `leaderboard rerun` "
            "enters one: take it out",
        )
    if named is not None and not path.is_file():
        yield Fault(path, "is named by the ledger and is no longer there; put it back")


def lost(ledger: BoardLedger, present: set[str], records: Path) -> Iterator[Fault]:
    """Every submission that was accepted, and is gone from the folder `records`."""
    gone = "was accepted and its folder is gone; put it back, or say in the ledger why"
    for key, accepted in ledger.submissions.items():
        if key not in present and accepted.withdrawn is None:
            yield Fault(records / key, gone)
