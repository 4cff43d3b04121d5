"""Pauses that a busy server asks for: what it says to one request holds for all of them.

Clients wait each on its own (lmms-eval 0.7.3), so that of many concurrent requests one is told to
wait and the others go on asking.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from urllib.parse import urlsplit

from loguru import logger

BUSY = (429, 503, 529)
"""Statuses by which a server says that it is asked too much; Anthropic has one of its own."""
FIRST, LONGEST = 0.5, 30.0
"""Seconds of the first pause and of the longest, where a server does not say how long."""
MOST = 3600.0
"""Most seconds that a server's word is heeded; a longer one is cut to it."""
TOLD = 10.0
"""Seconds from which a pause is told of."""


@dataclass
class _Pause:
    """Of one server."""

    until: float = 0.0
    """When it may be asked again, by the monotonic clock."""
    last: float = 0.0
    """Seconds of the last pause that was our own guess."""


@dataclass
class Pauses:
    """One pause for each server, shared by all requests to it."""

    _known: dict[str, _Pause] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def left(self, url: str) -> float:
        """Seconds until the server at `url` may be asked."""
        with self._lock:
            pause = self._known.get(urlsplit(url).netloc)
            return 0.0 if pause is None else max(0.0, pause.until - time.monotonic())

    def wait(self, url: str) -> float:
        """Wait until the server may be asked; the time of that moment, by the monotonic clock."""
        while (left := self.left(url)) > 0:
            time.sleep(left)
        return time.monotonic()

    async def wait_async(self, url: str) -> float:
        """As `wait`, of a client that other requests share a thread with."""
        while (left := self.left(url)) > 0:
            await asyncio.sleep(left)
        return time.monotonic()

    def note(self, url: str, status: int, headers: Mapping[str, str], sent: float) -> None:
        """What the server answered to a request that was sent at the time `sent`.

        Where it does not say how long to wait, each pause is twice the last; requests that were
        under way when one began do not lengthen it.
        """
        place = urlsplit(url).netloc
        with self._lock:
            pause = self._known.setdefault(place, _Pause())
            if status not in BUSY:
                pause.last = pause.last if status >= 500 else 0.0
                return
            now, asked = time.monotonic(), seconds(headers)
            if asked is None and sent < pause.until:
                return
            if asked is None:
                asked = pause.last = min(LONGEST, 2 * pause.last or FIRST)
            longer = now + asked > pause.until
            pause.until = max(pause.until, now + asked)
        if longer and asked >= TOLD:
            logger.warning(f"the server answers {status}; all requests wait {asked:.0f} s")


def seconds(headers: Mapping[str, str]) -> float | None:
    """How long a server asks to wait; None where it does not say.

    Example:
        >>> seconds({"Retry-After": "7"}), seconds({"retry-after-ms": "250"}), seconds({})
        (7.0, 0.25, None)
        >>> seconds({"Retry-After": "soon"}), seconds({"Retry-After": "1e9"})
        (None, 3600.0)
    """
    told = {name.lower(): value for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait = float(told.get(name, "")) / unit
        except ValueError:
            continue
        if wait >= 0:
            return min(MOST, wait)
    return _until(told.get("retry-after", ""))


def _until(date: str) -> float | None:
    """Seconds until a date in the form of HTTP's headers; None where it is none."""
    try:
        then = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return min(MOST, max(0.0, (then - datetime.now(UTC)).total_seconds()))
