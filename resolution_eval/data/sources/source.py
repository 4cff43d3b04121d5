"""Source: what every source of a data set gives, samples and the bytes of their images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources.normal_form import matching
from resolution_eval.evidence.details import Detail
from resolution_eval.evidence.facts import MAX_EXCLUDED, DataFacts, ExcludedItem
from resolution_eval.evidence.verdict import Form
from resolution_eval.ground.errors import DataError, suggest

SPLITS = ("train", "val", "test")
NAMED_AT_MOST = 5
"""How many offending lines, files or labels an error names before it only counts the rest."""


@dataclass(frozen=True)
class Sample:
    """One question about one image, or about several."""

    id: str
    image: str
    """Locator of the image, the first where there are several, for the `read` of the source that
    gave this sample."""
    question: str
    answer: str
    choices: tuple[str, ...]
    """The options; empty for an open question."""
    cluster: str
    """Unit that the intervals resample."""
    split: str
    form: Form = "closed"
    """Whether the answer is one of few, by the data's own word, or for want of one by `choices`."""
    detail: Detail | None = None
    """What must be seen to answer, and how large it is; none where nobody said."""
    more: tuple[str, ...] = ()
    """Locators of the images after the first, in the order of the question."""

    @property
    def images(self) -> tuple[str, ...]:
        """Locators of all its images, in the order of the question."""
        return (self.image, *self.more)


@dataclass(frozen=True)
class Exclusion:
    """Something found that is not a sample, and why: samples + exclusions = what was found."""

    item: str
    reason: str
    split: str = "test"


class Source(Protocol):
    """A data set that was found."""

    @property
    def name(self) -> str:
        """Kind of source, as in the key `sources` of a card."""

    @property
    def revision(self) -> str:
        """Version of the data that was found, as far as the source itself tells."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids, labels and image contents, whatever the order they are stored in."""

    @property
    def excluded(self) -> tuple[Exclusion, ...]:
        """What was found and is not a sample."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of scores on this data should know, each a sentence with its count."""

    def samples(self, split: str = "test") -> Sequence[Sample]:
        """The samples of one split, ordered by the SHA-256 of their id.

        Raises:
            DataError: the split is unknown or has no sample.
        """

    def read(self, locator: str) -> bytes:
        """The encoded image that a sample's `image` names.

        Raises:
            ImageError: it is missing or cannot be read.
        """


def data_summary(source: Source) -> str:
    """What the test split loaded and what it excluded, in one line: together all that was found.

    Example: "451 samples, 2 excluded (2 has no image), 1 note"
    """
    excluded = [exclusion for exclusion in source.excluded if exclusion.split == "test"]
    because = f" ({reasons(excluded)})" if excluded else ""
    count = len(source.notes)
    noted = f", {count} note{'s' if count > 1 else ''}" if count else ""
    return f"{len(source.samples('test'))} samples, {len(excluded)} excluded{because}{noted}"


def reasons(excluded: Iterable[Exclusion]) -> str:
    """Each reason, with how many there are of it."""
    counts = Counter(exclusion.reason for exclusion in excluded)
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))


def data_facts(source: Source) -> DataFacts:
    """The test split of `source`, and what it excluded from it, by name."""
    excluded = [exclusion for exclusion in source.excluded if exclusion.split == "test"]
    return DataFacts(
        source=source.name,
        revision=source.revision,
        loaded=len(source.samples("test")),
        excluded_total=len(excluded),
        excluded=tuple(
            ExcludedItem(item=each.item, reason=each.reason) for each in excluded[:MAX_EXCLUDED]
        ),
        notes=tuple(source.notes),
    )


def ordered(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """`samples` by the SHA-256 of their id: free of row order, and the first few mix classes."""
    return tuple(sorted(samples, key=lambda sample: sha256(sample.id.encode()).digest()))


def of_split(samples: Iterable[Sample], split: str, where: str) -> tuple[Sample, ...]:
    """The members of `split` among `samples`, in their order; `where` names the data in errors.

    Raises:
        DataError: the split is unknown or has no sample.
    """
    if split not in SPLITS:
        raise DataError(f"no split named {split!r}; {suggest(split, SPLITS)}")
    everything = tuple(samples)
    chosen = tuple(sample for sample in everything if sample.split == split)
    if not chosen:
        counts = dict(sorted(Counter(sample.split for sample in everything).items()))
        raise DataError(
            f"{where} has no sample in its {split} split; found {counts or 'no sample'}"
        )
    return chosen


def fingerprint(samples: Iterable[Sample], contents: Mapping[str, str]) -> str:
    """SHA-256 over every sample and the content hashes of its images (by locator), order-free."""
    rows = sorted(
        "\x1f".join(
            (
                sample.id,
                sample.split,
                sample.question,
                sample.answer,
                "\x1e".join(sample.choices),
                sample.cluster,
                *(contents[image] for image in sample.images),
                *(["open"] if sample.form == "open" else []),
                *([sample.detail.model_dump_json()] if sample.detail else []),
            )
        )
        for sample in samples
    )
    return sha256("\n".join(rows).encode()).hexdigest()


def samples_of(source: Source, split: str) -> tuple[Sample, ...]:
    """The samples of a split; none where the data has no such split."""
    try:
        return tuple(source.samples(split))
    except DataError:
        return ()


def class_of(label: str, card: TaskCard) -> str | None:
    """The class that a label in the data stands for; none where the card knows no such label.

    Labels are compared in normal form (see `spelling`).
    """
    known = matching(label, card.label_names)
    return matching(label if known is None else card.label_names[known], card.classes)


def listing(items: Sequence[str]) -> str:
    """`items` for an error message: the first few, and how many more there are."""
    more = len(items) - NAMED_AT_MOST
    return "; ".join(items[:NAMED_AT_MOST]) + (f"; and {more} more" if more > 0 else "")
