"""The functions behind every task's YAML: documents, prompt, image, and the figures of a response.

A task holds each sample once per inference resolution, sample by sample, so that `--limit` keeps
every resolution. A document is a reference (data set, sample, resolution): no image is copied per
resolution, the image is decoded and rendered when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import sqrt
from threading import Lock
from typing import TYPE_CHECKING, Any

from resolution_eval.answers.prompts import question_text
from resolution_eval.answers.thinking import is_cut
from resolution_eval.data.cards import TaskCard, parse_task_card
from resolution_eval.data.sources import Sample, Source, data_facts, data_summary, open_source
from resolution_eval.data.sources.slide_views import locator_at
from resolution_eval.evidence.attestation import Attestation, ImageAttestation
from resolution_eval.evidence.facts import run_facts
from resolution_eval.evidence.run_ledger import LEDGER, Cost, SampleKey
from resolution_eval.evidence.verdict import Verdict
from resolution_eval.ground.errors import UsageError, host_boundary
from resolution_eval.host.document_table import document_table
from resolution_eval.host.judge import judgement_rows, open_judge
from resolution_eval.host.option_order import shown_options
from resolution_eval.host.parcels import pack_samples
from resolution_eval.host.verdicts import Document, unattested, verdict_of
from resolution_eval.resolution import NATIVE, Resolution, Size, is_capped, label, parse_resolution

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL.Image import Image

MORE = "more_images"
"""Column with the images after the first, of data in which a question has several."""


def documents(cards: Dataset) -> Dataset:
    """Every test sample of the one card in `cards` at every resolution of that card.

    `cards` is a card's file as lmms-eval loads it: one row, its text. Serves as `process_docs`.
    """
    pack_samples()
    with host_boundary():
        card = parse_task_card(cards[0]["text"])
        if card.judge:
            open_judge(card.judge)
        _open(card)
        LEDGER.forget(card.name)
        return document_table(_documents(card))


def _documents(card: TaskCard) -> Iterator[dict[str, Any]]:
    source = _open(card)
    of_all = {
        "dataset": card.name,
        "filter": card.filter,
        "scheme": card.scheme,
        "fingerprint": source.fingerprint,
        "data": data_summary(source),
        "option_order": card.option_order,
        "judge": card.judge or "",
    }
    kept = [one for one in source.samples("test") if not card.only or one.id in card.only]
    several = any(one.more for one in kept)
    for place, sample in enumerate(kept):
        options = _options(card.name, "test", card.option_order)[sample.id]
        for resolution in turned(card.resolutions, place):
            own = _of_sample(sample, options, resolution)
            own |= {MORE: _more(sample, resolution)} if several else {}
            yield {**of_all, **own, "resolution": label(resolution)}


GOLDEN = (sqrt(5) - 1) / 2


def turned(resolutions: Sequence[Resolution], place: int) -> list[Resolution]:
    """The resolutions of the sample at `place`, turned so that ranks share the costly ones.

    lmms-eval deals documents to its ranks one by one. In the same order for every sample, two ranks
    of four resolutions would get two resolutions each, one of them all the large ones. So the
    sample at `place` begins at a resolution that the golden ratio picks: its multiples spread
    evenly over every sequence of places with equal steps, whatever the number of ranks.

    Example:
        >>> [turned([28, 56], place) for place in range(4)]
        [[28, 56], [56, 28], [28, 56], [56, 28]]
    """
    turn = int(len(resolutions) * (place * GOLDEN % 1))
    return [*resolutions[turn:], *resolutions[:turn]]


def _more(sample: Sample, r: Resolution) -> list[str]:
    return [locator_at(image, r) for image in sample.more]


def _of_sample(sample: Sample, options: Sequence[str], r: Resolution = NATIVE) -> dict[str, Any]:
    """The columns of a document that its sample decides, the options in the order shown."""
    return {
        "sample": sample.id,
        "image": locator_at(sample.image, r),
        "question": sample.question,
        "choices": list(options),
        "form": sample.form,
        "answer": sample.answer,
        "cluster": sample.cluster,
        "detail": "" if sample.detail is None else sample.detail.model_dump_json(),
    }


def example_document(sample: Sample, doc: Document) -> dict[str, Any]:
    """A train sample of the data set of `doc`, as a document at its resolution."""
    options = _options(doc["dataset"], "train", doc["option_order"])[sample.id]
    resolution = parse_resolution(doc["resolution"])
    more = {MORE: _more(sample, resolution)} if MORE in doc else {}
    return {**doc, **_of_sample(sample, options, resolution), **more}


def samples(dataset: str, split: str) -> Sequence[Sample]:
    """The samples of a split of the data set `dataset`, which a task of this process has opened.

    Raises:
        DataError: it has no such split.
    """
    return _SOURCES[dataset].samples(split)


def _options(dataset: str, split: str, order: str) -> Mapping[str, tuple[str, ...]]:
    """Every sample's options in the order shown, found once per source."""
    key = (_SOURCES[dataset].fingerprint, split, order)
    if key not in _SHOWN:
        _SHOWN[key] = shown_options(samples(dataset, split), order)
    return _SHOWN[key]


_SOURCES: dict[str, Source] = {}
_READING = Lock()
"""Images are decoded in threads; an archive is read by one of them at a time."""
_SHOWN: dict[tuple[str, str, str], Mapping[str, tuple[str, ...]]] = {}


def _open(card: TaskCard) -> Source:
    """The card's data, kept under its name for as long as the process lives."""
    _SOURCES[card.name] = open_source(card)
    return _SOURCES[card.name]


def fingerprint_of(dataset: str) -> str | None:
    """Fingerprint of the data set's samples; None where no task of this process has opened it."""
    source = _SOURCES.get(dataset)
    return None if source is None else source.fingerprint


def is_document(doc: Document) -> bool:
    """Whether `doc` comes from one of our tasks rather than from one of lmms-eval's own."""
    return "resolution" in doc and doc.get("dataset") in _SOURCES


def images_of(doc: Document) -> tuple[str, ...]:
    """Locators of the images of `doc`, in order; one as a rule."""
    return (doc["image"], *(doc.get(MORE) or ()))


def image_column(documents: Dataset) -> list[tuple[str, ...]] | None:
    """Where the images of each of `documents` are, if they are ours; questions can share them."""
    if not documents or not is_document(documents[0]):
        return None
    first = list(documents["image"])
    if MORE not in documents.column_names:
        return [(image,) for image in first]
    return [(one, *more) for one, more in zip(first, documents[MORE], strict=True)]


def image_bytes(doc: Document, locator: str | None = None) -> bytes:
    """The stored image of `doc`, its first where `locator` names none, encoded as its source keeps
    it.

    Raises:
        ImageError: it is missing or empty.
    """
    with _READING:
        return _SOURCES[doc["dataset"]].read(doc["image"] if locator is None else locator)


def doc_to_visual(doc: Document) -> list[Image]:
    """The images, each rendered at the document's resolution, for a model that knows nothing of
    this project; as a rule one.

    Scheme `restore` brings it back to the size of its source. Our own adapters render for
    themselves.

    Raises:
        ImageError: an image cannot be decoded.
        SystemExit: the question has demonstrations, whose images such a model would not be shown.
    """
    if SampleKey.of(doc) in LEDGER.demonstrated:
        with host_boundary():
            raise UsageError(
                "--num_fewshot: this model is handed one image per question, so that it would read "
                "demonstrations without seeing them; run without it, or with --model resflamingo "
                "or reshf"
            )
    handed, notes, facts = zip(*(_handed(doc, image) for image in images_of(doc)), strict=True)
    sizes = " and ".join(f"{image.width}x{image.height}" for image in handed)
    what = "an image" if len(handed) == 1 else f"{len(handed)} images"
    LEDGER.renderings[SampleKey.of(doc)] = unattested(doc).model_copy(
        update={
            **{name: getattr(facts[0], name) for name in _KNOWN},
            "evidence": f"none: {what} of {sizes} px was handed over",
            "notes": tuple(dict.fromkeys(note for own in notes for note in own)),
            "images": facts if len(facts) > 1 else (),
        }
    )
    return list(handed)


_KNOWN = ("source", "information", "capped", "microns")


def _handed(doc: Document, locator: str) -> tuple[Image, tuple[str, ...], ImageAttestation]:
    """An image as such a model is handed it, what is to be noted, and what is known of it."""
    from resolution_eval.images import decode, render, resize

    decoded = decode(image_bytes(doc, locator))
    resolution = parse_resolution(doc["resolution"])
    source = Size(*decoded.image.size)
    rendered = render(decoded.image, resolution, doc["filter"])
    facts = ImageAttestation(
        microns=decoded.microns_at(Size(*rendered.size)),
        source=(source.width, source.height),
        information=rendered.size,
        capped=is_capped(source, resolution),
        expected_grid=None,
        grid=None,
        visual_tokens=None,
    )
    if doc["scheme"] == "restore":
        rendered = resize(rendered, source, doc["filter"])
    return rendered, decoded.notes, facts


def doc_to_text(doc: Document) -> str:
    """The question, with its lettered options where it has any, and how to answer."""
    return _asked(doc["question"], tuple(doc["choices"]))


@lru_cache(maxsize=4096)
def _asked(question: str, choices: tuple[str, ...]) -> str:
    """The text of a question, one object for all documents that ask it."""
    return question_text(question, choices)


def doc_to_target(doc: Document) -> str:
    """The right answer's text."""
    return str(doc["answer"])


def process_results(doc: Document, results: list[str]) -> dict[str, Any]:
    """The figures that one response to `doc` contributes to, its verdict and its attestation."""
    verdict, attestation = verdict_of(doc, results[0])
    failed = verdict.correct is None
    status = attestation.status
    # lmms-eval puts a standard error beside every metric whose items hold "score": right for a
    # cell's accuracy, wrong for every other row, whose items therefore hold "correct".
    cell = {"cluster": verdict.cluster, "status": status}
    point = {
        "sample": verdict.sample,
        "resolution": verdict.resolution,
        "status": status,
        "correct": verdict.correct,
        "training": attestation.training,
    }
    classes = {"target": verdict.target, "prediction": verdict.prediction}
    scored = {} if failed else {"score": verdict.correct}
    figures: dict[str, Any]
    if verdict.form == "open":
        overlap = {} if failed else {"score": verdict.f1}
        figures = {
            f"em@{verdict.resolution}": {**cell, **scored},
            f"f1@{verdict.resolution}": {**cell, **overlap},
            "em_worst_drop": point,
            "em_area": point,
            **(judgement_rows(verdict, cell) if doc.get("judge") else {}),
        }
    else:
        figures = {
            f"acc@{verdict.resolution}": {**cell, **scored},
            "bacc@train": {**point, **classes},
            "worst_drop": point,
            "area": point,
        }
    return {
        **figures,
        "unparseable": _unparseable(verdict, attestation),
        "failed": _COUNTED[failed],
        "mismatched": _COUNTED[status == "mismatched"],
        "data": _data(doc["data"], doc["fingerprint"]),
        "verdict": verdict.model_dump(mode="json"),
        "attestation": _dumped(attestation),
        **_told(doc),
    }


# lmms-eval keeps all that a sample contributes until the last one is answered: what is the same for
# many samples is one object for them all.
_COUNTED = {known: {"count": int(known)} for known in (False, True)}


def _unparseable(verdict: Verdict, attestation: Attestation) -> dict[str, Any]:
    """Whether an answer could not be read, and why, where a limit cut its thinking."""
    if verdict.prediction is not None or verdict.correct is None:
        return _COUNTED[False]
    cut = next(filter(is_cut, attestation.notes), None)
    return _COUNTED[True] if cut is None else {"count": 1, "cut": cut}


@lru_cache(maxsize=64)
def _data(data: str, fingerprint: str) -> dict[str, str]:
    return {"data": data, "fingerprint": fingerprint}


@lru_cache(maxsize=4096)
def _dumped(facts: Attestation | Cost) -> dict[str, Any]:
    return facts.model_dump(mode="json")


def _told(doc: Document) -> dict[str, Any]:
    """What this process alone knows, for the samples file: the sample's cost where it was answered
    here and now, and once per data set the facts of the run.

    lmms-eval aggregates only the metrics that a task's YAML names; these it writes and passes over.
    """
    cost = LEDGER.costs.get(SampleKey.of(doc))
    told: dict[str, Any] = {} if cost is None else {"cost": _dumped(cost)}
    source = _SOURCES.get(doc["dataset"])
    if source is not None and doc["dataset"] not in LEDGER.told:
        LEDGER.told.add(doc["dataset"])
        checkpoint = None if LEDGER.describe is None else LEDGER.describe()
        told["run"] = run_facts(data_facts(source), checkpoint).model_dump(mode="json")
    return told
