"""Work done ahead of its use, on all cores, in order, and never far ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, repeat
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

DEPTH = 4
"""Items per worker that are begun before the first of them is asked for."""


def workers() -> int:
    """Threads to work with: one per core that this process may use, at most eight."""
    own = hasattr(os, "sched_getaffinity")
    return min(8, len(os.sched_getaffinity(0)) if own else os.cpu_count() or 1)


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`function` of every item, in order, computed in threads ahead of the consumer.

    Pillow decodes and resizes without Python's lock, so threads suffice and nothing is copied
    between processes. At most `DEPTH` items per worker are under way or wait, however many there
    are. What `function` raises is raised where its result is taken.
    """
    count = workers()
    with ThreadPoolExecutor(count, thread_name_prefix="ahead") as pool:
        yield from _in_order(pool, function, items, DEPTH * count)


def beside(items: Iterable[Item]) -> Iterator[Item]:
    """The items, in order, made in a thread of their own beside the consumer.

    One waits while the next is made. What making one raises, an exit of the program too, is raised
    where it would be taken. Where the consumer stops early, so does the thread.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="beside") as pool:
        made = _in_order(pool, lambda _: [*islice(iterator, 1)], repeat(None), 2)
        try:
            for one in made:
                if not one:
                    return
                yield one[0]
        finally:
            made.close()
            if isinstance(items, Generator):
                pool.submit(items.close).result()


def _in_order(
    pool: ThreadPoolExecutor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    depth: int,
) -> Generator[Result, None, None]:
    """`function` of every item, in order; `depth` of them are under way or wait."""
    iterator = iter(items)
    waiting = deque(pool.submit(function, item) for item in islice(iterator, depth))
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(iterator, 1))
            yield result
    finally:
        for future in waiting:
            future.cancel()
