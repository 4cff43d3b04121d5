"""Archives: a published zip file with one folder of images per class, read in place."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from threading import Lock

from resolution_eval.cards import ArchiveCard, TaskCard
from resolution_eval.errors import DataError, ImageError
from resolution_eval.sources.base import (
    Exclusion,
    Sample,
    fingerprint,
    listing,
    of_split,
    ordered,
)

IMAGE_ENDINGS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
LARGEST_MEMBER = 256 * 1024**2
"""Bytes that one image may have when unpacked; more is taken for an attack on memory."""


class ArchiveSource:
    """The test split in the zip `file`, whose class folders `archive` names. Nothing is unpacked.

    A sample's id is its class folder and file name. Members that are no image of a class (a readme,
    what an operating system left behind) are listed in `excluded`.

    Raises:
        DataError: the file is not the published one (size), not a whole zip, or has a member whose
            name leads out of the archive, that is encrypted, or that unpacks beyond 256 MiB.
    """

    name = "archive"

    def __init__(self, file: Path, archive: ArchiveCard, card: TaskCard) -> None:
        self._file = file
        self._archive = archive
        self._card = card
        self._lock = Lock()
        self._open: tuple[int, zipfile.ZipFile] | None = None
        _check_size(file, archive)
        try:
            with zipfile.ZipFile(file) as contents:
                members = [info for info in contents.infolist() if not info.is_dir()]
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{file} is not a whole zip file ({error}); delete it") from error
        _refuse_unsafe(file, members)
        images = [info for info in members if self._class(info.filename)]
        self.excluded = tuple(
            Exclusion(info.filename, "not an image in a class folder")
            for info in members
            if not self._class(info.filename)
        )
        self._checksums = {info.filename: f"{info.CRC:08x}:{info.file_size}" for info in images}
        self._samples = ordered(self._make_samples())
        self._refuse_duplicates()

    def _class(self, member: str) -> str | None:
        path = PurePosixPath(member)
        if path.suffix.lower() not in IMAGE_ENDINGS or path.name.startswith("."):
            return None
        return None if "__MACOSX" in path.parts else self._archive.folders.get(path.parent.name)

    def _make_samples(self) -> Iterator[Sample]:
        for member in self._checksums:
            identity = "/".join(PurePosixPath(member).parts[-2:])
            yield Sample(
                id=identity,
                image=member,
                question=self._card.question or "",
                answer=self._class(member) or "",
                choices=self._card.classes,
                cluster=identity,
                split="test",
            )

    def _refuse_duplicates(self) -> None:
        seen: set[str] = set()
        for sample in self._samples:
            if sample.id in seen:
                raise DataError(f"{self._file}: two images are called {sample.id!r}")
            seen.add(sample.id)

    @property
    def revision(self) -> str:
        """Published MD5 of the file; it was verified when the file was downloaded."""
        return f"{self._file.name} md5:{self._archive.md5}"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, labels and the checksum and size that the zip holds of each image."""
        return fingerprint(self._samples, self._checksums)

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of the test split, ordered by the SHA-256 of their id.

        Raises:
            DataError: another split is asked for, or the archive has no image of a class.
        """
        return of_split(self._samples, split, str(self._file))

    def read(self, locator: str) -> bytes:
        """The image file that is the member `locator`.

        Raises:
            ImageError: the member is damaged, or missing.
        """
        try:
            return self._zip().read(locator)
        except (OSError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise ImageError(
                f"member {locator!r} of {self._file} cannot be read: {error}"
            ) from error

    def _zip(self) -> zipfile.ZipFile:
        """The open zip of this process: a forked child must not share its parent's position."""
        with self._lock:
            if self._open is None or self._open[0] != os.getpid():
                self._open = (os.getpid(), zipfile.ZipFile(self._file))
            return self._open[1]


def _check_size(file: Path, archive: ArchiveCard) -> None:
    found = file.stat().st_size
    if found != archive.bytes:
        raise DataError(
            f"{file} has {found:,} bytes, but the published file has {archive.bytes:,}; "
            f"delete it, or replace it with {archive.url}"
        )


def _refuse_unsafe(file: Path, members: list[zipfile.ZipInfo]) -> None:
    found = [f"{info.filename!r} {reason}" for info in members if (reason := _danger(info))]
    if found:
        raise DataError(f"{file} is refused: {listing(found)}")


def _danger(info: zipfile.ZipInfo) -> str | None:
    path = PurePosixPath(info.filename)
    if path.is_absolute() or ".." in path.parts or set("\\:") & set(info.orig_filename):
        return "leads out of the archive"
    if info.flag_bits & 0x1:
        return "is encrypted"
    return "is too large" if info.file_size > LARGEST_MEMBER else None
