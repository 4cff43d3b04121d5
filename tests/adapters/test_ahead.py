"""Work ahead of its use: in order, bounded, and honest about errors."""

from __future__ import annotations

import threading
import time

import pytest

from resolution_eval.adapters.ahead import DEPTH, ahead, workers


def test_results_come_in_the_items_order_however_long_each_takes() -> None:
    def slow(item: int) -> int:
        time.sleep(0.02 if item % 3 == 0 else 0)
        return item * item

    assert list(ahead(slow, range(20))) == [item * item for item in range(20)]


def test_it_never_runs_further_ahead_than_its_depth() -> None:
    begun: list[int] = []
    results = ahead(lambda item: begun.append(item) or item, range(1000))
    assert next(results) == 0
    time.sleep(0.05)
    assert len(begun) <= DEPTH * workers() + 1
    results.close()


def test_an_error_is_raised_where_its_result_is_taken() -> None:
    def fails(item: int) -> int:
        if item == 3:
            raise KeyError("third")
        return item

    results = ahead(fails, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="third"):
        next(results)


def test_stopping_early_leaves_no_thread_behind() -> None:
    results = ahead(lambda item: item, range(100))
    next(results)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_nothing_gives_nothing() -> None:
    assert list(ahead(lambda item: item, [])) == []
