"""Sampling: scores by sample as the statistics take them, resampled, and bounded where some lack.

A sample that failed has no verdict. Figures are made of the samples that have one everywhere; their
intervals reach from what they would be with every other sample at its worst to every one at its
best. The seed of a resample follows from the scores themselves, so a figure has the same digits
whatever else is shown beside it, and in whatever order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from resolution_eval.analysis.soundness import MOST_LACKING
from resolution_eval.records import Scores
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.resampling import Answers, Resampled, align, resample

DRAWS = 4_000
"""Resamples of every bootstrap: enough for the third digit of an interval's ends."""

Figure = Interval | Withheld
Solution = Callable[[Resampled], Figure]


@dataclass(frozen=True, eq=False)
class Columns:
    """Scores by sample, once per column, and every sample's cluster."""

    values: Sequence[Mapping[str, float]]
    """Only the samples with a verdict."""
    clusters: Mapping[str, str]
    """Of every sample that was asked for."""

    def aligned(self) -> Answers:
        """The samples that every column has."""
        return align(self.values, self.clusters)

    def filled(self, scores: Sequence[float]) -> Answers:
        """Every sample, those without a verdict with their column's score of `scores`."""
        blank = [dict.fromkeys(self.clusters, score) for score in scores]
        return align(
            [{**empty, **mine} for empty, mine in zip(blank, self.values, strict=True)],
            self.clusters,
        )

    @cached_property
    def lacking(self) -> tuple[int, ...]:
        """Samples without a verdict, per column."""
        return tuple(len(self.clusters) - len(column) for column in self.values)

    @property
    def left_out(self) -> int:
        """Samples that at least one column lacks."""
        return len(self.clusters) - len(set(self.clusters).intersection(*self.values))

    @property
    def flaw(self) -> Withheld | None:
        """Why no figure is made of the columns: too many samples have no verdict."""
        most, wanted = max(self.lacking, default=0), len(self.clusters)
        if most <= MOST_LACKING * wanted:
            return None
        return Withheld(f"{most} of {wanted} samples have no verdict, more than {MOST_LACKING:.0%}")

    def pick(self, columns: Sequence[int]) -> Columns:
        """Some of the columns, in this order."""
        return Columns([self.values[i] for i in columns], self.clusters)

    def beside(self, other: Columns) -> Columns:
        """These columns and the other's, of the samples that both were asked."""
        shared = self.clusters.keys() & other.clusters.keys()
        values = [
            {sample: score for sample, score in column.items() if sample in shared}
            for column in (*self.values, *other.values)
        ]
        return Columns(values, {name: self.clusters[name] for name in sorted(shared)})


def column_scores(scores: Scores, target: str | None = None) -> Columns:
    """The columns of `scores`, and only the samples of one class if named."""
    wanted = np.array([target in (None, mine) for mine in scores.targets], dtype=bool)
    names = [name for name, use in zip(scores.samples, wanted, strict=True) if use]
    clusters = [name for name, use in zip(scores.clusters, wanted, strict=True) if use]
    values = [
        {name: float(v) for name, v in zip(names, column, strict=True) if not np.isnan(v)}
        for column in scores.correct[wanted].T
    ]
    return Columns(values, dict(zip(names, clusters, strict=True)))


def seed_of(answers: Answers) -> int:
    """The seed of every draw from `answers`: a digest of its samples, clusters and scores.

    The order of samples, and of columns, does not matter.
    """
    order = np.argsort(answers.samples) if answers.samples else np.arange(len(answers.correct))
    frame = hashlib.sha256(
        repr([answers.samples[i] for i in order] if answers.samples else "").encode()
    )
    frame.update(answers.clusters[order].tobytes())
    columns = sorted(hashlib.sha256(c[order].tobytes()).digest() for c in answers.correct.T)
    frame.update(b"".join(columns))
    return int.from_bytes(frame.digest()[:4])


def resampled(answers: Answers) -> Resampled:
    """The accuracies of `answers` in resamples of the clusters, always the same ones."""
    return resample(answers, seed=seed_of(answers), resamples=DRAWS)


def bounded(columns: Columns, signs: Sequence[int], solution: Solution) -> Figure:
    """The figure that `solution` makes of `columns`, its interval widened by what has no verdict.

    `signs` says of every column whether the figure rises (1) or falls (-1) with its accuracy, or
    which of both is not known (0): then both ends of that column are tried. Withheld where a column
    lacks more than `MOST_LACKING` of its samples.
    """
    if columns.flaw is not None:
        return columns.flaw
    found = solution(resampled(columns.aligned()))
    if not columns.left_out or isinstance(found, Withheld):
        return found
    ends = [solution(resampled(columns.filled(scores))) for scores in _worst(columns, signs)]
    if withheld := next((end for end in ends if isinstance(end, Withheld)), None):
        return withheld
    known = [found, *(end for end in ends if isinstance(end, Interval))]
    return replace(found, low=min(e.low for e in known), high=max(e.high for e in known))


def _worst(columns: Columns, signs: Sequence[int]) -> list[tuple[float, ...]]:
    """What the samples without a verdict could have scored, at the figure's two extremes."""
    free = [i for i, sign in enumerate(signs) if not sign and columns.lacking[i]]
    found = []
    for direction in (1, -1):
        for ends in product((0.0, 1.0), repeat=len(free)):
            scores = [float(sign * direction > 0) for sign in signs]
            for place, end in zip(free, ends, strict=True):
                scores[place] = end
            found.append(tuple(scores))
    return list(dict.fromkeys(found))
