"""What lmms-eval asks an adapter, as jobs: an image at a resolution, and how to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resolution_eval import fewshot, tasks
from resolution_eval.attestation import Scheme
from resolution_eval.errors import UsageError, host_boundary
from resolution_eval.images import Decoded, decode
from resolution_eval.resolution import Resolution, parse_resolution

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """A train sample with its answer, shown before the question."""

    sample: str
    """Its id."""
    question: str
    """As it is asked, options included."""
    answer: str
    load: Callable[[], Decoded] = field(repr=False)
    """Decodes the image; raises ImageError."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One request, with everything that an adapter needs to answer it."""

    index: int
    """Place among the requests, where the answer goes."""
    prompt: str
    """What is asked of the job's own image, without its demonstrations."""
    choices: tuple[str, ...]
    """The choices to rank; empty for an open question or a task of lmms-eval's own."""
    resolution: Resolution
    filter: str
    scheme: Scheme
    document: Mapping[str, Any] | None
    """The document, where it comes from one of our tasks."""
    load: Callable[[], Decoded] = field(repr=False)
    """Decodes the image; raises ImageError."""
    generation: Mapping[str, Any] = field(default_factory=dict)
    demonstrations: tuple[Demonstration, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What the adapter's own arguments say of filter and scheme; None leaves it to the task."""

    filter: str | None = None
    scheme: Scheme | None = None


def is_padding(request: Instance) -> bool:
    """Whether the request only keeps the ranks of a distributed run in step."""
    return bool((request.metadata or {}).get("__padding_only__"))


def generation_jobs(
    requests: Iterable[Instance], datasets: Mapping[str, Any], overrides: Overrides
) -> Iterator[Job]:
    """The jobs of `generate_until` requests; padding requests have none."""
    last = _LastImages()
    for index, request in enumerate(requests):
        if is_padding(request):
            continue
        prompt, generation, doc_to_visual, doc_id, task, split = request.args
        document = datasets[task][split][doc_id]
        yield _job(index, prompt, generation, document, doc_to_visual, overrides, last)


def _job(
    index: int,
    prompt: str,
    generation: Mapping[str, Any],
    document: Mapping[str, Any],
    doc_to_visual: Callable[[Any], Any],
    overrides: Overrides,
    last: _LastImages,
) -> Job:
    if not tasks.is_document(document):
        return Job(
            index=index,
            prompt=prompt,
            choices=(),
            resolution="native",
            filter=overrides.filter or "bicubic",
            scheme=overrides.scheme or "match",
            document=None,
            load=lambda: _only_image(doc_to_visual(document)),
            generation=generation,
        )
    with host_boundary():
        own, shown = fewshot.split_prompt(document, prompt)
    last.keep(len(shown) + 1)
    return Job(
        index=index,
        prompt=own,
        choices=tuple(document["choices"]),
        resolution=parse_resolution(document["resolution"]),
        filter=overrides.filter or document["filter"],
        scheme=overrides.scheme or document["scheme"],
        document=document,
        load=lambda: last.load(document),
        generation=generation,
        demonstrations=tuple(_demonstration(example, last) for example in shown),
    )


def _demonstration(example: Mapping[str, Any], last: _LastImages) -> Demonstration:
    return Demonstration(
        sample=example["sample"],
        question=tasks.doc_to_text(example),
        answer=example["answer"],
        load=lambda: last.load(example),
    )


def _only_image(visuals: Any) -> Decoded:
    """The one image of a document of lmms-eval's own."""
    images = list(visuals or [])
    if len(images) != 1:
        raise UsageError(
            f"this adapter takes one image per question, and the task gives {len(images)}; "
            "choose a task with one image per question"
        )
    return Decoded(image=images[0].convert("RGB"), notes=())


class _LastImages:
    """Keeps the images decoded last: a document's resolutions follow one another, with the same
    demonstrations, so each image is decoded once.
    """

    def __init__(self) -> None:
        self._decoded: dict[tuple[str, str], Decoded] = {}
        self._most = 1

    def keep(self, count: int) -> None:
        """Keep `count` images from now on."""
        self._most = count

    def load(self, document: Mapping[str, Any]) -> Decoded:
        key = (document["dataset"], document["image"])
        if key not in self._decoded:
            while len(self._decoded) >= self._most:
                del self._decoded[next(iter(self._decoded))]
            self._decoded[key] = decode(tasks.image_bytes(document))
        return self._decoded[key]
