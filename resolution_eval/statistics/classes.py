"""Classes: balanced accuracy, and sensitivity and specificity of every class, with intervals."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.intervals import Interval, even, interval, linear
from resolution_eval.statistics.proportions import Bounded, weighted
from resolution_eval.statistics.resampling import Answers, IntArray, Resampled


@dataclass(frozen=True)
class ClassRates:
    """How one class is told from the others at one resolution."""

    name: Hashable
    sensitivity: Interval
    """Of the samples of the class, the fraction answered with it (its recall)."""
    specificity: Interval | None
    """Of the other samples, the fraction not answered with it; None where there are no others."""


def class_rates(
    targets: Sequence[Hashable],
    predictions: Sequence[Hashable | None],
    clusters: Sequence[int] | IntArray | None = None,
    *,
    level: float = 0.95,
) -> tuple[ClassRates, ...]:
    """Sensitivity and specificity of every class among `targets`, by name, each with its interval.

    A prediction of None (an answer that cannot be parsed) is no class: wrong for the class of the
    sample, and not an answer with any other. Leave failed samples out. Wilson's intervals on the
    effective number of samples.

    Source: Altman and Bland 1994, BMJ 308, 1552; Wilson 1927.

    Example:
        >>> found = class_rates(list("aaaabb"), ["a", "a", "a", "b", "b", None])
        >>> [(one.name, one.sensitivity.estimate, one.specificity.estimate) for one in found]
        [('a', 0.75, 1.0), ('b', 0.5, 0.75)]
    """
    labels = np.arange(len(targets)) if clusters is None else np.asarray(clusters)
    made = []
    for name in sorted(set(targets), key=repr):
        mine = np.array([target == name for target in targets])
        said = np.array([prediction == name for prediction in predictions])
        other = None if mine.all() else _rate(~said[~mine], labels[~mine], level)
        made.append(ClassRates(name, _rate(said[mine], labels[mine], level), other))
    return tuple(made)


def _rate(hits: FloatArray, clusters: IntArray, level: float) -> Interval:
    seen = plain(np.asarray(hits, dtype=float)[:, None], clusters)
    method = "score" if seen.clusters > 1 else "vacuous"
    return interval(seen, linear(seen, [1.0], even(level)), method, level)


def plain(scores: FloatArray, clusters: IntArray) -> Resampled:
    """Scores (samples, columns) as the closed forms take them, without a draw."""
    codes = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    return Resampled(Answers(scores, codes), np.empty((0, scores.shape[1])), 0)


def balanced(
    targets: Sequence[Hashable],
    correct: Sequence[float] | FloatArray,
    clusters: Sequence[int] | IntArray | None = None,
    *,
    level: float = 0.95,
) -> Interval:
    """Balanced accuracy, the mean recall over the classes among `targets`, with its interval.

    Each recall has Wilson's interval; that of the mean follows by recovery of the variances, with
    the correlations that clusters of several classes bring.

    Source: Zou and Donner 2008, Statistics in Medicine 27, 1693-1702.

    Example:
        >>> found = balanced(["cat"] * 40 + ["dog"] * 20, [1.0] * 50 + [0.0] * 10)
        >>> found.estimate, round(found.low, 2), round(found.high, 2)
        (0.75, 0.64, 0.85)
    """
    labels = np.arange(len(targets)) if clusters is None else np.asarray(clusters)
    names = sorted(set(targets), key=repr)
    member = np.array([[target == name for name in names] for target in targets], dtype=float)
    right = np.asarray(correct, dtype=float)
    rates = [_rate(right[mine > 0], labels[mine > 0], level) for mine in member.T]
    parts = [Bounded(rate.estimate, rate.low, rate.high) for rate in rates]
    codes = np.unique(labels, return_inverse=True)[1]
    recalls = np.array([rate.estimate for rate in rates])
    residuals = member * (right[:, None] - recalls) / member.sum(axis=0)
    sums = np.array([np.bincount(codes, column) for column in residuals.T])
    whole = weighted(parts, [1 / len(names)] * len(names), _correlations(sums @ sums.T))
    ends = Bounded(whole.estimate, max(whole.low, 0.0), min(whole.high, 1.0))
    return interval(plain(right[:, None], labels), ends, "mover", level)


def _correlations(covariance: FloatArray) -> FloatArray:
    scale = np.sqrt(np.diag(covariance))
    product = np.outer(scale, scale)
    found = np.divide(covariance, product, out=np.zeros_like(product), where=product > 0)
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)
