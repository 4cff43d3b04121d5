"""Data sets as people read them: a list of all, and all that is known of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from resolution_eval.data.cards import GENERATED, TaskCard, task_cards
from resolution_eval.data.sources import Source, at_hand, ways
from resolution_eval.data.sources.source import samples_of
from resolution_eval.datasets.image_overlap import told
from resolution_eval.ground.errors import DataError, UsageError, suggest
from resolution_eval.resolution import label


@dataclass(frozen=True, kw_only=True)
class DataMeasures:
    """What a data set at hand holds."""

    source: str
    revision: str
    samples: dict[str, int]
    """Per split."""
    closed: int
    """Test questions with one of few answers."""
    open: int
    clusters: int
    """Clusters of the test split."""
    largest: int
    """Test samples of the largest cluster."""
    excluded: dict[str, int]
    """Rows that are no samples, per reason."""
    notes: tuple[str, ...]


def find_card(name: str) -> TaskCard:
    """The card of the data set, or task, `name`.

    Raises:
        UsageError: there is none.
    """
    cards = task_cards()
    key = name.removesuffix("_res")
    if key not in cards:
        raise UsageError(f"no data set is named {name!r}; {suggest(key, cards)}")
    return cards[key]


def entries(*, modality: str | None = None, state: str | None = None) -> list[dict[str, str]]:
    """Every data set: name, task, modality, source, n, and whether it is at hand; or those whose
    modality holds a text, and those of a state.

    Raises:
        UsageError: no data set has such a modality.
    """
    wanted = (modality or "").lower()
    cards = [card for card in task_cards().values() if wanted in card.modality.lower()]
    if not cards:
        known = sorted({card.modality for card in task_cards().values()})
        raise UsageError(f"no data set has the modality {modality!r}; {suggest(wanted, known)}")
    rows = [
        {
            "name": card.name,
            "modality": card.modality,
            "source px": source_size(card),
            "n": published_count(card),
            "state": _state(card),
        }
        for card in cards
    ]
    return [row for row in rows if state in (None, row["state"])]


def list_datasets(rows: list[dict[str, str]] | None = None) -> str:
    """The entries in a table of text, all where none are given."""
    from tabulate import tabulate

    rows = entries() if rows is None else rows
    return tabulate(rows, headers="keys") if rows else "none"


def _state(card: TaskCard) -> str:
    if card.refused:
        return "refused"
    try:
        if at_hand(card) is not None:
            return "at hand"
    except DataError:
        return "damaged"
    if card.registration:
        return "registration needed"
    published = [file for file in (card.npz, card.archive) if file and file.md5 and file.download]
    pinned = card.hub is not None and card.hub.revision
    return "downloaded when run" if published or pinned else "to be brought"


def describe(card: TaskCard) -> str:
    """All that the card says, each way to get the data, and what the data at hand holds."""
    lines = [f"{key:13} {value}" for key, value in _facts(card) if value]
    lines += ["", "how to get it:"]
    lines += [f"  {number}. {way}" for number, way in enumerate(ways(card), start=1)]
    if not GENERATED & set(card.sources):
        lines += ["", "share of its test images in train splits of other sets, by their pixels:"]
        lines += [f"  {line}" for line in told(card.name)]
    source = at_hand(card)
    if source is not None:
        lines += ["", "at hand:", *(f"  {line}" for line in _measured_lines(measure(source)))]
    return "\n".join(lines)


def _facts(card: TaskCard) -> Iterator[tuple[str, str]]:
    yield "name", f"{card.name} (task {card.name}_res)"
    yield "title", card.title
    yield "refused", card.refused or ""
    yield "modality", card.modality
    yield "kind", f"{card.kind}, {' and '.join(card.forms)}"
    yield "source", f"{source_size(card)} px"
    yield "resolutions", ", ".join(label(r) for r in card.resolutions)
    yield "cap", f"{card.cap} px: {card.cap_reason}" if card.cap else ""
    yield "n", ", ".join(f"{count:,} {split}" for split, count in card.counts.items())
    yield "chance", f"{card.chance:.3f}"
    yield "cluster", card.cluster
    yield "prompt", card.question or "each question's own"
    yield "licence", f"{card.licence}, {card.licence_url}"
    yield "registration", card.registration or ""
    yield "citation", card.citation
    yield "revision", card.revision
    yield "groups", ", ".join(f"{group}_res" for group in card.groups)
    yield "remark", card.remark or ""
    yield "unconfirmed", ", ".join(card.unconfirmed)


def measure(source: Source) -> DataMeasures:
    """What `source` holds, split by split."""
    splits = {split: samples_of(source, split) for split in ("train", "val", "test")}
    test = splits["test"]
    clusters = Counter(sample.cluster for sample in test)
    return DataMeasures(
        source=source.name,
        revision=source.revision,
        samples={split: len(samples) for split, samples in splits.items() if samples},
        closed=sum(sample.form == "closed" for sample in test),
        open=sum(sample.form == "open" for sample in test),
        clusters=len(clusters),
        largest=max(clusters.values(), default=0),
        excluded=dict(Counter(exclusion.reason for exclusion in source.excluded)),
        notes=tuple(source.notes),
    )


def _measured_lines(measures: DataMeasures) -> Iterator[str]:
    yield f"{measures.source}, {measures.revision}"
    yield ", ".join(f"{count:,} {split}" for split, count in measures.samples.items())
    if measures.open:
        yield f"{measures.closed} closed and {measures.open} open test questions"
    yield f"{measures.clusters:,} clusters in test, the largest of {measures.largest}"
    for reason, count in measures.excluded.items():
        yield f"excluded: {count:,} ({reason})"
    yield from measures.notes


def source_size(card: TaskCard) -> str:
    if card.source_width and card.source_height:
        size = f"{card.source_width} x {card.source_height}"
        return f"{size}, cap {card.cap}" if card.cap else size
    return card.source_note or "varies"


def published_count(card: TaskCard) -> str:
    return f"{card.counts['test']:,}" if "test" in card.counts else "not published"
