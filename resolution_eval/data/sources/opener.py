"""Opener: the first source of a task's card that has its data, and whether it is at hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock

from resolution_eval.data.cards import ArchiveCard, NpzCard, TaskCard
from resolution_eval.data.lesions import LesionBook
from resolution_eval.data.sources.acquisition import nothing_found
from resolution_eval.data.sources.archive import ArchiveSource
from resolution_eval.data.sources.bbbc021 import IMAGES, Bbbc021Source
from resolution_eval.data.sources.checksum import check_size, verify_md5
from resolution_eval.data.sources.chexpert import ChexpertSource, find_chexpert
from resolution_eval.data.sources.hpa import HpaSource
from resolution_eval.data.sources.hub import HubSource
from resolution_eval.data.sources.image_limit import limited
from resolution_eval.data.sources.layout import TABLE, has_layout
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.data.sources.medmnist import MedMnistSource
from resolution_eval.data.sources.phantoms import PhantomSource
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.data.sources.published import SETS, BenchmarkFolder
from resolution_eval.data.sources.roots import cache_root, data_root
from resolution_eval.data.sources.source import Source
from resolution_eval.data.sources.wsivqa import WsiVqaSource
from resolution_eval.ground import paths
from resolution_eval.ground.errors import DataError

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
            if card.refused:
                raise DataError(f"{card.name} is refused: {card.refused}")
            source = _first(card, fetch=True)
            if source is None:
                raise DataError(nothing_found(card))
            _OPENED[key] = limited(source, card.most_images)
        return _OPENED[key]


def at_hand(card: TaskCard) -> Source | None:
    """The data of `card` as far as it is on this machine; nothing is downloaded for it.

    Raises:
        DataError: what is there is damaged or inconsistent.
    """
    return None if card.refused else _first(card, fetch=False)


def _first(card: TaskCard, *, fetch: bool) -> Source | None:
    """The first of the card's sources that has its data; where it may `fetch`, from afar too."""
    opened = (_OPENERS[kind](card, fetch) for kind in card.sources)
    return next((source for source in opened if source is not None), None)


def _local(card: TaskCard, fetch: bool) -> Source | None:
    """A folder with a table; one that the user named, in any layout that is read."""
    folder = Path(card.path) if card.path is not None else _folder(card)
    if folder is None:
        return None
    there = (folder / TABLE).is_file() or (card.path is not None and has_layout(folder))
    return LocalSource(folder, card) if there else None


def _folder(card: TaskCard) -> Path | None:
    """The data set's folder, where the user made it."""
    root = data_root()
    folder = root / card.folder if root else None
    return folder if folder is not None and folder.is_dir() else None


def _in_folder(card: TaskCard, pattern: str) -> Path | None:
    """The data set's folder, where it holds a published file of this name, or pattern of names."""
    folder = _folder(card)
    return folder if folder is not None and any(folder.glob(pattern)) else None


def _medmnist(card: TaskCard, fetch: bool) -> Source | None:
    file = _file(card, card.npz, fetch)
    return MedMnistSource(file, card) if file else None


def _archive(card: TaskCard, fetch: bool) -> Source | None:
    file = _file(card, card.archive, fetch)
    return ArchiveSource(file, card.archive, card) if file and card.archive else None


def _chexpert(card: TaskCard, fetch: bool) -> Source | None:
    root = data_root()
    folder = find_chexpert(root) if root else None
    return ChexpertSource(folder, card) if folder else None


def _hub(card: TaskCard, fetch: bool) -> Source | None:
    """The repository's files as the user put them, in the data set's folder, else from the hub."""
    copy = _in_folder(card, card.hub.files["test"]) if card.hub else None
    if copy is not None:
        return HubSource(card, copy)
    try:
        return HubSource(card) if fetch else None
    except DataError as error:
        raise DataError(nothing_found(card, str(error))) from error


def _acuity(card: TaskCard, fetch: bool) -> Source | None:
    from resolution_eval.data.acuity import AcuityBook

    return PlateSource("acuity", card, AcuityBook(card.source_width or 128))


def _of_form(
    make: Callable[[Path, TaskCard], Source], pattern: str, card: TaskCard, fetch: bool
) -> Source | None:
    folder = _in_folder(card, pattern)
    return make(folder, card) if folder else None


_OPENERS: dict[str, Callable[[TaskCard, bool], Source | None]] = {
    "local": _local,
    "medmnist": _medmnist,
    "archive": _archive,
    "chexpert": _chexpert,
    "hub": _hub,
    "phantom": lambda card, fetch: PhantomSource(card),
    "acuity": _acuity,
    "lesion": lambda card, fetch: PlateSource("lesion", card, LesionBook(card.source_width or 128)),
    "shipped": lambda card, fetch: LocalSource(paths.tasks() / card.name / "data", card),
    "published": lambda card, fetch: _of_form(BenchmarkFolder, SETS[card.name].mark, card, fetch),
    "bbbc021": partial(_of_form, Bbbc021Source, IMAGES),
    "wsivqa": partial(_of_form, WsiVqaSource, "WsiVQA_test.json"),
    "hpa": partial(_of_form, HpaSource, "*.xml*"),
}
"""Kind of source to what opens it, if it has the data of a card; only where it may, from afar."""


def _file(card: TaskCard, published: NpzCard | ArchiveCard | None, fetch: bool) -> Path | None:
    """The published file, verified: as the user put it, else downloaded; None where neither."""
    if published is None:
        return None
    root, name = data_root(), published.file_name
    places = (root / card.folder / name, root / name) if root else ()
    file = next((place for place in places if place.is_file()), None)
    if file is not None:
        if published.md5:
            check_size(file, published)
            verify_md5(file, published.md5)
        return file
    kept = cache_root() / name
    there = kept.is_file() and published.bytes in (None, kept.stat().st_size)
    known = published.md5 and published.download
    return _downloaded(card, published, kept) if known and (there or fetch) else None


def _downloaded(card: TaskCard, published: NpzCard | ArchiveCard, target: Path) -> Path:
    """The file `target` in the cache, downloaded unless it is there in its size; it is verified.

    Raises:
        DataError: it cannot be had, or is another file.
    """
    from resolution_eval.data.sources import download

    assert published.md5 is not None
    url, size, md5 = published.url, published.bytes, published.md5
    try:
        if size is not None:
            download.download(download.Remote(url, size, md5), target)
        elif not target.is_file():
            download.download(download.published(url, md5), target)
    except DataError as error:
        raise DataError(nothing_found(card, f"the download failed: {error}")) from error
    verify_md5(target, md5)
    return target
