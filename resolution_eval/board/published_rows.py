"""Published rows: accuracies that papers print, shown with their source and outside the ranking.

    leaderboard/published/NAME.json     one source each, its figures as printed

No answer of theirs is at hand, so they have no interval, no attestation and no rank.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from resolution_eval.board.document import Document, read
from resolution_eval.board.submission import Name, Sentence, Strategy, Url
from resolution_eval.ground import paths

PUBLISHED = "published"


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
    published = read(file, _PublishedFile)
    return [
        PublishedRow(**dict(row), key=f"{file.stem}-{number}", source=published.source)
        for number, row in enumerate(published.rows, start=1)
    ]
