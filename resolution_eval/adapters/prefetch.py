"""Work done ahead of its use, on all cores, in order, and never far ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

DEPTH = 4
"""Items per worker that are begun before the first of them is asked for."""
PATIENCE = 0.2
"""Seconds after which a thread that waits for room looks whether anybody still wants its items."""


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


def beside(items: Iterable[Item]) -> Iterator[Item]:
    """The items, in order, made in a thread of their own beside the consumer.

    One waits while the next is made. What making one raises, an exit of the program too, is raised
    where it would be taken. Where the consumer stops early, so does the thread.
    """
    made: Queue[list[Item] | BaseException | None] = Queue(maxsize=1)
    unwanted = Event()

    def make() -> None:
        try:
            for item in items:
                if not _put(made, [item], unwanted):
                    return
            _put(made, None, unwanted)
        except BaseException as error:  # noqa: BLE001  (it is raised again where it belongs)
            _put(made, error, unwanted)
        finally:
            if isinstance(items, Generator):
                items.close()

    thread = Thread(target=make, name="beside", daemon=True)
    thread.start()
    try:
        while True:
            arrived = made.get()
            if arrived is None:
                return
            if isinstance(arrived, BaseException):
                raise arrived
            yield arrived[0]
    finally:
        unwanted.set()
        _empty(made)
        thread.join()


def _put(queue: Queue[Item], item: Item, unwanted: Event) -> bool:
    """Puts the item as soon as there is room; whether anybody wants it."""
    while not unwanted.is_set():
        try:
            queue.put(item, timeout=PATIENCE)
        except Full:
            continue
        return True
    return False


def _empty(queue: Queue[Item]) -> None:
    """Makes room for one that waits for it."""
    try:
        queue.get_nowait()
    except Empty:
        return
