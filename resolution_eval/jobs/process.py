"""Process: one child that runs lmms-eval under its job's lock, and ends when its parent does.

A parent that is killed cannot end its child. On Linux the system does, at once; everywhere else
the child keeps the lock for as long as it runs, so that nobody starts the same job beside it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

JOB = "RESOLUTION_EVAL_JOB"
"""Environment variable of a job's processes, also those that a launcher starts."""
_DEATH_SIGNAL = 1
"""Linux: PR_SET_PDEATHSIG."""


class LockedError(Exception):
    """Another process holds the lock."""


@contextmanager
def held(path: Path) -> Iterator[int | None]:
    """Hold the lock `path`; its handle, which a child may inherit and so hold too.

    Raises:
        LockedError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where a handle is not inherited
        with _held_by_file(path):
            yield None
        return
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LockedError(str(path)) from error
        yield handle
    finally:
        os.close(handle)  # never unlocked by hand: a child that lives on keeps it


@contextmanager
def _held_by_file(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockedError(str(path)) from error
    with lock:
        yield


def run(command: Sequence[str], log: IO[bytes], lock: int | None) -> int:
    """Run `command` to its end, what it prints in `log`; its exit status."""
    parent = os.getpid()
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env={**os.environ, JOB: "1"},
        pass_fds=() if lock is None else (lock,),
        preexec_fn=(lambda: die_with(parent)) if sys.platform == "linux" else None,
    )
    try:
        return child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise


def die_with(parent: int) -> None:
    """Have the system end this process when `parent`, which started it, ends (Linux alone)."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the system was asked
        os.kill(os.getpid(), signal.SIGTERM)


def die_with_launcher() -> None:
    """In a job's process that a launcher started (accelerate, say): end when that does."""
    if os.environ.get(JOB):
        die_with(os.getppid())
