"""Published: accuracies that others print, shown with their source and outside the ranking.

    leaderboard/published/NAME.json      rows of one source each, as printed
    leaderboard/curves/published.json    accuracies by size of real models, with their sources

No answer of theirs is at hand, so they have no interval, no attestation and no rank.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from resolution_eval.board.submission import Name, Sentence, Strategy, Url
from resolution_eval.ground import paths
from resolution_eval.records.bounded import Document, read_as

PUBLISHED = "published"
NEAR = 0.02
"""Share of its best score that a model may lose at a size that is called enough."""


class PublishedSource(Document):
    """Where the figures were printed."""

    title: Sentence
    authors: Name
    venue: Name
    url: Url
    note: Sentence
    """What a reader must know to compare them with measured rows."""


class PublishedCell(Document):
    """One printed accuracy."""

    dataset: Name
    """The data set as the source names it."""
    card: Name | None
    """Name of our card of the same data; null where we have none."""
    resolution: Name
    """Inference resolution as the source names it."""
    accuracy_percent: Annotated[float, Field(ge=0, le=100, strict=False)]

    @property
    def accuracy(self) -> float:
        """As a fraction."""
        return self.accuracy_percent / 100


class _PublishedLine(Document):
    model: Name
    kind: Name
    strategy: Strategy
    cells: Annotated[tuple[PublishedCell, ...], Field(strict=False, min_length=1)]


class _PublishedFile(Document):
    source: PublishedSource
    rows: Annotated[tuple[_PublishedLine, ...], Field(strict=False, min_length=1)]


class PublishedRow(_PublishedLine):
    """One model as one source prints it."""

    key: Name
    """Unique and stable."""
    source: PublishedSource


def read_published(folder: Path | None = None) -> tuple[PublishedRow, ...]:
    """The rows of every source in `folder`, the repository's by default, as printed.

    Raises:
        RecordError: a file breaks its schema.
    """
    files = sorted((folder or paths.leaderboard() / PUBLISHED).glob("*.json"))
    return tuple(row for file in files for row in read_figures(file))


def read_figures(file: Path) -> list[PublishedRow]:
    """The rows of one source.

    Raises:
        RecordError: the file breaks its schema.
    """
    published = read_as(_PublishedFile, file)
    return [
        PublishedRow(**dict(row), key=f"{file.stem}-{number}", source=published.source)
        for number, row in enumerate(published.rows, start=1)
    ]


class _Source(Document):
    id: Name
    title: Sentence
    url: Url
    read: Sentence
    """Whether the authors' own text was read, or a third party's copy."""
    collected: Name


class _Printed(Document):
    at: Name
    """Size, or number of tokens, as the source names it."""
    value: Annotated[float, Field(strict=False)]
    trained: Name | None = None


class Series(Document):
    """What one source prints of one model on one task, size by size."""

    source: Name
    model: Name
    hub_id: Name | None
    task: Name
    metric: Name
    same_weights: bool
    """Whether one set of weights was shown several sizes; else each size has a checkpoint."""
    axis: Name
    where: Name
    caution: Sentence
    points: Annotated[tuple[_Printed, ...], Field(strict=False, min_length=2)]


class _File(Document):
    sources: Annotated[tuple[_Source, ...], Field(strict=False)]
    series: Annotated[tuple[Series, ...], Field(strict=False)]


class PrintedSource(NamedTuple):
    """A source with its series."""

    source: _Source
    curves: tuple[Series, ...]
    """One set of weights at several sizes."""
    pairs: tuple[Series, ...]
    """A checkpoint for each size."""


class InShort(NamedTuple):
    """One model as one source prints it, on all its tasks."""

    model: str
    best: str
    """Size with the best score in most tasks, as the source names it; of equals the first."""
    wins: int
    """Tasks in which it is the best one, or as good."""
    enough: str | None
    """First size within `NEAR` of the best in every task; None where no one size is."""
    shares: tuple[str, ...]
    """Of each size, what part of a task's best score it has: the worst task and the best."""
    tasks: int
    source: str
    url: str


def in_short(sources: Iterable[PrintedSource]) -> tuple[InShort, ...]:
    """One line for every model of which one set of weights was shown several sizes: the printed
    figures, each task against its own best; no interval is known.
    """
    return tuple(
        _short(one.source, model, [each for each in one.curves if each.model == model])
        for one in sources
        for model in dict.fromkeys(each.model for each in one.curves)
    )


def _short(source: _Source, model: str, curves: Sequence[Series]) -> InShort:
    names = dict.fromkeys(point.at for each in curves for point in each.points)
    sizes = sorted(names, key=_first_number)
    wins = {size: sum(_share(each, size) == 1 for each in curves) for size in sizes}
    near = [size for size in sizes if all(_share(each, size) >= 1 - NEAR for each in curves)]
    best, axis = max(wins, key=lambda size: wins[size]), curves[0].axis
    return InShort(
        model=model,
        best=_named(best, axis),
        wins=wins[best],
        enough=_named(near[0], axis) if near else None,
        shares=tuple(_range(curves, size) for size in sizes),
        tasks=len(curves),
        source=source.title.partition(":")[0],
        url=source.url,
    )


def _first_number(size: str) -> float:
    """That of a size's name, by which sizes are put in order; those without one stand last."""
    match = re.search(r"\d+", size)
    return float(match.group()) if match else float("inf")


def _range(curves: Sequence[Series], size: str) -> str:
    percents = sorted(round(100 * _share(each, size)) for each in curves if _share(each, size))
    short = size.partition(" (")[0]
    return (
        f"{short}: {percents[0]}–{percents[-1]} %"
        if percents[0] < percents[-1]
        else f"{short}: {percents[0]} %"
    )


def _share(series: Series, size: str) -> float:
    """Of the task's best score, at `size`; 0 where the source has none."""
    best = max(point.value for point in series.points)
    return next((point.value / best for point in series.points if point.at == size), 0.0)


def _named(size: str, axis: str) -> str:
    """A size in words: a bare number is of what the axis counts."""
    number, _, about = size.removesuffix(")").partition(" (image tokens")
    if about:
        about = about.removeprefix(" per image").strip(" ,")
        return f"{number} tokens, {about[1:-1] if about.startswith('(') else about}"
    stated = re.search(rf"\b{re.escape(size)} (\d[\d,]*\d)", axis)
    if size.isdigit():
        return f"{size} tokens" if "token" in axis else size
    return f"{size} ({stated[1]} tokens)" if stated else size


def printed(folder: Path | None = None) -> Iterator[PrintedSource]:
    """Every source of `folder`, the repository's by default.

    Raises:
        RecordError: the file breaks its schema.
    """
    path = (folder or paths.leaderboard() / "curves") / "published.json"
    if not path.is_file():
        return
    file = read_as(_File, path)
    for source in file.sources:
        mine = [each for each in file.series if each.source == source.id]
        yield PrintedSource(
            source,
            tuple(each for each in mine if each.same_weights),
            tuple(each for each in mine if not each.same_weights),
        )
