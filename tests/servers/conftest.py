"""Fixtures of the tests that ask a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import asking

from resolution_eval.host import tasks


@pytest.fixture(autouse=True)
def _noise(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch.set_num_threads(1)
    monkeypatch.setitem(tasks._SOURCES, "fake", asking.Noise())  # type: ignore[arg-type]
    yield
    asking.forget()
