"""Watched: what a request may change of the leaderboard, held against the branch that it goes to.

A submission adds one folder, MODEL/REVISION, to the records. All else, and every folder that is
there already, is the maintainers': pins, published figures, re-runs, the ledger, the site.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path, PurePosixPath

from resolution_eval.board.ledger import LEDGER
from resolution_eval.board.pins import SAMPLES, Pin
from resolution_eval.board.published_figures import PUBLISHED, printed, read_figures
from resolution_eval.board.submission import RERUN
from resolution_eval.board.submission_files import MAX_ANSWERS, Fault
from resolution_eval.data.cards import task_cards
from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.files import file_digest
from resolution_eval.records.bounded import read_as

CARDS, CURVES, RECORDS, SITE = "cards", "curves", "records", "site"
HOME = (LEDGER, CARDS, CURVES, PUBLISHED, RECORDS, SAMPLES, SITE)
"""All that a leaderboard's folder may hold."""
MAX_FILES = 500_000
"""Most files and folders of a board."""


def changes_to(base: Path, folder: Path) -> Iterator[Fault]:
    """Everything in the leaderboard's `folder` that differs from `base` and is no new submission.

    Raises:
        RecordError: one of them holds more than `MAX_FILES` entries.
    """
    before, now = _listing(base), _listing(folder)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) == now.get(name):
            continue
        if name not in before and _is_submitted(name, before.keys()):
            continue
        verb = "is gone from" if name not in now else "is not in"
        verb = "differs from" if name in now and name in before else verb
        yield Fault(
            folder / name,
            f"{verb} the branch that this goes to; a submission adds a folder of its own to "
            "records/ and changes nothing else",
        )


def _is_submitted(name: str, before: Set[str]) -> bool:
    """Whether a new path belongs to a new submission; a re-run in it is the maintainers'."""
    parts = PurePosixPath(name).parts
    return (
        parts[0] == RECORDS
        and not any(part.startswith(".") for part in parts)
        and len(parts) <= 4
        and "/".join(parts[:3]) not in before
        and parts[-1] != RERUN
    )


def _listing(folder: Path) -> dict[str, str]:
    """Every file below `folder` and what it is; nothing is followed."""
    kinds: dict[str, str] = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place) / name
            kinds[path.relative_to(folder).as_posix()] = _kind(path)
            if len(kinds) > MAX_FILES:
                raise RecordError(f"{folder}: more than {MAX_FILES} files")
    return kinds


def _kind(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if path.is_dir():
        return "folder"
    if not path.is_file():
        return "no regular file"
    size = path.stat().st_size
    # read no further than any file of a board may be long: this one is refused for its size
    return file_digest(path) if size <= MAX_ANSWERS else f"{size} bytes in {path}"


def home_faults(folder: Path) -> Iterator[Fault]:
    """What a leaderboard's folder holds beside submissions and should not, or cannot be read."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            yield Fault(path, "a link; put the file itself there")
        elif path.name not in HOME:
            yield Fault(path, f"not of a leaderboard, which holds {', '.join(HOME)}; take it out")
    for name, check in CHECKS.items():
        for path in _files(folder / name):
            yield from _faults_of(path, check)
    for name in (CARDS, SITE):
        for path in (folder / name).rglob("*"):
            if path.is_symlink():
                yield Fault(path, "a link; put the file itself there")


def _read_curves(path: Path) -> None:
    """Refuse published curves that break their schema, or are not where the site reads them."""
    if path.name != "published.json":
        raise RecordError(f"{path}: the published curves are in published.json alone")
    list(printed(path.parent))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []


def _check_pin(path: Path) -> None:
    """Refuse a pin that breaks its schema, or is not the one of its name's card."""
    pin = read_as(Pin, path)
    if pin.dataset != path.stem or pin.dataset not in task_cards():
        raise RecordError(f"{path}: pins {pin.dataset!r}, which is no card of this name")
    if len(pin.by_id) < len(pin.samples):
        raise RecordError(f"{path}: pins a sample twice")


CHECKS: Mapping[str, Callable[[Path], object]] = {
    SAMPLES: _check_pin,
    PUBLISHED: read_figures,
    CURVES: _read_curves,
}
"""What reads the files of a folder, each a JSON file of its own."""


def _faults_of(path: Path, check: Callable[[Path], object]) -> Iterator[Fault]:
    """The fault of one JSON file that `check` reads."""
    if path.is_symlink() or not path.is_file() or path.suffix != ".json":
        yield Fault(path, "not a JSON file of its own; take it out")
        return
    try:
        check(path)
    except RecordError as error:
        yield Fault.of(error, path)
