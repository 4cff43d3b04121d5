"""What lmms-eval keeps of our samples is less than it would keep, and says the same."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from synthetic_runs import line

from benchmarks import workload
from resolution_eval.host import runs, tasks
from resolution_eval.host.parcels import Contents, Parcel
from resolution_eval.host.reply_texts import FoldedReplies, begin_replies, fold, unfold
from resolution_eval.host.slips import Slip, watch_requests
from resolution_eval.host.tally import Tally


def logged(number: int, r: str) -> dict[str, Any]:
    said = line(f"s{number}", r, correct=number % 2)
    point = {"sample": f"s{number}", "resolution": r, "correct": number % 2}
    return {
        "doc_id": number,
        "arguments": ["Which ä?", {"until": ["\n"]}],
        "resps": [[f"reply {number}"]],
        "area": point,
        "failed": {"count": 0},
        **said,
        "cost": {"seconds": 0.1 * number, "peak_memory": None},
    }


FIGURES = ("area", "failed", "verdict", "attestation", "cost")


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    return [logged(number, r) for number in range(6) for r in ("28", "native")]


@pytest.fixture
def parcels(lines: list[dict[str, Any]]) -> list[Parcel]:
    return [Parcel("synthetic_res", each, FIGURES) for each in lines]


def sent(kept: Any) -> Any:
    """What another rank receives."""
    return pickle.loads(pickle.dumps(kept))  # noqa: S301  (made here)


def test_a_parcel_is_the_line_again_and_small(lines: Any, parcels: Any) -> None:
    assert list(Contents(parcels)) == lines
    assert list(map(list, Contents(parcels))) == list(map(list, lines)), "the same order of keys"
    assert max(len(each._data) for each in parcels[2:]) < len(json.dumps(lines[2])) / 8


def test_what_is_taken_out_and_changed_is_made_anew(lines: Any, parcels: Any) -> None:
    contents = Contents(parcels)
    for each in contents:
        each.pop("arguments")
        each["verdict"]["sample"] = "other"
    assert contents[3] == lines[3] and contents[1:3] == lines[1:3]
    assert json.loads(json.dumps(contents)) == lines
    assert sent(contents) == lines == list(copy.deepcopy(contents))


def test_figures_are_read_as_the_task_made_them(lines: Any, parcels: Any) -> None:
    for figure in ("verdict", "attestation"):
        kept = Contents([each.metrics[figure] for each in parcels], figure)
        assert list(kept) == [each[figure] for each in lines]
    area = Contents([each.metrics["area"] for each in parcels], "area")
    for found, each in zip(area, lines, strict=True):
        assert found.items() >= each["area"].items()
        assert found["status"] == each["attestation"]["status"]
    assert all(each.metrics["failed"] is parcels[0].metrics["failed"] for each in parcels)
    assert all(each.metrics["cost"] is None for each in parcels)


def test_parcels_of_another_rank_are_read_here(lines: Any, parcels: Any) -> None:
    assert list(Contents(sent(parcels))) == lines
    area = Contents([each.metrics["area"] for each in sent(parcels)], "area")
    assert [each["sample"] for each in area] == [each["area"]["sample"] for each in lines]


class Task:
    """The part of lmms-eval's task that builds requests."""

    def __init__(self, metadata: dict[str, Any]) -> None:
        self.config = SimpleNamespace(metadata=metadata)

    def visual(self, doc: Any) -> list[Any]:
        return []

    def construct_requests(self, doc_id: int, ctx: str, metadata: dict[str, Any]) -> Any:
        from lmms_eval.api.instance import Instance

        arguments = (ctx, {"until": ["\n"]}, self.visual, doc_id, "synthetic_res", "test")
        return Instance(
            request_type="generate_until", arguments=arguments, idx=0, metadata=metadata
        )


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Task, "construct_requests", Task.construct_requests)
    plain = Task.construct_requests
    watch_requests(Task)

    def both(task: Task, doc_id: int, repeats: int = 1) -> tuple[Any, Any]:
        known = {"task": "synthetic_res", "doc_id": doc_id, "repeats": repeats, "split": "test"}
        metadata = known | task.config.metadata
        return (
            plain(task, doc_id, f"Which {doc_id}?", dict(metadata)),
            task.construct_requests(doc_id, f"Which {doc_id}?", metadata=dict(metadata)),
        )

    return both


def asked(request: Any) -> Any:
    """All that lmms-eval reads of a request."""
    names = ("request_type", "arguments", "args", "idx", "metadata", "resps", "filtered_resps")
    names += ("raw_filtered_resps", "token_counts", "task_name", "doc_id", "repeats", "doc")
    return {name: getattr(request, name) for name in names}


def answer(request: Any, reply: str, count: Any = None, filtered: str | None = None) -> None:
    """What lmms-eval does with a request, in order."""
    request.arguments = request.arguments
    request.resps.append(reply)
    request.token_counts.append(count)
    request.filtered_resps["none"] = request.resps[0]
    if filtered is not None:
        request.raw_filtered_resps["none"] = request.filtered_resps["none"]
        request.filtered_resps["none"] = filtered


@pytest.mark.parametrize("count", [None, 7])
@pytest.mark.parametrize("filtered", [None, "less"])
def test_a_slip_is_read_as_lmms_evals_request(build: Any, count: Any, filtered: Any) -> None:
    task = Task({"card": "synthetic", "version": 1})
    for number in range(3):
        host, ours = build(task, number)
        assert type(ours) is Slip and asked(ours) == asked(host)
        for request in (host, ours):
            answer(request, f"reply {number}", count, filtered)
        kept = asked(ours)
        if count is None:  # lmms-eval reads none and [None] alike
            kept["token_counts"] = [None]
        assert kept == asked(host)
    ours.let_go()
    assert ours.resps == [] and ours.filtered_resps == {} and ours.args == host.args


def test_a_copy_that_pads_a_rank_leaves_its_source_alone(build: Any) -> None:
    from lmms_eval.evaluator import _clone_padding_request

    _, ours = build(Task({"card": "synthetic"}), 4)
    pad = _clone_padding_request(ours)
    answer(pad, "pad")
    assert pad.metadata["__padding_only__"] and pad.resps == ["pad"]
    assert "__padding_only__" not in ours.metadata and ours.resps == []


def test_generation_arguments_are_each_callers_own(build: Any) -> None:
    _, ours = build(Task({"card": "synthetic"}), 0)
    ours.args[1].pop("until")
    assert ours.args[1] == {"until": ["\n"]}


def test_others_requests_and_repeated_ones_stay_as_they_are(build: Any) -> None:
    for task, repeats in ((Task({}), 1), (Task({"card": "synthetic"}), 2)):
        host, ours = build(task, 1, repeats)
        assert type(ours) is type(host) and ours == host


def test_replies_are_the_same_texts_in_less() -> None:
    begin_replies()
    texts = [f"ä {'reply of some length ' * 20}{number} \ud800" for number in range(9)]
    replies = FoldedReplies([""] * 9)
    for place, text in enumerate(texts):
        replies[place] = text
    assert replies == texts and replies[3] == texts[3] and replies[2:4] == texts[2:4]
    assert max(map(len, list(list.__iter__(replies))[1:])) < len(texts[0]) / 5
    kept = fold(texts[5])
    begin_replies()
    assert unfold(kept) == texts[5] and fold(unfold(kept)) is kept
    assert FoldedReplies(["", "x"]) == ["", "x"]


def written(model: Path, data: Path, output: Path) -> str:
    """The samples file of a run, without what was measured."""
    command = ["--model", "resflamingo", "--model_args", f"pretrained={model}", "--log_samples"]
    command += ["--batch_size", "4", "--verbosity", "WARNING", "--output_path", str(output)]
    assert runs.run(["folder_res"], command, resolutions=[14, 28], data=data) == 0
    (samples,) = output.rglob("*_samples_*.jsonl")
    return re.sub(r'"(seconds|peak_memory)": [0-9.e-]+', "", samples.read_text(encoding="utf-8"))


@pytest.mark.whole
@pytest.mark.filterwarnings(  # lmms-eval leaves its results file to be closed by chance
    "ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_what_is_written_is_the_same_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lmms_eval import evaluator
    from lmms_eval.api.task import ConfigurableTask
    from lmms_eval.evaluator_utils import TaskOutput

    model = workload.write_flamingo(tmp_path / "model", "tiny")
    data = workload.write_images(tmp_path / "data", 5, 56)
    places = (
        (evaluator, "_process_document_results"),
        (ConfigurableTask, "construct_requests"),
        (TaskOutput, "calculate_aggregate_metric"),
    )
    with monkeypatch.context() as bare:
        for owner, name in places:
            bare.setattr(owner, name, inspect.unwrap(getattr(owner, name)))
        bare.setattr(tasks, "pack_samples", lambda: None)
        plain = written(model, data, tmp_path / "plain")
    assert written(model, data, tmp_path / "packed") == plain
    assert all(hasattr(getattr(owner, name), "__wrapped__") for owner, name in places)
    assert plain.count("\n") == 10


def test_folded_replies_are_a_list_of_texts_to_whoever_asks() -> None:
    begin_replies()
    replies, texts = FoldedReplies(["yes", "no"]), ["yes", "no"]
    assert replies == texts and (replies != texts) is False
    assert "yes" in replies and "maybe" not in replies
    assert list(reversed(replies)) == ["no", "yes"] and replies + [] == texts  # noqa: RUF005
    assert sent(replies) == texts and replies.pop() == "no" and list(replies) == ["yes"]


def test_half_a_character_that_a_server_cut_is_kept() -> None:
    cut = logged(1, "28")
    cut["resps"] = [["a smile \ud83d"]]
    assert Parcel("synthetic_res", cut, FIGURES).line() == cut


def test_of_two_runs_told_before_their_tables_neither_is_shown_as_the_other() -> None:
    tally = Tally()
    for _ in range(2):
        tally.verdicts([{}])
        tally.attestations([{"fingerprint": "f"}])
    assert tally.lines == {"f": None}
