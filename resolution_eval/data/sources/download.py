"""Download: one published file, resumed, verified, and there whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock
from tqdm import tqdm
from urllib3.exceptions import MaxRetryError

from resolution_eval.data.sources.checksum import md5_of
from resolution_eval.ground.errors import DataError

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""Longest silence of the server before the connection counts as cut."""
ATTEMPTS = 5
LONGEST_WAIT = 30.0
"""Longest pause in seconds between two attempts, also where the server asks for more."""
CHUNK = 1 << 16
"""Bytes read at a time, and at most lost where a connection is cut."""
SPARE = 64 * 1024**2
"""Bytes that must stay free on the disk."""
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP answers that may be another one in a moment."""


@dataclass(frozen=True)
class Remote:
    """A published file: where it is, its size in bytes and its MD5."""

    url: str
    bytes: int
    md5: str


def published(
    url: str, md5: str, timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS)
) -> Remote:
    """The file at `url`, whose size the server is asked for.

    Raises:
        DataError: no connection, or the server does not say.
    """
    try:
        headers = {"Accept-Encoding": "identity"}
        with requests.head(url, headers=headers, timeout=timeout, allow_redirects=True) as answer:
            length = answer.headers.get("Content-Length", "")
            if answer.status_code != 200 or not length.isdecimal():
                raise DataError(
                    f"{url}: the server answered {answer.status_code} {answer.reason} when asked "
                    "for the size of the file; download it by hand"
                )
            return Remote(url, int(length), md5)
    except requests.RequestException as error:
        raise DataError(f"no connection to {url} ({error}); this machine may be offline") from error


class _TryAgainError(Exception):
    """The transfer failed in a way that a further attempt may mend."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def download(
    remote: Remote,
    target: Path,
    *,
    sleep: Callable[[float], None] = time.sleep,
    timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
) -> Path:
    """`target`, holding the file `remote`, downloaded unless it is there already.

    What has arrived is kept in `target` + ".part" and continued by the next attempt or run; only a
    file whose size and MD5 are right is moved to `target`, in one step. Several processes may ask
    at once: one downloads, the others wait. Up to 5 attempts, with growing pauses, where the server
    is busy (429, 5xx) or the transfer is cut; only one where there is no connection at all.

    Raises:
        DataError: no connection; the server refuses, or answers with a web page; the file has
            another size or MD5; the disk is too small; or 5 attempts were not enough.
    """
    if _size(target) == remote.bytes:  # perhaps another user's, who alone may write there
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if _size(target) != remote.bytes:
                part = target.with_name(target.name + ".part")
                _check_disk(part, remote)
                _fetch(remote, part, sleep, timeout)
                part.replace(target)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written ({error}); name another folder in RESOLUTION_EVAL_CACHE"
        ) from error
    return target


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _check_disk(part: Path, remote: Remote) -> None:
    needed = remote.bytes - _size(part) + SPARE
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise DataError(
            f"{part.parent} has {free:,} bytes free, but {remote.url} needs {needed:,}; "
            "free some, or name another folder in RESOLUTION_EVAL_CACHE"
        )


def _fetch(
    remote: Remote, part: Path, sleep: Callable[[float], None], timeout: tuple[float, float]
) -> None:
    """Complete and verify `part`, in a bounded number of attempts."""
    reason = ""
    with requests.Session() as session:
        for attempt in range(ATTEMPTS):
            inherited = attempt == 0 and _size(part) > 0
            try:
                if _size(part) != remote.bytes:
                    _transfer(session, remote, part, timeout)
                return _verify(remote, part, inherited)
            except _TryAgainError as error:
                reason = str(error)
                if attempt + 1 < ATTEMPTS:
                    sleep(min(max(error.wait, 2.0**attempt), LONGEST_WAIT))
    raise DataError(
        f"{remote.url}: gave up after {ATTEMPTS} attempts; the last one: {reason}. "
        f"{_size(part):,} of {remote.bytes:,} bytes are kept; run again to continue"
    )


def _transfer(
    session: requests.Session, remote: Remote, part: Path, timeout: tuple[float, float]
) -> None:
    """Append to `part` what is missing, as far as this connection carries."""
    have = _size(part)
    if have > remote.bytes:
        part.unlink()
        have = 0
    with _request(session, remote, have, timeout) as response:
        if response.status_code == 416 and have:
            part.unlink()
            raise _TryAgainError(f"the server's file ends before the {have:,} bytes kept")
        offset = _checked_offset(response, remote, have)
        _write(response, remote, part, offset)
    arrived = _size(part)
    if arrived < remote.bytes:
        raise _TryAgainError(f"the connection was cut at {arrived:,} bytes")


def _request(
    session: requests.Session, remote: Remote, have: int, timeout: tuple[float, float]
) -> requests.Response:
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        return session.get(remote.url, headers=headers, stream=True, timeout=timeout)
    except requests.ConnectionError as error:
        if error.args and isinstance(error.args[0], MaxRetryError):
            reason = error.args[0].reason
            raise DataError(
                f"no connection to {remote.url} ({reason}); this machine may be offline"
            ) from error
        raise _TryAgainError(f"the server closed the connection ({error})") from error
    except requests.Timeout as error:
        raise _TryAgainError(f"the server did not answer within {timeout[1]:g} s") from error
    except requests.RequestException as error:
        raise DataError(f"{remote.url} cannot be downloaded: {error}") from error


def _checked_offset(response: requests.Response, remote: Remote, have: int) -> int:
    """Position in the file of the answer's first byte.

    Raises:
        DataError: the answer is an error, a web page, or belongs to a file of another size.
        _TryAgainError: the server is busy.
    """
    status = response.status_code
    if status in BUSY:
        asked = response.headers.get("Retry-After", "")
        wait = float(asked) if asked.isascii() and asked.isdecimal() else 0.0
        raise _TryAgainError(f"the server answered {status} {response.reason}", wait)
    if status not in (200, 206):
        raise DataError(
            f"{remote.url}: the server answered {status} {response.reason}; "
            "the file may have moved, or need a log-in"
        )
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise DataError(
            f"{remote.url}: the server answered with a web page in place of the file "
            "(a log-in or a network's welcome page?)"
        )
    offset, total = _extent(response)
    if total not in (None, remote.bytes):
        raise DataError(
            f"{remote.url}: the server's file has {total:,} bytes, expected {remote.bytes:,}; "
            "it is not the published one"
        )
    if offset not in (0, have):
        raise DataError(f"{remote.url}: asked for bytes from {have}, was sent those from {offset}")
    return offset


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """Offset of the answer in the file, and the file's size where the server tells it."""
    if response.status_code == 206:
        span, _, total = (
            response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        )
        start = span.partition("-")[0]
        known = start.isdecimal() and total.isdecimal()
        return (int(start), int(total)) if known else (-1, None)
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _write(response: requests.Response, remote: Remote, part: Path, offset: int) -> None:
    """Write the answer to `part` from `offset` on, showing progress, until it ends or is cut."""
    with (
        part.open("r+b" if part.exists() else "wb") as file,
        tqdm(
            total=remote.bytes,
            initial=offset,
            unit="B",
            unit_scale=True,
            desc=part.stem,
            mininterval=0.2 if sys.stderr.isatty() else 10.0,
        ) as progress,
    ):
        file.truncate(offset)
        file.seek(offset)
        try:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                progress.update(len(chunk))
                if file.tell() > remote.bytes:
                    raise _overlong(remote, part)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise _TryAgainError(f"the connection was cut at {file.tell():,} bytes") from error
        finally:
            file.flush()
            os.fsync(file.fileno())


def _overlong(remote: Remote, part: Path) -> DataError:
    return DataError(
        f"{remote.url}: more than the expected {remote.bytes:,} bytes arrived; "
        f"it is not the published file. Delete {part}"
    )


def _verify(remote: Remote, part: Path, inherited: bool) -> None:
    """Check the MD5 of `part`; a wrong file is deleted.

    Raises:
        _TryAgainError: the MD5 is wrong and the beginning was `inherited` from an earlier run.
        DataError: the MD5 is wrong and all of it arrived now.
    """
    digest = md5_of(part)
    if digest == remote.md5:
        return
    part.unlink()
    reason = f"MD5 is {digest}, expected {remote.md5}"
    if inherited:
        raise _TryAgainError(f"{reason}, of a file continued from an earlier run")
    raise DataError(f"{remote.url}: {reason}; the download was deleted")
