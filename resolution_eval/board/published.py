"""Published rows: accuracies that papers print, shown with their source and outside the ranking.

    leaderboard/published/NAME.json     one source each, its figures as printed

No answer of theirs is at hand, so they have no interval, no attestation and no rank.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resolution_eval import paths
from resolution_eval.board.submission import Name, Sentence, Strategy, Url
from resolution_eval.errors import RecordError
from resolution_eval.records.bounded import read_document


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Source(_Document):
    """Where the figures were printed."""

    title: Sentence
    authors: Name
    venue: Name
    url: Url
    note: Sentence
    """What a reader must know to compare them with measured rows."""


class PublishedCell(_Document):
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


class _Row(_Document):
    model: Name
    kind: Name
    strategy: Strategy
    cells: Annotated[tuple[PublishedCell, ...], Field(strict=False, min_length=1)]


class _File(_Document):
    source: Source
    rows: Annotated[tuple[_Row, ...], Field(strict=False, min_length=1)]


class PublishedRow(_Row):
    """One model as one source prints it."""

    key: Name
    """Unique and stable."""
    source: Source


def read_published(folder: Path | None = None) -> tuple[PublishedRow, ...]:
    """The rows of every source in `folder`, the repository's by default, as printed.

    Raises:
        RecordError: a file breaks its schema.
    """
    files = sorted((folder or paths.leaderboard() / "published").glob("*.json"))
    return tuple(row for file in files for row in _rows(file))


def _rows(file: Path) -> list[PublishedRow]:
    try:
        read = _File.model_validate(read_document(file))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise RecordError(f"{file}: {place}: {fault['msg']}") from error
    return [
        PublishedRow(**dict(row), key=f"{file.stem}-{number}", source=read.source)
        for number, row in enumerate(read.rows, start=1)
    ]
