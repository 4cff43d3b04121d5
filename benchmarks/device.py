"""The device that is measured: waited for, timed, or played by a sleep of known length."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from unittest.mock import patch


def device() -> str:
    """A GPU, where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def wait(where: str) -> None:
    """Until the device has done all that it was given."""
    import torch

    if where == "cuda":
        torch.cuda.synchronize()


@dataclass
class Clock:
    """Seconds of every call of a function, the device's own work included."""

    seconds: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        """Of all calls."""
        return sum(self.seconds)


@contextmanager
def clocked(owner: Any, name: str, clock: Clock) -> Iterator[Clock]:
    """Times the method `name` of `owner`, device included."""
    own = getattr(owner, name)
    where = device()

    @wraps(own)
    def timing(*given: Any, **named: Any) -> Any:
        wait(where)
        began = time.perf_counter()
        found = own(*given, **named)
        wait(where)
        clock.seconds.append(time.perf_counter() - began)
        return found

    with patch.object(owner, name, timing):
        yield clock


@contextmanager
def slowed(owner: Any, name: str, seconds: Callable[..., float]) -> Iterator[None]:
    """Has the method `name` of `owner` take so many seconds for its arguments: a device of known
    length, which leaves the processor to others while it works.
    """
    own = getattr(owner, name)

    @wraps(own)
    def slow(*given: Any, **named: Any) -> Any:
        ends = time.perf_counter() + seconds(*given, **named)
        found = own(*given, **named)
        time.sleep(max(0.0, ends - time.perf_counter()))
        return found

    with patch.object(owner, name, slow):
        yield
