"""Folder contents: the files of a folder as they were when they were first looked at.

A score is of the data that its fingerprint names: what a file is read to hold, its digest and its
size are of one moment, or the file is refused.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.ground.files import file_digest

MISSING = "missing"
"""In place of the digest of a file that is not there."""


class FolderContents:
    """Digests of the files in `folder`, and their sizes and times when these were taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests: dict[str, str] = {}
        self._stamps: dict[str, str] = {}

    def digest(self, file: str) -> str:
        """SHA-256 of `file`, in hexadecimal, taken once; `MISSING` of one that is not there.

        Raises:
            DataError: it changed while it was read, or since a part of it was.
        """
        if file not in self._digests:
            path = self._folder / file
            before = self._stamps.setdefault(file, _stamp(path))
            digest = MISSING if before == MISSING else _digest(path)
            if _stamp(path) != before:
                raise DataError(self._changed(file))
            self._digests[file] = digest
        return self._digests[file]

    def refuse_changed(self, file: str, data: bytes | None = None) -> None:
        """Raise where `file` is another than its digest tells: all its `data`, where they are
        given; else, of one too large to be read whole each time, its size and time.

        Raises:
            ImageError: it is.
        """
        if data is None:
            stamp = _stamp(self._folder / file)
            same = self._stamps.setdefault(file, stamp) == stamp
        else:
            digest = sha256(data).hexdigest()
            same = self._digests.get(file, digest) == digest
        if not same:
            raise ImageError(self._changed(file))

    def _changed(self, file: str) -> str:
        return (
            f"image file {file!r} of {self._folder} changed while the run was under way; "
            "run again on data that stays as it is"
        )


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError:  # its samples fail by name when they are asked for
        return f"unreadable {path.name}"  # no copy of another such file


def _stamp(path: Path) -> str:
    """Size in bytes and time of change in nanoseconds, in words; `MISSING` where there is none."""
    if not path.is_file():
        return MISSING
    state = path.stat()
    return f"{state.st_size} {state.st_mtime_ns}"
