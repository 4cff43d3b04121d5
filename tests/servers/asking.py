"""Asking a server through `reswrap`, in this process: documents, and what became of them."""

from __future__ import annotations

import io
from random import Random
from types import SimpleNamespace
from typing import Any

from datasets import Dataset
from PIL import Image

from resolution_eval.adapters.reswrap import ResWrap
from resolution_eval.evidence.attestation import Attestation
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.evidence.verdict import Verdict
from resolution_eval.host import tasks
from resolution_eval.host.verdicts import verdict_of

MODEL = "Qwen/Qwen2.5-VL-7B-Instruct"
CHOICES = ["ring", "disc"]
MADE: list[ResWrap] = []
"""Adapters whose clients are to be closed."""


class Noise:
    """Images of noise; an image's name is its size, as in 300x150."""

    name, revision, fingerprint = "fake", "1", "f1"

    def read(self, locator: str) -> bytes:
        width, height = map(int, locator.partition("#")[0].split("x"))
        noise = Random(locator).randbytes(3 * width * height)
        data = io.BytesIO()
        Image.frombytes("RGB", (width, height), noise).save(data, "PNG")
        return data.getvalue()


def documents(images: list[str], sizes: tuple[Any, ...] = ("native",)) -> list[dict[str, Any]]:
    return [
        {
            "dataset": "fake",
            "sample": image,
            "image": image,
            "resolution": str(size),
            "filter": "bicubic",
            "scheme": "match",
            "question": "Which?",
            "choices": CHOICES,
            "answer": "ring",
            "cluster": image,
            "fingerprint": "f1",
            "form": "closed",
            "data": "",
        }
        for image in images
        for size in sizes
    ]


def adapter(server: Any, model: str = MODEL, **more: Any) -> ResWrap:
    told = {
        "model": model,
        "base_url": server.url,
        "api_key": "sk-secretsecretsecret",
        "max_retries": 1,
        "retry_backoff_s": 0.01,
        "httpx_trust_env": False,
        **more,
    }
    made = ResWrap("openai", **told)
    MADE.append(made)
    return made


def judged(made: ResWrap, docs: list[dict[str, Any]]) -> list[tuple[Verdict, Attestation]]:
    made.task_dict = {"task": {"test": Dataset.from_list(docs)}}
    generation = {"max_new_tokens": 3, "until": ["\n"], "do_sample": False}
    requests = [
        SimpleNamespace(
            args=(tasks.doc_to_text(doc), generation, tasks.doc_to_visual, place, "task", "test"),
            metadata={},
        )
        for place, doc in enumerate(docs)
    ]
    answers = made.generate_until(requests)  # type: ignore[arg-type]
    return [verdict_of(doc, answer) for doc, answer in zip(docs, answers, strict=True)]


def ask(
    server: Any, images: list[str], sizes: tuple[Any, ...] = ("native",), **more: Any
) -> list[tuple[Verdict, Attestation]]:
    """Verdict and attestation of each image at each size."""
    return judged(adapter(server, **more), documents(images, sizes))


def forget() -> None:
    while MADE:
        MADE.pop().base.client.close()
    LEDGER.adapter = None
    LEDGER.failures.clear()
