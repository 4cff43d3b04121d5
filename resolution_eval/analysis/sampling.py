"""Sampling: scores by sample as the statistics take them, and the seed and number of the draws.

A sample without a verdict is in no figure; the statistics widen each interval to its worst cases.
The seed follows from the scores themselves, so that a figure has the same digits whatever is shown
beside it, and in whatever order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from resolution_eval.records.answer_table import Scores
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval, accuracies, contrast
from resolution_eval.statistics.resampling import AnswerMatrix, Resamples, align, resample, undrawn

DRAWS = 2_000
"""Resamples wherever draws are needed: enough for the third digit of an interval's ends."""

Figure = Interval | Withheld


@dataclass(frozen=True, eq=False)
class Columns:
    """Scores by sample, once per column, and every sample's cluster."""

    values: Sequence[Mapping[str, float | None]]
    """Every sample that was asked for; None is one without a verdict."""
    clusters: Mapping[str, str]

    def aligned(self) -> AnswerMatrix:
        """The samples that every column has a verdict on; the others are kept as failed."""
        return align(self.values, self.clusters)

    @property
    def left_out(self) -> int:
        """Samples that at least one column has no verdict on."""
        return sum(any(column[name] is None for column in self.values) for name in self.clusters)

    def pick(self, columns: Sequence[int]) -> Columns:
        """Some of the columns, in this order."""
        return Columns([self.values[i] for i in columns], self.clusters)

    def beside(self, other: Columns) -> Columns:
        """These columns and the other's, of the samples that both were asked."""
        shared = sorted(self.clusters.keys() & other.clusters.keys())
        values = [{name: c[name] for name in shared} for c in (*self.values, *other.values)]
        return Columns(values, {name: self.clusters[name] for name in shared})


def column_scores(scores: Scores) -> Columns:
    """The columns of `scores`: no verdict where a sample failed, or is absent from its cell."""
    values = [
        {
            name: None if np.isnan(score) else float(score)
            for name, score in zip(scores.samples, column, strict=True)
        }
        for column in scores.correct.T
    ]
    return Columns(values, dict(zip(scores.samples, scores.clusters, strict=True)))


def seed_of(answers: AnswerMatrix) -> int:
    """The seed of every draw from `answers`: a digest of its samples, clusters and scores.

    The order of the columns does not matter, and that of the samples is always the same.
    """
    columns = sorted(hashlib.sha256(column.tobytes()).digest() for column in answers.correct.T)
    frame = [repr(answers.samples).encode(), answers.clusters.tobytes(), *columns]
    return seed_from(b"".join(frame))


def name_digest(name: str) -> bytes:
    """By which samples are ordered where their order is to follow from nothing but their names."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def seed_from(content: bytes) -> int:
    """A seed that follows from what is drawn from."""
    return int.from_bytes(hashlib.sha256(content).digest()[:4])


def resampled(answers: AnswerMatrix) -> Resamples:
    """The accuracies of `answers` in resamples of the clusters, always the same ones."""
    return resample(answers, seed=seed_of(answers), resamples=DRAWS)


def closed(answers: AnswerMatrix) -> Resamples:
    """The accuracies of `answers` without draws, for figures whose interval is in closed form."""
    return undrawn(answers, seed_of(answers))


def solved(columns: Columns, solution: Callable[[Resamples], Figure]) -> Figure:
    """The figure in closed form of `columns`; withheld where too many samples have no verdict."""
    if all(value is None for value in columns.values[0].values()):
        return Withheld("no sample has a verdict")
    answers = columns.aligned()
    return answers.withheld or solution(closed(answers))


def accuracy(columns: Columns, *, level: float = 0.95) -> Figure:
    """The accuracy of the only column."""
    return solved(columns, lambda drawn: accuracies(drawn, level=level)[0])


def difference(pair: Columns, *, level: float = 0.95) -> Figure:
    """Accuracy of the second column minus that of the first, paired by sample."""
    return solved(pair, lambda drawn: contrast(drawn, (-1, 1), level=level))
