"""Sources: where a data set's samples and images come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from resolution_eval.cards import TaskCard
from resolution_eval.errors import DataError
from resolution_eval.sources.archive import ArchiveSource
from resolution_eval.sources.base import Exclusion, Sample, Source
from resolution_eval.sources.local import TABLE, LocalSource
from resolution_eval.sources.medmnist import MedMnistSource
from resolution_eval.sources.places import DATA_VARIABLE, cache_root, data_root

__all__ = ["Exclusion", "Sample", "Source", "open_source"]

_OPENED: dict[tuple[TaskCard, Path | None, Path], Source] = {}
_LOCK = Lock()


def open_source(card: TaskCard) -> Source:
    """The data of `card`, from the first of its sources that has it; kept for the whole process.

    Raises:
        DataError: no source has it (the message names the ways to get it), or the one that
            has it is damaged or inconsistent.
    """
    key = (card, data_root(), cache_root())
    with _LOCK:
        if key not in _OPENED:
            _OPENED[key] = _first(card)
        return _OPENED[key]


def _first(card: TaskCard) -> Source:
    for kind in card.sources:
        source = _OPENERS[kind](card)
        if source is not None:
            return source
    raise DataError(_ways(card))


def _local(card: TaskCard) -> Source | None:
    root = data_root()
    folder = root / card.folder if root else None
    found = folder is not None and (folder / TABLE).is_file()
    return LocalSource(folder, card) if folder and found else None


def _medmnist(card: TaskCard) -> Source | None:
    file = _given(card, card.npz)
    return MedMnistSource(file, card) if file else None


def _archive(card: TaskCard) -> Source | None:
    if card.archive is None:
        return None
    file = _given(card, card.archive.file_name) or _downloaded(card)
    return ArchiveSource(file, card.archive, card)


def _phantom(card: TaskCard) -> Source | None:
    from resolution_eval.phantoms import PhantomSource

    return PhantomSource(card)


_OPENERS: dict[str, Callable[[TaskCard], Source | None]] = {
    "local": _local,
    "medmnist": _medmnist,
    "archive": _archive,
    "phantom": _phantom,
}


def _given(card: TaskCard, name: str | None) -> Path | None:
    """A file that the user put under RESOLUTION_EVAL_DATA, in the data set's folder or above."""
    root = data_root()
    if root is None or name is None:
        return None
    places = (root / card.folder / name, root / name)
    return next((place for place in places if place.is_file()), None)


def _downloaded(card: TaskCard) -> Path:
    from resolution_eval.sources.download import Remote, download

    assert card.archive is not None
    archive = card.archive
    try:
        return download(
            Remote(archive.url, archive.bytes, archive.md5), cache_root() / archive.file_name
        )
    except DataError as error:
        raise DataError(_ways(card, f"the download failed: {error}")) from error


def _ways(card: TaskCard, reason: str | None = None) -> str:
    """The error where there is no data: what was looked for, and each way to get it."""
    root = data_root()
    where = f"none under {root}" if root else f"{DATA_VARIABLE} is not set"
    ways = []
    if "local" in card.sources:
        ways.append(f"a folder ${DATA_VARIABLE}/{card.folder} with {TABLE} and images/")
    if "medmnist" in card.sources:
        ways.append(f"the MedMNIST+ file ${DATA_VARIABLE}/{card.npz}")
    if card.archive:
        ways.append(
            f"the download of {card.archive.url} ({card.archive.bytes:,} bytes), by itself where "
            f"there is a connection, or by hand to ${DATA_VARIABLE}/{card.archive.file_name}"
        )
    listed = "".join(f"\n  {number}. {way}" for number, way in enumerate(ways, start=1))
    return (
        f"no data for {card.name}: {where}{f'; {reason}' if reason else ''}. "
        f"Any one of these gives it:{listed}"
    )
