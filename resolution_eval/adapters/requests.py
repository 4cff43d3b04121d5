"""What lmms-eval asks an adapter, as jobs: an image at a resolution, and how to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from resolution_eval.answers.generation import Generation, generation
from resolution_eval.answers.prompts import pieces, shown_order
from resolution_eval.evidence.attestation import Scheme
from resolution_eval.ground.errors import UsageError, host_boundary
from resolution_eval.host import fewshot, tasks
from resolution_eval.images import DEFAULT_FILTER, DecodedImage, decode
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
    load: Callable[[], DecodedImage] = field(repr=False)
    """Decodes the image; raises ImageError."""


@dataclass(frozen=True, kw_only=True)
class SampleRequest:
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
    load: Callable[[], DecodedImage] = field(repr=False)
    """Decodes the image, the first where there are several; raises ImageError."""
    more: tuple[Callable[[], DecodedImage], ...] = field(default=(), repr=False)
    """The same of the images after the first."""
    generation: Mapping[str, Any] = field(default_factory=dict)
    """The request's generation arguments, as they were given."""
    demonstrations: tuple[Demonstration, ...] = ()
    forget: Callable[[], None] = field(default=lambda: None, repr=False)
    """Gives up what `load` keeps; it would be decoded again."""

    @property
    def pieces(self) -> tuple[str | int, ...]:
        """The prompt, with the question's own images by number from 0 where they are to stand."""
        return pieces(self.prompt, 1 + len(self.more)) if self.more else (0, self.prompt)

    @property
    def order(self) -> tuple[int, ...]:
        """The question's own images by number, in the order in which the prompt shows them."""
        return shown_order(self.pieces)

    @property
    def asked(self) -> Generation:
        """How the answer shall be written.

        Raises:
            SystemExit: that is impossible, or would do nothing, with one sentence.
        """
        with host_boundary():
            return generation(self.generation, ours=self.document is not None)


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What the adapter's own arguments say of filter and scheme; None leaves it to the task."""

    filter: str | None = None
    scheme: Scheme | None = None


def image_groups(
    requests: Sequence[Instance], datasets: Mapping[str, Any], overrides: Overrides
) -> Iterator[tuple[SampleRequest, ...]]:
    """The jobs of requests, those of the same images together, in order of the first of them."""
    for indices in _by_image(requests, datasets):
        images = _Images()
        yield tuple(_job(index, requests[index], datasets, overrides, images) for index in indices)


def _by_image(requests: Sequence[Instance], datasets: Mapping[str, Any]) -> Iterable[list[int]]:
    """Places of the requests, by the images that they ask of."""
    columns: dict[tuple[str, str], list[tuple[str, ...]] | None] = {}
    groups: dict[object, list[int]] = {}
    for index, doc_id, task, split in _documents(requests):
        if (task, split) not in columns:
            columns[task, split] = tasks.image_column(datasets[task][split])
        images = columns[task, split]
        key = index if images is None else (task, split, images[doc_id])
        groups.setdefault(key, []).append(index)
    return groups.values()


def _documents(requests: Iterable[Instance]) -> Iterator[tuple[int, int, str, str]]:
    """Place, document, task and split of each request but those that keep ranks in step."""
    for place, request in enumerate(requests):
        if not (request.metadata or {}).get("__padding_only__"):
            *_, doc_id, task, split = request.args
            yield place, doc_id, task, split


def with_several_images(
    requests: Iterable[Instance], datasets: Mapping[str, Any]
) -> dict[str, tuple[int, int]]:
    """Per task of ours with such questions: how many requests ask of several images, of all."""
    counts: dict[str, list[bool]] = {}
    for _, doc_id, task, split in _documents(requests):
        if tasks.MORE in getattr(datasets[task][split], "column_names", ()):
            document = datasets[task][split][doc_id]
            if tasks.is_document(document):
                counts.setdefault(task, []).append(len(tasks.images_of(document)) > 1)
    return {task: (sum(several), len(several)) for task, several in counts.items() if any(several)}


def _job(
    index: int,
    request: Instance,
    datasets: Mapping[str, Any],
    overrides: Overrides,
    images: _Images,
) -> SampleRequest:
    prompt, generation, doc_to_visual, doc_id, task, split = request.args
    document = datasets[task][split][doc_id]
    if not tasks.is_document(document):
        return SampleRequest(
            index=index,
            prompt=prompt,
            choices=(),
            resolution="native",
            filter=overrides.filter or DEFAULT_FILTER,
            scheme=overrides.scheme or "match",
            document=None,
            load=lambda: only_image(doc_to_visual, document),
            generation=generation,
        )
    with host_boundary():
        own, shown = fewshot.split_prompt(document, prompt)
    loads = tuple(partial(images.load, document, one) for one in tasks.images_of(document))
    return SampleRequest(
        index=index,
        prompt=own,
        choices=tuple(document["choices"]),
        resolution=parse_resolution(document["resolution"]),
        filter=overrides.filter or document["filter"],
        scheme=overrides.scheme or document["scheme"],
        document=document,
        load=loads[0],
        more=loads[1:],
        generation=generation,
        demonstrations=tuple(_demonstration(example, images) for example in shown),
        forget=images.forget,
    )


def _demonstration(example: Mapping[str, Any], images: _Images) -> Demonstration:
    return Demonstration(
        sample=example["sample"],
        question=tasks.doc_to_text(example),
        answer=example["answer"],
        load=partial(images.load, example, example["image"]),
    )


_ELSEWHERE = Lock()
"""A task of the host's own need not be safe to ask in several threads."""


def only_image(doc_to_visual: Callable[[Any], Any], document: Mapping[str, Any]) -> DecodedImage:
    """The one image of a document of lmms-eval's own.

    Raises:
        UsageError: it has none, or several.
    """
    with _ELSEWHERE:
        images = list(doc_to_visual(document) or [])
    if len(images) != 1:
        raise UsageError(
            f"this adapter takes one image per question, and the task gives {len(images)}; "
            "choose a task with one image per question"
        )
    return DecodedImage(image=images[0].convert("RGB"), notes=())


class _Images:
    """The decoded images of jobs that share them, each decoded once, until they are forgotten."""

    def __init__(self) -> None:
        self._decoded: dict[tuple[str, str], DecodedImage] = {}

    def load(self, document: Mapping[str, Any], locator: str) -> DecodedImage:
        key = (document["dataset"], locator)
        if key not in self._decoded:
            self._decoded[key] = decode(tasks.image_bytes(document, locator))
        return self._decoded[key]

    def forget(self) -> None:
        self._decoded.clear()
