"""Printed: accuracies by size of real models, as others published them; no grid was attested.

leaderboard/curves/published.json    the figures, with their sources
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from resolution_eval.board.document import Document, read
from resolution_eval.board.submission import Name, Sentence, Url
from resolution_eval.ground import paths


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


class Printed(NamedTuple):
    """A source with its series."""

    source: _Source
    curves: tuple[Series, ...]
    """One set of weights at several sizes."""
    pairs: tuple[Series, ...]
    """A checkpoint for each size."""


def printed(folder: Path | None = None) -> Iterator[Printed]:
    """Every source of `folder`, the repository's by default.

    Raises:
        RecordError: the file breaks its schema.
    """
    path = (folder or paths.leaderboard() / "curves") / "published.json"
    if not path.is_file():
        return
    found = read(path, _File)
    for source in found.sources:
        mine = [each for each in found.series if each.source == source.id]
        yield Printed(
            source,
            tuple(each for each in mine if each.same_weights),
            tuple(each for each in mine if not each.same_weights),
        )
