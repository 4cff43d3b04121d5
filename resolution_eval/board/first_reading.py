"""First reading: what strangers sent is read by a child first, in bounded memory and time.

What a file becomes in memory cannot always be told from its headers, and a library that is no
Python may end its process. A submission over which the child dies is refused; the child after it
reads the others. Linux alone bounds a process so; elsewhere nothing is read apart.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from resolution_eval.ground.errors import ResolutionEvalError, visible

MEMORY = 3 * 2**30
"""Bytes of memory that reading one submission may take beside what the process has: answers of the
largest size that is allowed take a third of it."""
SECONDS = 600
"""Time of a processor that reading one submission may take."""
_ENDED = {
    signal.SIGXCPU: f"takes longer than {SECONDS} seconds to read",
    signal.SIGKILL: "takes longer, or more memory, to read than there is",
}


@contextmanager
def bounded() -> Iterator[None]:
    """Within, more than `MEMORY` is a MemoryError, in this process too."""
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY
    known = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([most, *known]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def fatal(places: Sequence[Path], read: Callable[[Path], object]) -> dict[Path, str]:
    """Which of `places` end the process that reads them, and how; nothing where none does."""
    told: dict[Path, str] = {}
    waiting = list(places) if sys.platform == "linux" else []
    while waiting:
        survived, status = _apart(waiting, read)
        if survived == len(waiting):
            break
        told[waiting[survived]] = f"{_said(status)}; it is refused"
        waiting = waiting[survived + 1 :]
    return told


def _said(status: int) -> str:
    if status >= 0:
        return f"ends the program that reads it (status {status})"
    number = signal.Signals(-status)
    return _ENDED.get(number, f"ends the program that reads it ({number.name})")


def _apart(places: Sequence[Path], read: Callable[[Path], object]) -> tuple[int, int]:
    """How many of `places` a child read before it ended, and how it did."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            _read_all(places, read, writing)
            os._exit(0)
        except BaseException:  # noqa: BLE001  (nobody foresaw it: it is shown, and the parent goes on)
            # no line begins as CI's own commands do, whatever the error quotes of a submission
            shown = visible(traceback.format_exc())
            print(textwrap.indent(shown, "| "), file=sys.stderr, flush=True)
        finally:
            os._exit(1)
    os.close(writing)
    survived = _counted(reading, child)
    return survived, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _counted(reading: int, child: int) -> int:
    """How many bytes come; a child that says nothing for twice its time is ended."""
    survived = 0
    with os.fdopen(reading, "rb", buffering=0) as told:
        while True:
            if not select.select([told], [], [], 2 * SECONDS)[0]:
                os.kill(child, signal.SIGKILL)
            block = told.read(4096)
            if not block:
                return survived
            survived += len(block)


def _read_all(places: Sequence[Path], read: Callable[[Path], object], writing: int) -> None:
    """In the child: read each, and write a byte for it."""
    import faulthandler
    import resource

    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for place in places:
        used = resource.getrusage(resource.RUSAGE_SELF)
        most = int(used.ru_utime + used.ru_stime) + 1 + SECONDS
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        known = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_CPU, (known, hard))
        with bounded(), suppress(ResolutionEvalError):  # told when it is read again
            read(place)
        os.write(writing, b".")
