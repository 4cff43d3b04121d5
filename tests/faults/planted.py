"""A small run in memory for planting faults in: images, documents, and an adapter that answers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from lmms_eval.api.instance import Instance
from lmms_eval.caching.response_cache import ResponseCache
from PIL import Image

from resolution_eval.adapters.adapter import ResolutionAdapter, View
from resolution_eval.adapters.requests import Overrides, SampleRequest
from resolution_eval.evidence.attestation import AnswerMode, Attestation
from resolution_eval.evidence.model_answer import Answer
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.evidence.verdict import Verdict
from resolution_eval.ground.errors import ImageError
from resolution_eval.host import tasks
from resolution_eval.host.verdicts import verdict_of
from resolution_eval.resolution import Size, TrainingResolution, patch_size_fit

CHOICES = ("adipose", "debris")
SAMPLES = ("a", "b", "c", "d", "e")
RESOLUTIONS = ("16", "32", "64")
Key = tuple[str, str]
Scored = dict[Key, tuple[Verdict, Attestation]]


class Images:
    """Five images of 72 x 64 pixels."""

    name, revision, fingerprint = "planted", "1", "f1"

    def read(self, locator: str) -> bytes:
        if locator not in SAMPLES:
            raise ImageError(f"no image {locator!r}")
        data = io.BytesIO()
        shade = 40 * SAMPLES.index(locator)
        Image.new("RGB", (72, 64), (shade, 90, 255 - shade)).save(data, "PNG")
        return data.getvalue()


def nothing(views: Sequence[View]) -> None:
    """No fault."""


class Scripted(ResolutionAdapter):
    """Answers right but for sample `b`; `fault` is called with every batch before its answer."""

    name = "scripted"

    def __init__(self, *, weights: str = "sha256:one", batch: int = 4, **overrides: Any) -> None:
        super().__init__()
        self.device = torch.device("cpu")
        self.batch, self.revision, self.checkpoint = batch, weights, "planted/checkpoint"
        self.training = TrainingResolution.parse("fixed:64")
        self.overrides = Overrides(**overrides)
        self.fault: Callable[[Sequence[View]], None] = nothing
        self.text: Callable[[View], str] | None = None
        """What is written, where text is generated in place of a ranking."""
        self.processor = "do_resize=true"
        self.asked = 0

    def preparation(self) -> str:
        return self.processor

    def grid_size(self, information: Size, source: Size, job: SampleRequest) -> Size:
        return patch_size_fit(information, 8)

    def mode(self, job: SampleRequest) -> AnswerMode:
        return "rank" if self.text is None else "generate"

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        raise AssertionError("not asked here")

    def answer(self, views: Sequence[View], prepared: Any = None) -> list[Answer]:
        self.fault(views)
        self.asked += len(views)
        return [self._answer(view) for view in views]

    def _answer(self, view: View) -> Answer:
        assert view.job.document is not None
        width, height = view.image.size
        best = int(view.job.document["sample"] == "b")
        written = None if self.text is None else self.text(view)
        return Answer(
            text=view.job.choices[best] if written is None else written,
            choice=best if written is None else None,
            choice_scores=((-1.0, -2.0), (-2.0, -1.0))[best] if written is None else None,
            grid=(height, width),
            visual_tokens=(height // 8) * (width // 8),
            evidence="tensor",
        )


def documents(**changes: Any) -> list[dict[str, Any]]:
    """Every image at every resolution; the right answer is always the first choice."""
    return [
        {
            "dataset": "planted",
            "sample": sample,
            "image": sample,
            "resolution": resolution,
            "filter": "bicubic",
            "scheme": "match",
            "question": "Which tissue?",
            "choices": list(CHOICES),
            "answer": CHOICES[0],
            "cluster": sample,
            "fingerprint": "f1",
            "form": "closed",
            "data": "5 samples, 0 excluded",
            **changes,
        }
        for sample in SAMPLES
        for resolution in RESOLUTIONS
    ]


@contextmanager
def opened() -> Iterator[None]:
    """The images are there, and nothing is left behind."""
    tasks._SOURCES["planted"] = Images()  # type: ignore[assignment]
    try:
        yield
    finally:
        del tasks._SOURCES["planted"]
        LEDGER.adapter = LEDGER.describe = LEDGER.state = None
        LEDGER.failures.clear()
        LEDGER.costs.clear()


def scored(adapter: Scripted, docs: Sequence[dict[str, Any]], cache: Path | None = None) -> Scored:
    """Verdict and attestation of every document, through lmms-eval's response cache where given."""
    LEDGER.begin(adapter.name, adapter.checkpoint_facts, lambda: adapter.state)
    adapter.task_dict = {"task": {"test": Dataset.from_list(list(docs))}}
    requests = [
        Instance(
            request_type="generate_until",
            arguments=(tasks.doc_to_text(doc), {}, tasks.doc_to_visual, index, "task", "test"),
            idx=0,
            metadata={"task": "task", "doc_id": index, "repeats": 1},
        )
        for index, doc in enumerate(docs)
    ]
    replies = (
        adapter.generate_until(requests) if cache is None else _cached(adapter, requests, cache)
    )
    return {
        (doc["sample"], doc["resolution"]): verdict_of(doc, reply)
        for doc, reply in zip(docs, replies, strict=True)
    }


def _cached(adapter: Scripted, requests: list[Instance], folder: Path) -> list[str]:
    """The replies as lmms-eval has them under `--use_cache`, the model's name ever the same."""
    folder.mkdir(exist_ok=True)
    paths = str(folder / "cache.db"), str(folder / "cache.audit.jsonl")
    cache = ResponseCache(*paths, model_fingerprint="scripted|pretrained=planted/checkpoint")
    try:
        return list(cache.execute(adapter, "generate_until", requests))
    finally:
        cache.close()


def right(results: Scored) -> dict[Key, int | None]:
    """What every sample scored; None where it failed."""
    return {key: verdict.correct for key, (verdict, _) in results.items()}


def failed(results: Scored) -> dict[Key, str]:
    """Kind and message of every failure."""
    return {
        key: f"{verdict.failure.kind}: {verdict.failure.message}"
        for key, (verdict, _) in results.items()
        if verdict.failure is not None
    }
