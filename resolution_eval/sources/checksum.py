"""Checksum: whether a file is the published one; its MD5 is computed once per file and state."""

from __future__ import annotations

from contextlib import suppress
from hashlib import md5 as new_md5
from hashlib import sha256
from pathlib import Path

from resolution_eval.cards import ArchiveCard, NpzCard
from resolution_eval.errors import DataError
from resolution_eval.sources.places import cache_root

CHUNK = 1 << 20


def check_size(file: Path, published: NpzCard | ArchiveCard) -> None:
    """Check that `file` has the published size, where there is one; its checksum takes longer.

    Raises:
        DataError: it has another.
    """
    found = file.stat().st_size
    if published.bytes is not None and found != published.bytes:
        raise DataError(
            f"{file} has {found:,} bytes, but the published file has {published.bytes:,}; "
            f"delete it, or replace it with {published.url}"
        )


def verify_md5(file: Path, md5: str) -> None:
    """Check that the MD5 of `file` is `md5`; an unchanged file is read once, not at every run.

    Raises:
        DataError: it is another file, or cannot be read.
    """
    state = file.stat()
    identity = f"{file.resolve()}:{state.st_size}:{state.st_mtime_ns}:{md5}"
    known = cache_root() / "verified" / sha256(identity.encode()).hexdigest()[:32]
    if known.is_file():
        return
    found = _md5(file)
    if found != md5:
        raise DataError(
            f"{file}: wrong checksum: MD5 is {found}, the published file has {md5}; it is damaged "
            "or of another version: delete it, and get it again"
        )
    with suppress(OSError):  # where the cache cannot be written, it is verified again next time
        known.parent.mkdir(parents=True, exist_ok=True)
        known.touch()


def _md5(file: Path) -> str:
    digest = new_md5(usedforsecurity=False)
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    return digest.hexdigest()
