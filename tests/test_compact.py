"""What is held as bytes comes back as it was: lists, requests, documents, whole runs."""

from __future__ import annotations

import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resolution_eval.ground.compact import Codec, CompactList, Held
from resolution_eval.host.document_table import document_table

ITEMS: list[Any] = [
    "",
    "short",
    "long " * 100,
    {"scores": [0.1, -1e-300, float("inf")], "none": None, "nested": {"a": [1, (2, 3)]}},
    {"scores": [0.2] * 60, "text": "\ud800 and \U0001f600 " * 20},
    np.float64(0.3),
    "long " * 99 + "other",
]


def test_items_come_back_exactly_in_type_and_value() -> None:
    kept = CompactList(ITEMS)
    assert list(kept) == ITEMS
    assert [type(item) for item in kept] == [type(item) for item in ITEMS]


def test_a_list_that_was_changed_is_as_a_plain_one() -> None:
    plain, kept = list(ITEMS), CompactList(ITEMS)
    for one in (plain, kept):
        one[2] = "new" * 80
        del one[0]
        one.insert(1, "between")
        one += ["last"]
        one[1:3] = ["a", "b", "c"]
    assert kept == plain and kept[-2:] == plain[-2:] and len(kept) == len(plain)
    assert kept != plain[:-1] and kept != [*plain[:-1], "else"]


def test_a_list_that_another_process_gets_is_the_same() -> None:
    data = pickle.dumps(CompactList(ITEMS))
    assert pickle.loads(data) == ITEMS  # noqa: S301  (written one line above)


def test_threads_that_encode_at_once_agree_on_what_they_compress_against() -> None:
    codec = Codec()
    texts = [f"{number} " * 200 for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(codec.encode, texts))
    assert [codec.decode(each) for each in held] == texts


def test_items_that_are_alike_take_little_and_equal_ones_nothing_more() -> None:
    codec = Codec()
    told = {"attestation": {f"field {number}": "the same in all" for number in range(30)}}
    held = [codec.encode({**told, "sample": str(number)}) for number in range(50)]
    assert max(map(len, held[1:])) < len(pickle.dumps(told)) / 4
    assert codec.encode({**told, "sample": "7"}) is held[7]


def test_what_a_codec_made_is_taken_as_it_is() -> None:
    kept = CompactList()
    kept.append(Codec().encode("plain"))
    assert kept == ["plain"] and type(kept._held[0]) is Held


def test_documents_are_spelled_out_a_row_or_a_column_at_a_time_and_texts_are_shared() -> None:
    rows = [
        {"sample": str(number), "question": "Which" + "?" * (number % 2), "choices": ["a", "b"]}
        for number in range(5)
    ] + [{"sample": "5", "question": "", "choices": []}]
    table = document_table(rows)
    assert list(table) == rows and list(table["question"]) == [row["question"] for row in rows]
    assert table[1]["question"] is table[3]["question"]
    assert table[0]["choices"] is not table[0]["choices"]
    assert table.select([4, 2])[1] == rows[2]


def _pair() -> tuple[Any, Any]:
    """A request as lmms-eval builds it, and our view of it."""
    from lmms_eval.api.instance import Instance

    from resolution_eval.host.request_views import lean

    metadata = {"task": "t", "doc_id": 3, "repeats": 2, "split": "test", "card": "c"}
    generation = {"until": ["x"], "max_new_tokens": 4}
    own = Instance(
        request_type="generate_until",
        arguments=("asked", generation, print, 3, "t", "test"),
        idx=0,
        metadata=metadata,
    )
    return own, lean(own)


def _facts(request: Any) -> dict[str, Any]:
    names = (
        "request_type", "arguments", "args", "idx", "metadata", "resps", "filtered_resps",
        "raw_filtered_resps", "token_counts", "task_name", "doc_id", "repeats", "doc",
    )  # fmt: skip
    return {name: getattr(request, name) for name in names}


def test_a_view_of_a_request_has_all_that_the_request_has_through_all_that_happens_to_it() -> None:
    from lmms_eval.api.filter import FilterEnsemble
    from lmms_eval.filters.selection import TakeFirstFilter

    own, view = _pair()
    assert type(view) is not type(own) and isinstance(view, type(own))
    assert _facts(view) == _facts(own)
    for request in (own, view):
        for text in ("first reply", "second reply"):
            request.resps.append(text)
            request.token_counts.append(None)
        FilterEnsemble("none", [TakeFirstFilter()]).apply([request], None)
        request.filtered_resps["other"] = ["a", "b"]
        request.filtered_resps["none"] = request.filtered_resps["none"] + " changed"
        request.raw_filtered_resps["none"] = "raw"
    # of counts that nobody made lmms-eval writes null, with a list of them or without
    assert _facts(view) | {"token_counts": 0} == _facts(own) | {"token_counts": 0}
    assert not any(view.token_counts)
    view.let_go()
    assert view.resps == [] and view.filtered_resps == {}


def test_a_padding_copy_of_a_view_is_its_own() -> None:
    from lmms_eval.evaluator import _clone_padding_request

    own, view = _pair()
    view.resps.append("kept")
    padding = _clone_padding_request(view)
    assert padding.metadata == {**own.metadata, "__padding_only__": True}
    padding.resps.append("of nobody")
    assert view.resps == ["kept"] and "__padding_only__" not in view.metadata
    assert padding.resps == ["of nobody"]


def test_a_counted_token_is_kept_and_a_caller_may_take_from_its_arguments() -> None:
    _, view = _pair()
    view.token_counts.append({"input_tokens": 3})
    assert view.token_counts == [{"input_tokens": 3}]
    view.args[1].pop("until")
    assert view.args[1] == {"until": ["x"], "max_new_tokens": 4}
    assert copy.copy(view).args == view.args
    view.arguments = view.arguments
    assert view._arguments is None, "the host sets what it has just read of every request"
    view.arguments = ("other", *view.arguments[1:])
    assert view.args[0] == "other"


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore")
def test_a_run_writes_the_same_lines_and_figures_as_without(tmp_path: Path) -> None:
    import lmms_eval.evaluator as host
    from lmms_eval.api.task import ConfigurableTask
    from lmms_eval.evaluator_utils import TaskOutput

    from resolution_eval.host import runs

    def lines(name: str) -> tuple[list[Any], Any]:
        command = ["--model", "resflamingo", "--limit", "12", "--batch_size", "4", "--log_samples"]
        assert runs.run(["phantom_res"], [*command, "--output_path", str(tmp_path / name)]) == 0
        (samples,) = (tmp_path / name).rglob("*_samples_*.jsonl")
        (results,) = (tmp_path / name).rglob("*_results.json")
        written = [json.loads(line) for line in samples.read_text().splitlines()]
        for line in written:
            line.pop("cost", None)
            line.get("run", {}).clear()
        figures = json.loads(results.read_text())["results"]["phantom_res"]
        return written, {name: value for name, value in figures.items() if value != []}

    compact = lines("compact")
    assert hasattr(host, "keeps_resolution_eval_compactly")
    host._process_document_results = host._process_document_results.__wrapped__
    ConfigurableTask.construct_requests = ConfigurableTask.construct_requests.__wrapped__
    TaskOutput.__init__ = TaskOutput.__init__.__wrapped__
    try:
        plain = lines("plain")
    finally:
        del host.keeps_resolution_eval_compactly
    assert compact == plain and len(compact[0]) == 12
