"""Few-shot: which train samples are demonstrated before a question, and how the prompt tells it."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from resolution_eval.data.sources import Sample
from resolution_eval.data.sources.slide_views import locator_at
from resolution_eval.evidence.run_ledger import LEDGER, SampleKey
from resolution_eval.ground.errors import DataError, UsageError, host_boundary
from resolution_eval.host import tasks
from resolution_eval.resolution import parse_resolution

SAMPLER = "resolution_eval"
"""Name of the sampler in lmms-eval's table and in our tasks' YAML."""
MARK = "<image "
"""What a demonstration's text begins with: the image's place, and the train sample's id."""
TRIES = 200
"""Train samples that are drawn before all are gone through."""


class Demonstrations:
    """The sampler that lmms-eval asks for demonstrations when it is given `--num_fewshot`.

    They are drawn from train, by the host's few-shot seed and the question's id: the same ones at
    every resolution of a question, whatever else is asked. The host's own sampler would take them
    from the test set, at other resolutions, and without their images.
    """

    fewshot_delimiter = "\n\n"

    def __init__(
        self, docs: Any, task: Any, fewshot_indices: Any = None, rnd: random.Random | None = None
    ) -> None:
        self.rnd = rnd or random.Random(0)

    @property
    def rnd(self) -> random.Random:
        """The host's generator; only its seed counts here, not how often it was asked."""
        return self._rnd

    @rnd.setter
    def rnd(self, value: random.Random) -> None:
        self._rnd = value
        self._seed = copy.deepcopy(value).getrandbits(64)

    def get_context(self, doc: Mapping[str, Any], num_fewshot: int) -> str:
        """The demonstrations' text, each behind its image's place; the ledger keeps their ids.

        Raises:
            SystemExit: train has too few samples that fit, with one sentence.
        """
        with host_boundary():
            examples = draw(doc, num_fewshot, self._seed)
        LEDGER.demonstrated[SampleKey.of(doc)] = tuple(examples)
        return context(examples)

    def get_chat_context(self, doc: Mapping[str, Any], num_fewshot: int, *_: Any) -> None:
        """Refuse: a chat of the host's own has no place for images.

        Raises:
            SystemExit: always, with one sentence.
        """
        with host_boundary():
            raise UsageError(
                "--num_fewshot with --apply_chat_template: our adapters apply the checkpoint's "
                "template themselves; run without --apply_chat_template"
            )


def context(examples: Sequence[Mapping[str, Any]]) -> str:
    """What stands before the question in the host's prompt, and in the record.

    Example:
        >>> context([{"sample": "a.png", "question": "Is it?", "choices": [], "answer": "no"}])
        '<image a.png>\\nIs it?\\nAnswer with one word or a short phrase.\\nAnswer: no\\n\\n'
    """
    return "".join(
        f"{MARK}{one['sample']}>\n{tasks.doc_to_text(one)}\nAnswer: {one['answer']}\n\n"
        for one in examples
    )


def draw(doc: Mapping[str, Any], count: int, seed: int) -> list[dict[str, Any]]:
    """`count` train samples, as documents at the resolution of `doc`, in the order drawn.

    Each is of the question's form, of one image, another than all others and the question's own,
    and of another cluster than the question's.

    Raises:
        DataError: train has no sample, or fewer than `count` that fit.
    """
    train = _train(doc["dataset"], doc["form"], doc["fingerprint"])
    generator = random.Random(f"{seed}/{doc['dataset']}/{doc['sample']}")
    chosen: list[Sample] = []
    images = set(tasks.images_of(doc))
    r = parse_resolution(doc["resolution"])
    for sample in _shuffled(train, generator):
        if len(chosen) == count:
            break
        image = locator_at(sample.image, r)
        if image not in images and sample.cluster != doc["cluster"]:
            images.add(image)
            chosen.append(sample)
    if len(chosen) < count:
        raise DataError(
            f"--num_fewshot {count}: only {len(chosen)} train samples of {doc['dataset']} fit the "
            f"question {doc['sample']!r} (one image, another cluster, form {doc['form']!r}); "
            "ask for fewer"
        )
    return [tasks.example_document(sample, doc) for sample in chosen]


def _shuffled(train: Sequence[Sample], generator: random.Random) -> Iterator[Sample]:
    """`train` in random order, some drawn first, since nearly always they suffice."""
    yield from generator.sample(train, min(len(train), TRIES))
    yield from generator.sample(train, len(train))


@lru_cache(maxsize=64)
def _train(dataset: str, form: str, fingerprint: str) -> tuple[Sample, ...]:
    """The train samples of one form; the fingerprint keeps two versions of the data apart."""
    samples = tasks.samples(dataset, "train")
    return tuple(sample for sample in samples if sample.form == form and not sample.more)


def split_prompt(doc: Mapping[str, Any], prompt: str) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    """The host's `prompt` without its demonstrations, and these as documents.

    Raises:
        UsageError: the prompt has demonstrations that were not drawn in this process, or does not
            end with the document's own question, as a cache of requests may have it.
    """
    examples = LEDGER.demonstrated.get(SampleKey.of(doc), ())
    before, shots, own = prompt.partition(context(examples)) if examples else ("", "", prompt)
    if (examples and not shots) or MARK in before + own.removesuffix(tasks.doc_to_text(doc)):
        raise UsageError(
            f"the prompt of {doc['sample']!r} has demonstrations that were not drawn in this run; "
            "run without --cache_requests"
        )
    if not own.endswith(tasks.doc_to_text(doc)):
        raise UsageError(
            f"the prompt of {doc['sample']!r} is not its own question: {own[-200:]!r}; a cache of "
            "requests is of other data: run without --cache_requests"
        )
    return before + own, examples
