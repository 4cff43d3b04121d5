"""Checksum: whether a file is the published one, by what it holds now and not by what was noted."""

from __future__ import annotations

from functools import partial
from hashlib import file_digest, md5
from pathlib import Path

from resolution_eval.data.cards import ArchiveCard, NpzCard
from resolution_eval.ground.errors import DataError

_READ: dict[tuple[int, ...], str] = {}
"""MD5 of the files that this process has read, by their state."""


def check_size(file: Path, published: NpzCard | ArchiveCard) -> None:
    """Check that `file` has the published size, where there is one; its checksum takes longer.

    Raises:
        DataError: it has another.
    """
    size = file.stat().st_size
    if published.bytes is not None and size != published.bytes:
        raise DataError(
            f"{file} has {size:,} bytes, but the published file has {published.bytes:,}; "
            f"delete it, or replace it with {published.url}"
        )


def verify_md5(file: Path, known: str) -> None:
    """Check that the MD5 of `file` is `known`, by reading it once in every process.

    A note on disk that it was right once would be believed of another file: about a second per
    500 MB is what it costs that the record says what this run has seen.

    Raises:
        DataError: it is another file, or cannot be read.
    """
    state = file.stat()
    key = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    try:
        digest = _READ.get(key) or _READ.setdefault(key, md5_of(file))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    if digest != known:
        raise DataError(
            f"{file}: wrong checksum: MD5 is {digest}, the published file has {known}; it is "
            "damaged or of another version: delete it, and get it again"
        )


def md5_of(file: Path) -> str:
    """MD5 of `file`, in hexadecimal; a checksum, which vouches for nothing against a forger."""
    with file.open("rb") as stream:
        return file_digest(stream, partial(md5, usedforsecurity=False)).hexdigest()
