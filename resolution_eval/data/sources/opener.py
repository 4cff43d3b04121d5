"""Opener: the first source of a task's card that has its data, and whether it is at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from resolution_eval.data.cards import GENERATED, ArchiveCard, NpzCard, TaskCard
from resolution_eval.data.sources.acquisition import nothing_found
from resolution_eval.data.sources.archive import ArchiveSource
from resolution_eval.data.sources.checksum import check_size, verify_md5
from resolution_eval.data.sources.image_limit import limited
from resolution_eval.data.sources.layout import TABLE, has_layout
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.data.sources.medmnist import MedMnistSource
from resolution_eval.data.sources.roots import cache_root, data_root
from resolution_eval.data.sources.source import Source
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
            _OPENED[key] = _first(card)
        return _OPENED[key]


def _first(card: TaskCard) -> Source:
    if card.refused:
        raise DataError(f"{card.name} is refused: {card.refused}")
    for kind in card.sources:
        source = _OPENERS[kind](card)
        if source is not None:
            return limited(source, card.most_images)
    raise DataError(nothing_found(card))


def at_hand(card: TaskCard) -> Source | None:
    """The data of `card` as far as it is on this machine; nothing is downloaded for it.

    Raises:
        DataError: what is there is damaged or inconsistent.
    """
    for kind in () if card.refused else card.sources:
        if _HERE[kind](card):
            return _OPENERS[kind](card)
    return None


def _local_folder(card: TaskCard) -> Path | None:
    root = data_root()
    if card.path is not None:
        return Path(card.path)
    return root / card.folder if root else None


def _local(card: TaskCard) -> Source | None:
    folder = _local_folder(card)
    return LocalSource(folder, card) if folder and _is_local(folder, card) else None


def _is_local(folder: Path, card: TaskCard) -> bool:
    """Whether `folder` says what its images show; a named one, in any layout that is read."""
    return (folder / TABLE).is_file() or (card.path is not None and has_layout(folder))


def _medmnist(card: TaskCard) -> Source | None:
    file = _file(card, card.npz)
    return MedMnistSource(file, card) if file else None


def _archive(card: TaskCard) -> Source | None:
    file = _file(card, card.archive)
    return ArchiveSource(file, card.archive, card) if file and card.archive else None


def _chexpert(card: TaskCard) -> Source | None:
    from resolution_eval.data.sources.chexpert import ChexpertSource, find_chexpert

    root = data_root()
    folder = find_chexpert(root) if root else None
    return ChexpertSource(folder, card) if folder else None


def _hub(card: TaskCard) -> Source | None:
    from resolution_eval.data.sources.hub import HubSource

    copy = _hub_copy(card)
    if copy is not None:
        return HubSource(card, copy)
    try:
        return HubSource(card)
    except DataError as error:
        raise DataError(nothing_found(card, str(error))) from error


def _hub_copy(card: TaskCard) -> Path | None:
    """The repository's files as the user put them, in the data set's folder."""
    root = data_root()
    if root is None or card.hub is None or not (root / card.folder).is_dir():
        return None
    return root / card.folder if any((root / card.folder).glob(card.hub.files["test"])) else None


def _own_folder(card: TaskCard) -> Path | None:
    """The data set's folder, where the user made it."""
    root = data_root()
    folder = root / card.folder if root else None
    return folder if folder is not None and folder.is_dir() else None


def _has_published(card: TaskCard, name: str) -> bool:
    """Whether the data set's folder holds a published file of this name, or pattern of names."""
    folder = _own_folder(card)
    return folder is not None and any(folder.glob(name))


def _bbbc021(card: TaskCard) -> Source | None:
    from resolution_eval.data.sources.bbbc021 import open_bbbc021

    folder = _own_folder(card)
    return open_bbbc021(folder, card) if folder and _HERE["bbbc021"](card) else None


def _wsivqa(card: TaskCard) -> Source | None:
    from resolution_eval.data.sources.wsivqa import open_wsivqa

    folder = _own_folder(card)
    return open_wsivqa(folder, card) if folder and _HERE["wsivqa"](card) else None


def _hpa(card: TaskCard) -> Source | None:
    from resolution_eval.data.sources.hpa import open_hpa

    folder = _own_folder(card)
    return open_hpa(folder, card) if folder and _HERE["hpa"](card) else None


def _phantom(card: TaskCard) -> Source | None:
    from resolution_eval.data.sources.phantoms import PhantomSource

    return PhantomSource(card)


def _acuity(card: TaskCard) -> Source | None:
    from resolution_eval.data.acuity import AcuityBook
    from resolution_eval.data.sources.plate_source import PlateSource

    return PlateSource("acuity", card, AcuityBook(card.source_width or 128))


def _lesion(card: TaskCard) -> Source | None:
    from resolution_eval.data.lesions import LesionBook
    from resolution_eval.data.sources.plate_source import PlateSource

    return PlateSource("lesion", card, LesionBook(card.source_width or 128))


def _published(card: TaskCard) -> Source | None:
    from resolution_eval.data.sources.published import is_here, open_published

    folder = _own_folder(card)
    return open_published(folder, card) if folder and is_here(folder, card) else None


def _has_set(card: TaskCard) -> bool:
    from resolution_eval.data.sources.published import is_here

    folder = _own_folder(card)
    return folder is not None and is_here(folder, card)


def _shipped(card: TaskCard) -> Source | None:
    """Samples that travel in this package, beside their card."""
    return LocalSource(paths.tasks() / card.name / "data", card)


_OPENERS: dict[str, Callable[[TaskCard], Source | None]] = {
    "local": _local,
    "medmnist": _medmnist,
    "archive": _archive,
    "chexpert": _chexpert,
    "hub": _hub,
    "phantom": _phantom,
    "acuity": _acuity,
    "lesion": _lesion,
    "shipped": _shipped,
    "published": _published,
    "bbbc021": _bbbc021,
    "wsivqa": _wsivqa,
    "hpa": _hpa,
}


def _has_table(card: TaskCard) -> bool:
    folder = _local_folder(card)
    return folder is not None and _is_local(folder, card)


def _has_file(card: TaskCard, published: NpzCard | ArchiveCard | None) -> bool:
    if published is None:
        return False
    name = published.file_name
    return _given(card, name) is not None or (cache_root() / name).is_file()


def _has_chexpert(card: TaskCard) -> bool:
    from resolution_eval.data.sources.chexpert import find_chexpert

    root = data_root()
    return root is not None and find_chexpert(root) is not None


_HERE: dict[str, Callable[[TaskCard], bool]] = {
    "local": _has_table,
    "medmnist": lambda card: _has_file(card, card.npz),
    "archive": lambda card: _has_file(card, card.archive),
    "chexpert": _has_chexpert,
    "hub": lambda card: _hub_copy(card) is not None,
    **dict.fromkeys(GENERATED, lambda card: True),
    "shipped": lambda card: True,
    "published": _has_set,
    "bbbc021": lambda card: _has_published(card, "BBBC021_v1_image.csv"),
    "wsivqa": lambda card: _has_published(card, "WsiVQA_test.json"),
    "hpa": lambda card: _has_published(card, "*.xml*"),
}


def _file(card: TaskCard, published: NpzCard | ArchiveCard | None) -> Path | None:
    """The published file, verified: as the user put it, else downloaded; None where neither."""
    if published is None:
        return None
    file = _given(card, published.file_name)
    if file is None:
        return _downloaded(card, published) if published.md5 and published.download else None
    if published.md5:
        check_size(file, published)
        verify_md5(file, published.md5)
    return file


def _given(card: TaskCard, name: str) -> Path | None:
    """A file that the user put under RESOLUTION_EVAL_DATA, in the data set's folder or above."""
    root = data_root()
    if root is None:
        return None
    places = (root / card.folder / name, root / name)
    return next((place for place in places if place.is_file()), None)


def _downloaded(card: TaskCard, published: NpzCard | ArchiveCard) -> Path:
    """The file in the cache of downloads, got if it is not there; what lies there is verified.

    Raises:
        DataError: it cannot be had, or is another file.
    """
    assert published.md5 is not None
    target = cache_root() / published.file_name
    try:
        if not target.is_file() or published.bytes is not None:
            _get(published, target)
    except DataError as error:
        raise DataError(nothing_found(card, f"the download failed: {error}")) from error
    verify_md5(target, published.md5)
    return target


def _get(published: NpzCard | ArchiveCard, target: Path) -> None:
    """Download the file to `target`, unless one of its size is there.

    Raises:
        DataError: it cannot be had.
    """
    from resolution_eval.data.sources import download

    assert published.md5 is not None
    remote = (
        download.published(published.url, published.md5)
        if published.bytes is None
        else download.Remote(published.url, published.bytes, published.md5)
    )
    download.download(remote, target)
