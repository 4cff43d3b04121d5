"""What every adapter does: one grid per batch, true attestation, failures kept apart."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset
from PIL import Image

from resolution_eval.adapters.adapter import EncoderView, ResolutionAdapter, View
from resolution_eval.adapters.requests import Overrides, SampleRequest
from resolution_eval.evidence.attestation import AnswerMode
from resolution_eval.evidence.model_answer import Answer
from resolution_eval.evidence.run_ledger import LEDGER, Cost, SampleKey
from resolution_eval.evidence.verdict import Failure
from resolution_eval.ground.errors import ImageError
from resolution_eval.host import tasks
from resolution_eval.host.taskfiles import card_files
from resolution_eval.host.verdicts import verdict_of
from resolution_eval.resolution import Size, TrainingResolution, patch_size_fit

CHOICES = ["adipose", "debris"]
SIZES = {"wide": (96, 48), "tall": (40, 80), "small": (20, 20)}


class _Source:
    """Three images of different aspect, and one that is missing."""

    name, revision, fingerprint = "fake", "1", "f1"

    def read(self, locator: str) -> bytes:
        if locator not in SIZES:
            raise ImageError(f"no image {locator!r}")
        data = io.BytesIO()
        Image.new("RGB", SIZES[locator], "red").save(data, "PNG")
        return data.getvalue()


class _Adapter(ResolutionAdapter):
    """Answers the first choice; what it does wrong is set by the test."""

    name = "fake"

    def __init__(self, batch: int = 4) -> None:
        super().__init__()
        self.device = torch.device("cpu")
        self.batch = batch
        self.training = TrainingResolution.parse("fixed:64")
        self.checkpoint = "none"
        self.overrides = Overrides()
        self.batches: list[list[View]] = []
        self.poison: tuple[str, str] | None = None
        self.scores: tuple[float, ...] = (-1.0, -2.0)
        self.shrink = 0

    def grid_size(self, information: Size, source: Size, job: SampleRequest) -> Size:
        return patch_size_fit(information, 8)

    def mode(self, job: SampleRequest) -> AnswerMode:
        return "rank"

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        raise AssertionError("not asked here")

    def answer(self, views: Sequence[View], prepared: Any = None) -> list[Answer]:
        self.batches.append(list(views))
        for view in views:
            document = view.job.document
            assert document is not None
            if (document["sample"], document["resolution"]) == self.poison:
                raise MemoryError("planted")
        width, height = views[0].image.size
        return [
            Answer(
                text=view.job.choices[0],
                choice=0,
                choice_scores=self.scores,
                grid=(height - self.shrink, width),
                visual_tokens=(height // 8) * (width // 8),
                evidence="test",
            )
            for view in views
        ]


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Every image at 16 and 32, and a missing one."""
    monkeypatch.setitem(tasks._SOURCES, "fake", _Source())  # type: ignore[arg-type]
    yield [
        {
            "dataset": "fake",
            "sample": sample,
            "image": sample,
            "resolution": resolution,
            "filter": "bicubic",
            "scheme": "match",
            "question": "Which?",
            "choices": CHOICES,
            "answer": "adipose",
            "cluster": sample,
            "fingerprint": "f1",
            "form": "closed",
            "data": "2 test samples, 0 excluded",
        }
        for sample in ("wide", "missing", "tall", "small")
        for resolution in ("16", "32")
    ]
    LEDGER.adapter = None
    LEDGER.failures.clear()


def _judged(adapter: _Adapter, documents: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """Verdict and attestation of every document, by sample and resolution."""
    adapter.task_dict = {"task": {"test": Dataset.from_list(documents)}}
    requests = [
        SimpleNamespace(
            metadata={},
            args=(tasks.doc_to_text(doc), {}, tasks.doc_to_visual, index, "task", "test"),
        )
        for index, doc in enumerate(documents)
    ]
    replies = adapter.generate_until(requests)  # type: ignore[arg-type]
    return {
        (doc["sample"], doc["resolution"]): verdict_of(doc, reply)
        for doc, reply in zip(documents, replies, strict=True)
    }


def test_every_batch_has_one_grid(documents: list[dict[str, Any]]) -> None:
    adapter = _Adapter()
    _judged(adapter, documents)
    sizes = [{view.image.size for view in batch} for batch in adapter.batches]
    assert all(len(size) == 1 for size in sizes)
    assert sum(map(len, adapter.batches)) == 6


def test_the_attested_grid_and_its_rounding_are_those_of_the_tensor(
    documents: list[dict[str, Any]],
) -> None:
    _, attestation = _judged(_Adapter(), documents)["wide", "16"]
    assert attestation.source == (96, 48)
    assert attestation.information == (23, 11)
    assert attestation.grid == (8, 24)
    assert attestation.rounding == (-3, 1)
    assert attestation.status == "attested"


def test_a_source_below_the_budget_is_capped(documents: list[dict[str, Any]]) -> None:
    judged = _judged(_Adapter(), documents)
    assert [judged["small", r][1].capped for r in ("16", "32")] == [False, True]
    assert judged["small", "32"][1].information == (20, 20)


def test_another_grid_than_expected_is_a_mismatch(documents: list[dict[str, Any]]) -> None:
    adapter = _Adapter()
    adapter.shrink = 8
    statuses = {attestation.status for _, attestation in _judged(adapter, documents).values()}
    assert statuses == {"mismatched", "failed"}


def test_an_image_that_cannot_be_read_fails_alone_and_is_not_wrong(
    documents: list[dict[str, Any]],
) -> None:
    judged = _judged(_Adapter(), documents)
    failed = {key for key, (verdict, _) in judged.items() if verdict.failure is not None}
    assert failed == {("missing", "16"), ("missing", "32")}
    assert all(judged[key][0].correct is None for key in failed)


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_an_exception_in_a_batch_fails_its_one_sample_only(
    documents: list[dict[str, Any]], batch: int
) -> None:
    adapter = _Adapter(batch)
    adapter.poison = ("tall", "32")
    judged = _judged(adapter, [doc for doc in documents if doc["sample"] != "missing"])
    failed = {key: v.failure for key, (v, _) in judged.items() if v.failure is not None}
    assert list(failed) == [("tall", "32")]
    assert failed["tall", "32"].kind == "MemoryError"
    assert all(v.correct == 1 for key, (v, _) in judged.items() if key not in failed)


def test_scores_that_are_not_numbers_fail(documents: list[dict[str, Any]]) -> None:
    adapter = _Adapter()
    adapter.scores = (float("nan"), -1.0)
    assert {v.correct for v, _ in _judged(adapter, documents).values()} == {None}


def test_memory_is_that_of_all_gpus_that_hold_the_weights(
    documents: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu, first, second = (torch.device(name) for name in ("cpu", "cuda:0", "cuda:1"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda gpu: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", {first: 700, second: 30}.__getitem__)
    adapter = _Adapter()
    monkeypatch.setattr(adapter, "places", lambda: [first, second, cpu])
    _judged(adapter, documents)
    assert {cost.peak_memory for cost in LEDGER.costs.values()} == {730}
    assert adapter.checkpoint_facts().device == "cuda:0, cuda:1, cpu"
    monkeypatch.setattr(adapter, "places", list)
    _judged(adapter, documents)
    assert {cost.peak_memory for cost in LEDGER.costs.values()} == {None}, "unknown is not 0"
    assert adapter.checkpoint_facts().device is None


def test_a_new_run_over_the_data_forgets_what_the_last_one_knew() -> None:
    old, other = (SampleKey(name, "s1", "28") for name in ("phantom", "another"))
    for key in (old, other):
        LEDGER.costs[key] = Cost(seconds=9.0, peak_memory=None)
        LEDGER.failures[key] = Failure(kind="image", message="gone")
        LEDGER.demonstrated[key] = ({"sample": "t1"},)
    tasks.documents([{"text": card_files()["phantom_res"].read_text()}])  # type: ignore[arg-type]
    assert {*LEDGER.costs, *LEDGER.failures, *LEDGER.demonstrated} == {other}
    LEDGER.forget("another")


def test_padding_requests_are_not_computed(documents: list[dict[str, Any]]) -> None:
    adapter = _Adapter()
    adapter.task_dict = {"task": {"test": Dataset.from_list(documents)}}
    padding = SimpleNamespace(metadata={"__padding_only__": True}, args=())
    assert adapter.generate_until([padding]) == [""]  # type: ignore[list-item]
    assert adapter.batches == []


def test_each_image_is_decoded_once_for_all_its_resolutions(
    documents: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = _Source.read
    monkeypatch.setattr(
        _Source, "read", lambda self, locator: read.append(locator) or original(self, locator)
    )
    _judged(_Adapter(), documents)
    assert sorted(set(read) - {"missing"}) == sorted(name for name in read if name != "missing")


def test_a_reply_served_for_another_sample_is_stale_not_wrong(
    documents: list[dict[str, Any]],
) -> None:
    adapter = _Adapter()
    adapter.task_dict = {"task": {"test": Dataset.from_list(documents)}}
    request = SimpleNamespace(
        metadata={}, args=(tasks.doc_to_text(documents[0]), {}, None, 0, "task", "test")
    )
    reply = adapter.generate_until([request])[0]  # type: ignore[list-item]
    for other in (
        {**documents[0], "sample": "tall"},
        {**documents[0], "resolution": "32"},
        {**documents[0], "fingerprint": "f2"},
    ):
        verdict, attestation = verdict_of(other, reply)
        assert (verdict.correct, verdict.failure and verdict.failure.kind) == (None, "stale")
        assert attestation.status == "failed"


def test_a_stranger_cannot_attest_itself(documents: list[dict[str, Any]]) -> None:
    adapter = _Adapter()
    adapter.task_dict = {"task": {"test": Dataset.from_list(documents)}}
    request = SimpleNamespace(
        metadata={}, args=(tasks.doc_to_text(documents[0]), {}, None, 0, "task", "test")
    )
    reply = adapter.generate_until([request])[0]  # type: ignore[list-item]
    LEDGER.adapter = None
    _, attestation = verdict_of(documents[0], reply)
    assert (attestation.status, attestation.grid) == ("unattested", None)


def test_a_strangers_empty_answer_is_failed(documents: list[dict[str, Any]]) -> None:
    LEDGER.adapter = None
    verdict, _ = verdict_of(documents[0], "")
    assert verdict.correct is None
    assert verdict.failure is not None and verdict.failure.kind == "empty"


@pytest.mark.parametrize(
    ("shrink", "status"), [((0, 0), "attested"), ((8, 0), "mismatched"), ((0, 8), "mismatched")]
)
def test_a_demonstration_at_another_grid_makes_the_sample_mismatched(
    shrink: tuple[int, int], status: str
) -> None:
    own, earlier = Image.new("RGB", (48, 24)), Image.new("RGB", (16, 32))
    told = SimpleNamespace(sample="train/7")
    job = SimpleNamespace(
        demonstrations=(told,), resolution=28, filter="bicubic", scheme="match", choices=CHOICES
    )
    facts = {"source": Size(90, 50), "notes": (), "information": Size(48, 24)}
    view = View(job=job, image=own, demonstrations=(EncoderView(image=earlier, **facts),), **facts)
    answer = Answer(
        text="debris",
        choice=None,
        choice_scores=None,
        grid=(24 - shrink[0], 48),
        visual_tokens=18,
        evidence="test",
        demonstrations=(((32 - shrink[1], 16), 8),),
    )
    attestation = _Adapter()._attest(view, answer, "f1")
    assert attestation.status == status
    (shown,) = attestation.demonstrations
    assert (shown.sample, shown.expected_grid) == ("train/7", (32, 16))
    assert (shown.grid, shown.visual_tokens) == ((32 - shrink[1], 16), 8)
