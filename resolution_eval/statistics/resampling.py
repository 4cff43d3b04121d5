"""Paired answers, and their accuracies resampled by cluster: one draw serves every resolution."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.curves import FloatArray, Withheld

IntArray = NDArray[np.int64]
CHUNK = 1 << 16
"""How many cluster counts are held at once: few enough to stay in the processor's cache."""


FAILED_SHARE = 0.05
"""Above this share of failed samples in a column its figures are withheld."""


@dataclass(frozen=True, eq=False)
class AnswerMatrix:
    """What the same samples scored in each column (a resolution, or a model at a resolution).

    Raises:
        RecordError: nothing to score, shapes that do not fit, or a score that is not within [0, 1].
    """

    correct: FloatArray
    """Score in [0, 1] of every sample (row) in every column."""
    clusters: IntArray
    """Which patient, slide or image each sample belongs to, numbered from 0 without gaps."""
    left_out: int = 0
    """Samples without a score in at least one column, failed ones among them; in no row."""
    samples: tuple[str, ...] = ()
    """Name of every row, where known."""
    failed: FloatArray | None = None
    """Scores of the samples that failed in a column: not a number there."""

    def __post_init__(self) -> None:
        if self.correct.ndim != 2 or 0 in self.correct.shape:
            raise RecordError(
                f"no sample has an answer in every column (scores of shape {self.correct.shape}, "
                f"{self.left_out} left out); score the same samples at every resolution"
            )
        if self.clusters.shape != self.correct.shape[:1]:
            raise RecordError(
                f"{len(self.correct)} samples but {len(self.clusters)} cluster labels; "
                "every sample needs one"
            )
        if not ((self.correct >= 0) & (self.correct <= 1)).all():
            raise RecordError(
                "scores must lie within 0 and 1, and none may be NaN; leave failed samples out"
            )

    def totals(self) -> FloatArray:
        """Per cluster the sum of every column and, last, the number of samples; rows sorted.

        Sorting makes every figure and interval independent of the order of samples and clusters.
        """
        columns = [*self.correct.T, np.ones(len(self.correct))]
        sums = np.array([np.bincount(self.clusters, column) for column in columns], dtype=float)
        return sums.T[np.lexsort(sums)]

    def pick(self, columns: Sequence[int]) -> AnswerMatrix:
        """The same samples in some of the columns."""
        chosen = list(columns)
        failed = None if self.failed is None else self.failed[:, chosen]
        return replace(self, correct=self.correct[:, chosen], failed=failed)

    @property
    def slack(self) -> tuple[FloatArray, FloatArray]:
        """How far below, and above, each column's mean over all samples may lie.

        Were every failed answer wrong, or every one right: the worst cases of what is not known.
        """
        if self.failed is None or not len(self.failed):
            return np.zeros(self.correct.shape[1]), np.zeros(self.correct.shape[1])
        count, mean = len(self.correct) + len(self.failed), self.correct.mean(axis=0)
        least = (self.correct.sum(axis=0) + np.nansum(self.failed, axis=0)) / count
        most = least + np.isnan(self.failed).sum(axis=0) / count
        return np.maximum(mean - least, 0.0), np.maximum(most - mean, 0.0)

    @property
    def withheld(self) -> Withheld | None:
        """Why no figure may be given: too many samples failed. None where they are few."""
        if self.failed is None:
            return None
        count, failures = len(self.correct) + len(self.failed), np.isnan(self.failed).sum(axis=0)
        if failures.max(initial=0) <= FAILED_SHARE * count:
            return None
        return Withheld(
            f"{int(failures.max())} of {count} samples failed, more than {FAILED_SHARE:.0%}: "
            "run them again"
        )


def align(
    scores: Sequence[Mapping[str, float | None]], clusters: Mapping[str, Hashable] | None = None
) -> AnswerMatrix:
    """The samples scored in every column, paired; `scores` maps sample to score, once per column.

    A score of None or NaN is a failed sample: it is left out of all columns, and widens every
    interval to its worst cases. A sample absent from a column was not asked there: it is left out
    and says nothing. Both are counted in `left_out`. Without `clusters` every sample is a cluster
    of its own.

    Raises:
        RecordError: no sample is in every column, one has no cluster, or a score is not in [0, 1].

    Example:
        >>> low, high = {"a": 0.0, "b": 1.0, "d": None}, {"b": 1.0, "a": 1.0, "c": 0.0, "d": 1.0}
        >>> patients = {"a": "patient 1", "b": "patient 1", "c": "patient 2", "d": "patient 2"}
        >>> paired = align([low, high], patients)
        >>> paired.correct.tolist(), paired.clusters.tolist(), paired.left_out
        ([[0.0, 1.0], [1.0, 1.0]], [0, 0], 2)
        >>> paired.failed.tolist(), [slack.round(3).tolist() for slack in paired.slack]
        ([[nan, 1.0]], [[0.167, 0.0], [0.167, 0.0]])
    """
    everywhere = set(scores[0]).intersection(*scores[1:]) if scores else set()
    anywhere = set().union(*scores)
    asked = sorted(everywhere)
    if clusters is not None and (lacking := [name for name in asked if name not in clusters]):
        raise RecordError(
            f"{len(lacking)} samples have no cluster, first {lacking[0]!r}; name one for each"
        )
    rows = np.array([[column[name] for column in scores] for name in asked], dtype=float)
    rows = rows.reshape(len(asked), len(scores))
    broken = np.isnan(rows).any(axis=1)
    samples = [name for name, bad in zip(asked, broken, strict=True) if not bad]
    labels = [name if clusters is None else clusters[name] for name in samples]
    codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    return AnswerMatrix(
        rows[~broken],
        np.array([codes[label] for label in labels], dtype=np.int64),
        len(anywhere) - len(samples),
        tuple(samples),
        rows[broken],
    )


def ratios(totals: FloatArray) -> FloatArray:
    """Column sums over the number of samples, which is the last column."""
    return np.asarray(totals[..., :-1] / totals[..., -1:])


@dataclass(frozen=True, eq=False)
class Resamples:
    """Accuracies of every column, observed and in every resample of the clusters."""

    answers: AnswerMatrix
    draws: FloatArray
    """Accuracy (resamples, columns); the same clusters are drawn for all columns of a row."""
    seed: int

    @cached_property
    def totals(self) -> FloatArray:
        """Observed sums per cluster, as `AnswerMatrix.totals` gives them."""
        return self.answers.totals()

    @cached_property
    def accuracy(self) -> FloatArray:
        """Observed accuracy of every column."""
        return ratios(self.totals.sum(axis=0))

    @property
    def clusters(self) -> int:
        """How many clusters are resampled."""
        return len(self.totals)

    @property
    def n(self) -> int:
        """Samples in every column."""
        return len(self.answers.correct)

    @cached_property
    def effective(self) -> float:
        """Clusters of equal size that would say as much: (sum n_c)^2 / sum n_c^2, at least 2.

        Source: Carter, Schnepel and Steigerwald 2017, Review of Economics and Statistics 99.
        """
        sizes = self.totals[:, -1]
        return max(float(sizes.sum() ** 2 / (sizes**2).sum()), 2.0)

    @cached_property
    def simple(self) -> bool:
        """Whether every sample stands alone and is right or wrong: then no error is estimated."""
        return self.clusters == self.n and bool(np.isin(self.answers.correct, (0.0, 1.0)).all())

    def quantile(self, tail: float) -> float:
        """What `tail` of the standardised errors exceed: Student's, for E - 1 degrees of freedom.

        The normal one where the samples are `simple`.
        """
        return float(-ndtri(tail) if self.simple else -stdtrit(self.effective - 1, tail))

    @cached_property
    def covariance(self) -> FloatArray:
        """Of the columns' accuracies, from the clusters' totals (columns, columns).

        Source: Liang and Zeger 1986, Biometrika 73, with C / (C - 1); without it where `simple`.
        """
        residuals = self.totals[:, :-1] - self.totals[:, -1:] * self.accuracy
        widening = 1.0 if self.simple else self.clusters / max(self.clusters - 1, 1)
        return np.asarray(residuals.T @ residuals * widening / self.n**2)

    @property
    def widening(self) -> float:
        """By how much draws are widened for E effective clusters: by sqrt(E / (E - 1)), and by how
        much Student's quantile exceeds the normal one.
        """
        widening = np.sqrt(self.effective / (self.effective - 1))
        return float(widening * (stdtrit(self.effective - 1, 0.975) / ndtri(0.975)))

    def pick(self, columns: Sequence[int]) -> Resamples:
        """The same draws of some of the columns."""
        chosen = list(columns)
        return Resamples(self.answers.pick(chosen), self.draws[:, chosen], self.seed)


def undrawn(answers: AnswerMatrix, seed: int = 0) -> Resamples:
    """Accuracies of `answers` without a draw, for what is in closed form."""
    return Resamples(answers, np.empty((0, answers.correct.shape[1])), seed)


def plain(
    scores: FloatArray | NDArray[np.bool_], clusters: Sequence[Hashable] | IntArray | None
) -> Resamples:
    """One score in [0, 1] per sample, as the closed forms take them; None: each its own cluster."""
    labels = np.arange(len(scores)) if clusters is None else np.asarray(clusters)
    codes = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return undrawn(AnswerMatrix(np.asarray(scores, dtype=float)[:, None], codes))


def resample(answers: AnswerMatrix, *, seed: int, resamples: int = 2_000) -> Resamples:
    """Accuracies of `answers` in draws, with replacement, of as many clusters as it has.

    The generator is `numpy.random.default_rng(seed)`. The order of samples does not matter.

    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8.

    Example:
        >>> paired = align([{"a": 0, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}])
        >>> drawn = resample(paired, seed=7, resamples=1000)
        >>> drawn.draws.shape, drawn.accuracy.round(3).tolist(), drawn.clusters
        ((1000, 2), [0.667, 1.0], 3)
    """
    sums = draw_totals(answers.totals(), np.random.default_rng(seed), resamples)
    return Resamples(answers, ratios(sums), seed)


def draw_totals(totals: FloatArray, rng: np.random.Generator, resamples: int) -> FloatArray:
    """Sums over clusters (resamples, columns) of `totals` rows drawn with replacement.

    Clusters with equal rows are interchangeable, so only how many of each kind are drawn is drawn:
    8 resolutions of right or wrong answers have at most 256 kinds, however many samples there are.
    """
    kinds, sizes = _kinds(totals)
    if len(kinds) * 3 < len(totals):
        drawn, rows = draw_counts(len(kinds), rng, resamples, sizes), kinds
    else:
        drawn, rows = draw_counts(len(totals), rng, resamples), totals
    return np.concatenate([counts.astype(float) @ rows for counts in drawn])


def draw_counts(
    count: int, rng: np.random.Generator, resamples: int, sizes: IntArray | None = None
) -> Iterator[IntArray]:
    """How often each of `count` clusters, or of as many kinds of so many clusters (`sizes`), is
    drawn: some resamples at a time (resamples, count).
    """
    if resamples < 1:
        raise ValueError(f"need at least one resample, found {resamples}")
    step = max(1, CHUNK // count)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        if sizes is not None:
            yield rng.multinomial(int(sizes.sum()), sizes / sizes.sum(), size=rows)
        else:
            drawn = rng.integers(0, count, size=(rows, count)) + np.arange(rows)[:, None] * count
            yield np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)


def _kinds(totals: FloatArray) -> tuple[FloatArray, IntArray]:
    """The distinct rows, and how many rows equal each (as `numpy.unique`, several times faster)."""
    ordered = totals[np.lexsort(totals.T)]
    new = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    return ordered[new], np.diff(np.r_[np.flatnonzero(new), len(ordered)])
