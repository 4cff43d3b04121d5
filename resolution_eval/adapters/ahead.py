"""Work done ahead of its use, on all cores, in order, and never far ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

DEPTH = 4
"""Items per worker that are begun before the first of them is asked for."""


def workers() -> int:
    """Threads to work with: one per core that this process may use, at most eight."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return min(8, cores)


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`function` of every item, in order, computed in threads ahead of the consumer.

    Pillow decodes and resizes without Python's lock, so threads suffice and nothing is copied
    between processes. At most `DEPTH` items per worker are under way or wait, however many there
    are. What `function` raises is raised where its result is taken.
    """
    count = workers()
    iterator = iter(items)
    with ThreadPoolExecutor(count, thread_name_prefix="ahead") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            waiting.extend(pool.submit(function, item) for item in islice(iterator, DEPTH * count))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(iterator, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
