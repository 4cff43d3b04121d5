"""Where a run's journal lies: in the folder that lmms-eval itself keeps its answers in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from asking import adapter, documents, judged
from datasets import Dataset
from stand_in import qwen, running

from resolution_eval.host import tasks
from resolution_eval.host.cache_folder import cache_folder, keeping, watch_cache
from resolution_eval.models.wrapped.journal import FILE

pytestmark = pytest.mark.filterwarnings("ignore")


class Listener:
    """A model that notes where the run under way keeps its answers."""

    def __init__(self) -> None:
        self.folders: list[Path | None] = []

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        self.folders.append(cache_folder())
        return ["A"] * len(requests)


def request() -> Any:
    arguments = ("Which?", {"max_new_tokens": 3}, None, 0, "task", "test")
    return instance(arguments)


def question(document: dict[str, Any]) -> Any:
    generation = {"max_new_tokens": 3, "until": ["\n"], "do_sample": False}
    prompt = tasks.doc_to_text(document)
    return instance((prompt, generation, tasks.doc_to_visual, 0, "task", "test"))


def instance(arguments: tuple[Any, ...]) -> Any:
    from lmms_eval.api.instance import Instance

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


def test_a_run_that_keeps_no_answers_has_none_after_one_that_did(tmp_path: Path) -> None:
    """Each run of one instance keeps its own, and asks what only another was told."""
    with running(qwen) as server:
        made = adapter(server)
        asked = documents(["420x420"], (140, 280))
        with keeping(tmp_path / "first"):
            judged(made, asked)
        kept = tmp_path / "first" / FILE
        assert kept.read_bytes().count(b"\n") == len(server.questions) == 2
        judged(made, asked)
        assert len(server.questions) == 4 and kept.read_bytes().count(b"\n") == 2
        with keeping(tmp_path / "first"):
            judged(made, asked)
        assert len(server.questions) == 4, "what the first run was told is known again"


def test_an_adapter_hears_of_its_folder_from_the_response_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the adapter's own making, and no test's: the journal lies where lmms-eval keeps."""
    from lmms_eval.caching.response_cache import ResponseCache

    watching = ResponseCache.execute
    monkeypatch.setattr(ResponseCache, "execute", getattr(watching, "__wrapped__", watching))
    with running(qwen) as server:
        made = adapter(server)
        cache = ResponseCache.create(
            cache_root=str(tmp_path / "kept"),
            model="m",
            model_args="",
            task_dict={},
            world_size=1,
            global_rank=0,
        )
        docs = documents(["420x420"], (140,))
        made.task_dict = {"task": {"test": Dataset.from_list(docs)}}
        try:
            cache.execute(made, "generate_until", [question(docs[0])])
        finally:
            cache.close()
        assert (tmp_path / "kept" / FILE).read_bytes().count(b"\n") == len(server.questions) == 1
