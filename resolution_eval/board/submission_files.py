"""Files of a submission: which may be there, how large, and a record's document before its schema.

Nothing is followed (no link), unpacked or executed; names are compared, never joined from a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from resolution_eval.board.submission import FACTS, MAX_ENTRIES, MODEL, RERUN, REVISION
from resolution_eval.ground.errors import RecordError, visible
from resolution_eval.ground.likeness import hostile
from resolution_eval.ground.lines import line_at
from resolution_eval.records import Record, read_record
from resolution_eval.records.bounded import read_document
from resolution_eval.records.store import ANSWERS_SUFFIX, SUFFIX

MAX_DOCUMENT = 8 * 2**20
"""Largest JSON file of a submission, in bytes."""
MAX_ANSWERS = 64 * 2**20
"""Largest file of answers of a submission, in bytes."""
MAX_MESSAGE = 2_000
"""Longest message, in characters: it may quote what it refuses."""
MAX_TEXT = 4_000
"""Longest text in a record, in characters."""
LARGEST = 1e15
"""Largest number in a record: bytes and parameters stay below."""

_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$")
_FOLDER = re.compile(rf"^{MODEL}(?:__{MODEL})?$")


@dataclass(frozen=True)
class Fault:
    """One thing that keeps a submission from the board, and where it stands."""

    path: Path
    message: str
    line: int | None = None

    @classmethod
    def of(cls, error: RecordError, path: Path, line: int | None = None) -> Fault:
        """The fault that an error tells, whose message begins with the path."""
        return cls(path, str(error).removeprefix(f"{path}").lstrip(":, "), line)

    def __str__(self) -> str:
        """On one line: a name may hold the end of a line, and what reads CI's log takes a line that
        begins with `::` for a command.
        """
        line = "" if self.line is None else f", line {self.line}"
        said = f"{self.path}{line}: {self.message}"[:MAX_MESSAGE]
        return visible(said).replace("\n", "\\n")


class RefusedError(RecordError):
    """A file of a submission cannot be read as what it should be."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(str(fault))


def file_faults(folder: Path) -> Iterator[Fault]:
    """What is wrong with the entries of the submission's folder."""
    if folder.is_symlink() or not folder.is_dir():
        yield Fault(folder, "not a folder of its own; a submission is the folder MODEL/REVISION")
        return
    if not _FOLDER.match(folder.parent.name) or not re.match(REVISION, folder.name):
        yield Fault(
            folder,
            "a submission lies in MODEL/REVISION: the model's id with __ for /, and a full commit "
            "hash or sha256-DIGEST; a branch or tag would move",
        )
    seen: dict[str, str] = {}
    paths = sorted(folder.iterdir())
    if len(paths) > MAX_ENTRIES:
        yield Fault(folder, f"{len(paths)} files; at most {MAX_ENTRIES}")
    for path in paths[:MAX_ENTRIES]:
        yield from _entry_faults(path)
        other = seen.setdefault(path.name.casefold(), path.name)
        if other != path.name:
            yield Fault(path, f"differs from {other} in the case of its letters only")
    names = {path.name for path in paths}
    for name in sorted(names):
        if name.endswith(ANSWERS_SUFFIX):
            document = name.removesuffix(ANSWERS_SUFFIX) + SUFFIX
            if document not in names:
                yield Fault(folder / name, f"answers without their record {document}")
    if FACTS not in names:
        yield Fault(folder, f"{FACTS} is missing; `resolution-eval leaderboard add` writes it")


def _entry_faults(path: Path) -> Iterator[Fault]:
    if path.is_symlink():
        yield Fault(path, "a link; put the file itself there")
    elif path.is_dir():
        yield Fault(path, "a folder; a submission holds only files")
    elif not path.is_file():
        yield Fault(path, "not a regular file")
    elif not _NAME.match(path.name) or not _known(path.name):
        yield Fault(
            path, f"not a file of a submission; those are {FACTS}, *{SUFFIX}, *{ANSWERS_SUFFIX}"
        )
    else:
        largest = MAX_ANSWERS if path.name.endswith(ANSWERS_SUFFIX) else MAX_DOCUMENT
        if path.stat().st_size > largest:
            yield Fault(path, f"{path.stat().st_size} bytes; at most {largest}")


def _known(name: str) -> bool:
    return name in (FACTS, RERUN) or name.endswith((SUFFIX, ANSWERS_SUFFIX))


def load_record(path: Path, most: int | None = None) -> Record:
    """The record `path` with its answers, read as hostile input; `most` bounds its answers.

    Raises:
        RefusedError: it breaks its schema, its bounds or its answers; line and key are named.
    """
    try:
        document = read_document(path)
        text = path.read_text(encoding="utf-8")
        _check_values(document, path, text)
        return read_record(path, most=most)
    except RefusedError:
        raise
    except RecordError as error:
        raise RefusedError(_located(error, path)) from error


def _located(error: RecordError, path: Path) -> Fault:
    """`error` with the line of the key that broke the schema, where one did."""
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return Fault.of(error, path)
    text = path.read_text(encoding="utf-8", errors="replace")
    return Fault.of(error, path, line_at(text, cause.errors()[0]["loc"]))


def _check_values(document: dict[str, Any], path: Path, text: str) -> None:
    for place, value in _leaves(document, ()):
        name = ".".join(map(str, place))
        if isinstance(value, str) and (bad := hostile(value, MAX_TEXT)):
            raise RefusedError(Fault(path, f"{name}: {bad}", line_at(text, place)))
        if isinstance(value, int | float) and abs(value) > LARGEST:
            fault = Fault(path, f"{name}: a number above {LARGEST:.0e}", line_at(text, place))
            raise RefusedError(fault)


def _leaves(
    value: Any, place: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value that is no list or object, and every key; the depth is bounded by the reader."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*place, key), key
            yield from _leaves(item, (*place, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, (*place, number))
    else:
        yield place, value
