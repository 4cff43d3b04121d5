"""Work ahead of its use: in order, bounded, and honest about errors."""

from __future__ import annotations

import threading
import time

import pytest

from resolution_eval.adapters.prefetch import DEPTH, ahead, beside, workers


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


def test_items_are_made_beside_their_consumer_in_order() -> None:
    names: set[str] = set()

    def making():
        for item in range(6):
            names.add(threading.current_thread().name)
            yield item

    assert list(beside(making())) == list(range(6))
    assert names == {"beside"}


def test_one_item_waits_while_the_next_is_made_and_no_more() -> None:
    made: list[int] = []
    items = beside(made.append(item) or item for item in range(100))
    assert next(items) == 0
    time.sleep(0.1)
    assert made == [0, 1, 2]
    items.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "beside"]


@pytest.mark.parametrize("error", [KeyError("third"), SystemExit("resolution-eval: no")])
def test_what_making_an_item_raises_is_raised_where_it_is_taken(error: BaseException) -> None:
    def making():
        yield from range(3)
        raise error

    items = beside(making())
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(type(error)) as raised:
        next(items)
    assert raised.value is error


def test_an_early_end_ends_what_makes_the_items_too() -> None:
    ended: list[str] = []

    def making():
        try:
            yield from ahead(lambda item: item, range(1000))
        finally:
            ended.append(threading.current_thread().name)

    items = beside(making())
    next(items)
    items.close()
    assert ended == ["beside"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
