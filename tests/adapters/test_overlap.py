"""Batches are made while the device works: proven by a device that is slow by a known time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from test_base import _Adapter, _judged, documents

from resolution_eval.adapters.views import View
from resolution_eval.evidence.run_ledger import LEDGER

__all__ = ["documents"]


class _Overlapping(_Adapter):
    """Notes what is made while which batch is answered; `fault` raises in making it."""

    def __init__(self, batch: int = 1, fault: type[Exception] | None = None) -> None:
        super().__init__(batch)
        self.fault = fault
        self.answering = threading.Event()
        self.made_beside: list[bool] = []
        self.threads: set[str] = set()
        self.given: list[Any] = []

    def prepared(self, views: Sequence[View]) -> Any:
        self.threads.add(threading.current_thread().name)
        self.made_beside.append(self.answering.is_set())
        if self.fault is not None and len(views) > 1:
            raise self.fault("planted")
        return [view.job.index for view in views]

    def answer(self, views: Sequence[View], prepared: Any = None) -> list[Any]:
        self.given.append((prepared, [view.job.index for view in views]))
        self.answering.set()
        time.sleep(0.03)
        self.answering.clear()
        return super().answer(views)


def test_the_next_batch_is_made_while_one_is_answered(documents: list[dict[str, Any]]) -> None:
    adapter = _Overlapping()
    found = _judged(adapter, documents)
    assert adapter.threads == {"beside"}
    assert sum(adapter.made_beside) >= len(adapter.made_beside) - 2
    assert all(prepared == own for prepared, own in adapter.given)
    assert [attestation.status for _, attestation in found.values()].count("attested") == 6


@pytest.mark.parametrize("fault", [MemoryError, ValueError])
def test_what_fails_in_making_a_batch_is_made_again_in_halves(
    fault: type[Exception], documents: list[dict[str, Any]]
) -> None:
    adapter = _Overlapping(batch=4, fault=fault)
    many = [{**each, "sample": f"{each['sample']}{n}"} for n in range(4) for each in documents[:2]]
    found = _judged(adapter, many)
    assert {attestation.status for _, attestation in found.values()} == {"attested"}
    assert len(found) == 8
    assert not LEDGER.failures
    assert {len(own) for _, own in adapter.given} == {1}


def test_an_adapter_that_must_not_be_disturbed_makes_its_batches_in_turn(
    documents: list[dict[str, Any]],
) -> None:
    adapter = _Overlapping()
    adapter.overlaps = False
    _judged(adapter, documents)
    assert adapter.threads == {threading.main_thread().name}
    assert not any(adapter.made_beside)
