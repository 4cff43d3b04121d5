"""Containers: zip and tar files read in place, so that no name in them can lead anywhere."""

from __future__ import annotations

import gzip
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Protocol

from filelock import FileLock

from resolution_eval.data.sources.roots import cache_root
from resolution_eval.data.sources.source import listing
from resolution_eval.ground.errors import DataError

LARGEST_MEMBER = 256 * 1024**2
"""Bytes that one member may have when unpacked; more is taken for an attack on memory."""

MOST_UNPACKED = 20
"""How many times its size a compressed tar or npz may unpack to: images hardly shrink."""
SPARE = 64 * 1024**2
"""Bytes that any may unpack to beside that: small archives are mostly padding."""
_BROKEN = (OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
_UNREADABLE = (
    *(OSError, EOFError, RuntimeError, ValueError, struct.error),
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class Member:
    """A file in a container."""

    name: str
    checksum: str
    """What the container holds of its content: a CRC and the size, or the size alone."""


class Container(Protocol):
    """A file that holds files."""

    members: tuple[Member, ...]

    def read(self, name: str) -> bytes:
        """Content of the member `name`.

        Raises:
            OSError: it is missing or damaged.
        """


def open_container(file: Path) -> Container:
    """The zip or tar `file`; a compressed tar is decompressed once, beside the downloads.

    Raises:
        DataError: it is neither, is cut short, or has a member whose name leads out of it, that is
            a link or a device, that is encrypted, or that unpacks beyond 256 MiB.
    """
    try:
        if zipfile.is_zipfile(file):
            return _Zip(file)
        if tarfile.is_tarfile(file):
            return _Tar(file)
    except _UNREADABLE as error:
        raise DataError(f"{file} is not a whole archive ({error}); delete it") from error
    kind = "zip" if file.suffix.lower() == ".zip" else "zip or tar"
    raise DataError(f"{file} is not a whole {kind} file; delete it")


class _Zip:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._open: tuple[int, zipfile.ZipFile] | None = None
        with zipfile.ZipFile(file) as contents:
            entries = [info for info in contents.infolist() if not info.filename.endswith("/")]
        _refuse(file, ((info.orig_filename, _zip_danger(info)) for info in entries))
        self.members = tuple(
            Member(info.filename, f"{info.CRC:08x}:{info.file_size}") for info in entries
        )

    def read(self, name: str) -> bytes:
        try:
            return self._zip().read(name)
        except _BROKEN as error:
            raise OSError(str(error)) from error

    def _zip(self) -> zipfile.ZipFile:
        """The open zip of this process: a forked child must not share its parent's position."""
        with self._lock:
            if self._open is None or self._open[0] != os.getpid():
                self._open = (os.getpid(), zipfile.ZipFile(self._file))
            return self._open[1]


class _Tar:
    """Members are read at their offsets, so that order and threads do not matter."""

    def __init__(self, file: Path) -> None:
        self._file = _decompressed(file)
        with tarfile.open(self._file, "r:") as contents:
            entries = [info for info in contents if not info.isdir()]
        _refuse(file, ((info.name, _tar_danger(info)) for info in entries))
        self._places = {info.name: (info.offset_data, info.size) for info in entries}
        self.members = tuple(Member(name, str(size)) for name, (_, size) in self._places.items())

    def read(self, name: str) -> bytes:
        if name not in self._places:
            raise OSError(f"there is no member {name!r}")
        offset, size = self._places[name]
        with self._file.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(size)
        if len(data) < size:
            raise OSError(f"member {name!r} is cut short")
        return data


def _decompressed(file: Path) -> Path:
    """`file`, or the plain tar in it, kept in the cache under the identity of the file.

    What lies in the cache is believed where its length and CRC are those that the gzip ends with.
    """
    with file.open("rb") as stream:
        if stream.read(2) != b"\x1f\x8b":
            return file
    state = file.stat()
    identity = sha256(f"{file.resolve()}:{state.st_size}:{state.st_mtime_ns}".encode()).hexdigest()
    target = cache_root() / "tar" / f"{identity[:32]}.tar"
    if target.exists() and _ending(target) == _told_ending(file):
        return target  # perhaps another user's, who alone may write there
    try:
        _keep_unpacked(file, target)
    except OSError as error:
        if error.errno is None:  # the gzip itself is damaged
            raise
        raise DataError(
            f"{target} cannot be written ({error}); name another folder in RESOLUTION_EVAL_CACHE"
        ) from error
    return target


def _keep_unpacked(file: Path, target: Path) -> None:
    """Unpack the gzip `file` to `target`, one process at a time.

    Raises:
        DataError: it unpacks to too much.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not (target.exists() and _ending(target) == _told_ending(file)):
            part = target.with_suffix(".part")
            try:
                _unpack(file, part, MOST_UNPACKED * file.stat().st_size + SPARE)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)


def _ending(plain: Path) -> bytes:
    """CRC and length of a file, as a gzip of it ends with them."""
    crc, size = 0, 0
    with plain.open("rb") as stream:
        while block := stream.read(1 << 20):
            crc, size = zlib.crc32(block, crc), size + len(block)
    return struct.pack("<II", crc, size & 0xFFFFFFFF)


def _told_ending(file: Path) -> bytes:
    """The last eight bytes of a gzip: CRC and length of what it holds (of its last part alone)."""
    with file.open("rb") as stream:
        stream.seek(-8, os.SEEK_END)
        return stream.read(8)


def _unpack(file: Path, part: Path, most: int) -> None:
    """Write what the gzip `file` holds to `part`, `most` bytes of it.

    Raises:
        DataError: it holds more.
    """
    with gzip.open(file) as packed, part.open("wb") as plain:
        while block := packed.read(1 << 20):
            if plain.tell() + len(block) > most:
                raise DataError(
                    f"{file} is refused: it unpacks to more than {most} bytes, {MOST_UNPACKED} "
                    "times its size; archives of images hardly shrink"
                )
            plain.write(block)


def _refuse(file: Path, judged: Iterable[tuple[str, str | None]]) -> None:
    dangers = [f"{name!r} {danger}" for name, danger in judged if danger]
    if dangers:
        raise DataError(f"{file} is refused: {listing(dangers)}")


def _zip_danger(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & 0x1:
        return "is encrypted"
    return _danger(info.orig_filename, info.file_size)


def _tar_danger(info: tarfile.TarInfo) -> str | None:
    if not info.isreg():
        return "is a link or a device"
    return _danger(info.name, info.size)


def _danger(name: str, size: int) -> str | None:
    path = PurePosixPath(name)
    if not name:
        return "has no name"
    if path.is_absolute() or ".." in path.parts or set("\\:\0") & set(name):
        return "leads out of the archive"
    return "is too large" if size > LARGEST_MEMBER else None
