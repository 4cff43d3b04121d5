"""Paired answers, and their accuracies resampled by cluster: one draw serves every resolution."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from resolution_eval.errors import RecordError
from resolution_eval.statistics.curves import FloatArray

IntArray = NDArray[np.int64]
CHUNK = 1 << 16
"""How many cluster counts are held at once: few enough to stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What the same samples scored in each column (a resolution, or a model at a resolution).

    Raises:
        RecordError: nothing to score, shapes that do not fit, or a score that is not within [0, 1].
    """

    correct: FloatArray
    """Score in [0, 1] of every sample (row) in every column."""
    clusters: IntArray
    """Which patient, slide or image each sample belongs to, numbered from 0 without gaps."""
    left_out: int = 0
    """Samples without a score in at least one column; they are in no row."""
    samples: tuple[str, ...] = ()
    """Name of every row, where known."""

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


def align(
    scores: Sequence[Mapping[str, float]], clusters: Mapping[str, Hashable] | None = None
) -> Answers:
    """The samples scored in every column, paired; `scores` maps sample to score, once per column.

    Samples missing in a column (failed ones) are left out of all columns and counted in `left_out`.
    Without `clusters` every sample is a cluster of its own.

    Raises:
        RecordError: no sample is in every column, one has no cluster, or a score is not in [0, 1].

    Example:
        >>> low, high = {"a": 0.0, "b": 1.0}, {"b": 1.0, "a": 1.0, "c": 0.0}
        >>> paired = align([low, high], {"a": "patient 1", "b": "patient 1", "c": "patient 2"})
        >>> paired.correct.tolist(), paired.clusters.tolist(), paired.left_out
        ([[0.0, 1.0], [1.0, 1.0]], [0, 0], 1)
    """
    everywhere = set(scores[0]).intersection(*scores[1:]) if scores else set()
    anywhere = set().union(*scores)
    samples = sorted(everywhere)
    if clusters is not None and (lacking := [name for name in samples if name not in clusters]):
        raise RecordError(
            f"{len(lacking)} samples have no cluster, first {lacking[0]!r}; name one for each"
        )
    labels = [name if clusters is None else clusters[name] for name in samples]
    codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    correct = np.array([[column[name] for column in scores] for name in samples], dtype=float)
    return Answers(
        correct.reshape(len(samples), len(scores)),
        np.array([codes[label] for label in labels], dtype=np.int64),
        len(anywhere) - len(samples),
        tuple(samples),
    )


def ratios(totals: FloatArray) -> FloatArray:
    """Column sums over the number of samples, which is the last column."""
    return np.asarray(totals[..., :-1] / totals[..., -1:])


@dataclass(frozen=True, eq=False)
class Resampled:
    """Accuracies of every column, observed and in every resample of the clusters."""

    totals: FloatArray
    """Observed sums per cluster, as `Answers.totals` gives them."""
    draws: FloatArray
    """Accuracy (resamples, columns); the same clusters are drawn for all columns of a row."""
    seed: int
    left_out: int = 0
    """Samples that were not scored in every column, and so are not in `totals`."""
    measure: Callable[[FloatArray], FloatArray] = ratios
    """Sums (rows, ...) to accuracies (rows, columns)."""

    @property
    def accuracy(self) -> FloatArray:
        """Observed accuracy of every column."""
        return self.measure(self.totals.sum(axis=0))

    @property
    def clusters(self) -> int:
        """How many clusters are resampled."""
        return len(self.totals)

    @property
    def n(self) -> int:
        """Samples in every column."""
        return round(float(self.totals[:, -1].sum()))

    @property
    def effective(self) -> float:
        """Clusters of equal size that would say as much: (sum n_c)^2 / sum n_c^2, at least 2.

        Source: Carter, Schnepel and Steigerwald 2017, Review of Economics and Statistics 99.
        """
        sizes = self.totals[:, -1]
        return max(float(sizes.sum() ** 2 / (sizes**2).sum()), 2.0)

    @property
    def deviations(self) -> FloatArray:
        """Draws minus observed, widened by sqrt(E / (E - 1)) for `effective` clusters E."""
        widening = np.sqrt(self.effective / (self.effective - 1))
        return np.asarray((self.draws - self.accuracy) * widening)

    def jackknife(self) -> FloatArray:
        """Accuracy of every column without each cluster in turn (clusters, columns)."""
        return self.measure(self.totals.sum(axis=0) - self.totals)


def resample(answers: Answers, *, seed: int, resamples: int = 10_000) -> Resampled:
    """Accuracies of `answers` in draws, with replacement, of as many clusters as it has.

    The generator is `numpy.random.default_rng(seed)`. The order of samples does not matter.

    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8.

    Example:
        >>> paired = align([{"a": 0, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}])
        >>> drawn = resample(paired, seed=7, resamples=1000)
        >>> drawn.draws.shape, drawn.accuracy.round(3).tolist(), drawn.clusters
        ((1000, 2), [0.667, 1.0], 3)
    """
    totals = answers.totals()
    sums = draw_totals(totals, np.random.default_rng(seed), resamples)
    return Resampled(totals, ratios(sums), seed, answers.left_out)


def resample_balanced(
    answers: Answers, targets: Sequence[Hashable], *, seed: int, resamples: int = 10_000
) -> Resampled:
    """As `resample`, with balanced accuracy (mean recall over the classes among `targets`) instead.

    A class that a resample lacks is left out of that resample's mean.

    Raises:
        RecordError: not one target per sample.

    Example:
        >>> paired = align([{f"{i:02}": float(i % 4 > 0 or i < 20) for i in range(60)}])
        >>> drawn = resample_balanced(paired, ["cat"] * 40 + ["dog"] * 20, seed=1, resamples=100)
        >>> drawn.accuracy.tolist()
        [0.8125]
    """
    if len(targets) != len(answers.correct):
        raise RecordError(
            f"{len(answers.correct)} samples but {len(targets)} targets; every sample needs one"
        )
    classes = sorted(set(targets), key=repr)
    member = np.array([[target == name for name in classes] for target in targets], dtype=float)
    columns = answers.correct.shape[1]
    right = [answers.correct[:, [column]] * member for column in range(columns)]
    wide = Answers(np.column_stack([*right, member]), answers.clusters)
    measure = partial(_recalls, columns=columns)
    totals = wide.totals()
    sums = draw_totals(totals, np.random.default_rng(seed), resamples)
    return Resampled(totals, measure(sums), seed, answers.left_out, measure)


def _recalls(sums: FloatArray, columns: int) -> FloatArray:
    """Mean recall (..., columns) from sums: right by column and class, then class sizes, then n."""
    classes = (sums.shape[-1] - 1) // (columns + 1)
    right = sums[..., : columns * classes].reshape(*sums.shape[:-1], columns, classes)
    sizes = np.broadcast_to(sums[..., None, columns * classes : -1], right.shape)
    recall = np.divide(right, sizes, out=np.zeros_like(right), where=sizes > 0)
    return np.asarray(recall.sum(axis=-1) / (sizes > 0).sum(axis=-1))


def draw_totals(totals: FloatArray, rng: np.random.Generator, resamples: int) -> FloatArray:
    """Sums over clusters (resamples, columns) of `totals` rows drawn with replacement.

    Clusters with equal rows are interchangeable, so only how many of each kind are drawn is drawn:
    8 resolutions of right or wrong answers have at most 256 kinds, however many samples there are.
    """
    if resamples < 1:
        raise ValueError(f"need at least one resample, found {resamples}")
    kinds, sizes = _kinds(totals)
    few = len(kinds) * 3 < len(totals)
    sums = np.empty((resamples, totals.shape[1]))
    step = max(1, CHUNK // (len(kinds) if few else len(totals)))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        counts = _counts_of_kinds(rng, sizes, rows) if few else _counts(rng, len(totals), rows)
        sums[start : start + rows] = counts.astype(float) @ (kinds if few else totals)
    return sums


def _kinds(totals: FloatArray) -> tuple[FloatArray, IntArray]:
    """The distinct rows, and how many rows equal each (as `numpy.unique`, several times faster)."""
    ordered = totals[np.lexsort(totals.T)]
    new = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    return ordered[new], np.diff(np.r_[np.flatnonzero(new), len(ordered)])


def _counts_of_kinds(rng: np.random.Generator, sizes: IntArray, rows: int) -> IntArray:
    return rng.multinomial(int(sizes.sum()), sizes / sizes.sum(), size=rows)


def _counts(rng: np.random.Generator, clusters: int, rows: int) -> IntArray:
    drawn = rng.integers(0, clusters, size=(rows, clusters))
    drawn += np.arange(rows)[:, None] * clusters
    return np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters)
