"""Classes: balanced accuracy, and sensitivity and specificity of every class, with intervals."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.intervals import Interval, even, interval, linear
from resolution_eval.statistics.proportions import Bounded, effective_size, wilson
from resolution_eval.statistics.resampling import AnswerMatrix, IntArray, Resampled


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
    return Resampled(AnswerMatrix(scores, codes), np.empty((0, scores.shape[1])), 0)


def balanced(
    targets: Sequence[Hashable],
    correct: Sequence[float] | FloatArray,
    clusters: Sequence[int] | IntArray | None = None,
    *,
    level: float = 0.95,
) -> Interval:
    """Balanced accuracy, the mean recall over the classes among `targets`, with its interval.

    Wilson's interval on the number of samples that would have its error, which is that of the
    classes' recalls, summed by cluster; a class of one sample has as much as the mean of all.

    Source: Wilson 1927; Kish 1965, section 8.1, for the effective number of samples.

    Example:
        >>> found = balanced(["cat"] * 40 + ["dog"] * 20, [1.0] * 50 + [0.0] * 10)
        >>> found.estimate, round(found.low, 2), round(found.high, 2)
        (0.75, 0.62, 0.85)
    """
    labels = np.arange(len(targets)) if clusters is None else np.asarray(clusters)
    names = sorted(set(targets), key=repr)
    member = np.array([[target == name for name in names] for target in targets], dtype=float)
    right, sizes = np.asarray(correct, dtype=float), member.sum(axis=0)
    recalls = right @ member / sizes
    mean, kinds = float(recalls.mean()), len(names)
    # A class's variance is estimated from its own few samples: divide by one less.
    share = np.sqrt(sizes / np.maximum(sizes - 1, 1)) / (kinds * sizes)
    residuals = (member * (right[:, None] - recalls) * share).sum(axis=1)
    codes = np.unique(labels, return_inverse=True)[1]
    single = (sizes == 1).sum() * mean * (1 - mean) / kinds**2
    error = float((np.bincount(codes, residuals) ** 2).sum() + single)
    seen = plain(right[:, None], labels)
    even_size = kinds**2 / (1 / sizes).sum()
    apart = even_size * seen.effective / seen.n
    size = float(effective_size(even_size, mean * (1 - mean), error, apart))
    freedom = max(min(seen.effective, seen.n - kinds + 1) - 1, 1)
    ends = wilson(mean, size, float(stdtrit(freedom, (1 + level) / 2)))
    low, high = ends if seen.clusters > 1 else (0.0, 1.0)
    return interval(seen, Bounded(mean, low, high), "score", level)
