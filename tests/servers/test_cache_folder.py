"""Where a run's journal lies: in the folder that lmms-eval itself keeps its answers in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from resolution_eval.host.cache_folder import cache_folder, watch_cache

pytestmark = pytest.mark.filterwarnings("ignore")


class Listener:
    """A model that notes where the run under way keeps its answers."""

    def __init__(self) -> None:
        self.folders: list[Path | None] = []

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        self.folders.append(cache_folder())
        return ["A"] * len(requests)


def request() -> Any:
    from lmms_eval.api.instance import Instance

    arguments = ("Which?", {"max_new_tokens": 3}, None, 0, "task", "test")
    known = {"task": "task", "doc_id": 0, "repeats": 1}
    return Instance(request_type="generate_until", arguments=arguments, idx=0, metadata=known)


@pytest.mark.parametrize("told", ["kept", "kept/cache.db", "kept/"])
def test_it_is_that_of_the_response_cache_that_asks_however_it_was_told(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lmms_eval.caching.response_cache import ResponseCache

    monkeypatch.chdir(tmp_path)
    watch_cache()
    watch_cache()  # a second adapter in the same process
    listener = Listener()
    cache = ResponseCache.create(
        cache_root=told, model="m", model_args="", task_dict={}, world_size=1, global_rank=0
    )
    try:
        cache.execute(listener, "generate_until", [request()])
    finally:
        cache.close()
    assert listener.folders == [tmp_path / "kept"]
    assert cache_folder() is None, "the run has ended"


def test_without_a_cache_there_is_none() -> None:
    listener = Listener()
    listener.generate_until([])
    assert listener.folders == [None]
