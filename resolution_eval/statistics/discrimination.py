"""Discrimination: how well classes are told from one another, by answers and by scores."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import rankdata

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.curves import FloatArray, Withheld
from resolution_eval.statistics.intervals import LEVEL, TAIL, Interval, interval
from resolution_eval.statistics.proportions import FigureRange, effective_size, wilson
from resolution_eval.statistics.resampling import IntArray, Resamples, draw_counts, plain

Mask = NDArray[np.bool_]
FEWEST = 10
"""Samples of a class below which its average precision is withheld."""


def balanced(
    targets: Sequence[Hashable],
    correct: Sequence[float] | FloatArray,
    clusters: Sequence[Hashable] | IntArray | None = None,
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
    names = sorted(set(targets), key=repr)
    member = np.array([[target == name for name in names] for target in targets], dtype=float)
    right, sizes = np.asarray(correct, dtype=float), member.sum(axis=0)
    recalls = right @ member / sizes
    mean, kinds = float(recalls.mean()), len(names)
    # A class's variance is estimated from its own few samples: divide by one less.
    share = np.sqrt(sizes / np.maximum(sizes - 1, 1)) / (kinds * sizes)
    residuals = (member * (right[:, None] - recalls) * share).sum(axis=1)
    seen = plain(right, clusters)
    single = (sizes == 1).sum() * mean * (1 - mean) / kinds**2
    error = float((np.bincount(seen.answers.clusters, residuals) ** 2).sum() + single)
    even = kinds**2 / (1 / sizes).sum()
    freedom = max(min(seen.effective, seen.n - kinds + 1) - 1, 1)
    quantile = float(stdtrit(freedom, (1 + LEVEL) / 2))
    return _wilson(seen, mean, error, even, even * seen.effective / seen.n, quantile)


def auroc(
    positive: Sequence[bool] | FloatArray,
    scores: Sequence[float] | FloatArray,
    clusters: Sequence[Hashable] | IntArray | None = None,
) -> Interval:
    """Area under the ROC curve: how often a sample of the class scores above another one.

    The error is DeLong's, summed by cluster; the ends are Wilson's on the number of samples that
    would have it, of which there are no more than of the rarer kind: never of width 0.

    Source: DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44; Obuchowski 1997, Biometrics 53,
    for clusters; Newcombe 2006, Statistics in Medicine 25, for intervals by score.

    Raises:
        RecordError: all samples are of the class, or none.

    Example:
        >>> found = auroc([0, 0, 1, 1] * 10, [0.1, 0.4, 0.35, 0.8] * 10)
        >>> found.estimate, round(found.low, 2), round(found.high, 2)
        (0.75, 0.56, 0.88)
    """
    mine, values = _arrays(positive, scores)
    seen = plain(mine, clusters)
    above, below = values[mine], values[~mine]
    ranks = rankdata(values)
    places = np.empty(len(values))
    places[mine] = (ranks[mine] - rankdata(above)) / len(below)
    places[~mine] = 1 - (ranks[~mine] - rankdata(below)) / len(above)
    area = float(places[mine].mean())
    parts = np.where(mine, 1 / len(above), 1 / len(below)) * (places - area)
    sums = np.bincount(seen.answers.clusters, parts)
    error = float((sums**2).sum() * len(sums) / max(len(sums) - 1, 1))
    rarer = min(len(above), len(below))
    return _wilson(seen, area, error, rarer, rarer * (seen.effective / seen.n))


def average_precision(
    positive: Sequence[bool] | FloatArray,
    scores: Sequence[float] | FloatArray,
    clusters: Sequence[Hashable] | IntArray | None = None,
    *,
    seed: int,
    resamples: int = 2_000,
) -> Interval | Withheld:
    """Average precision: the mean, over the samples of the class, of the precision at their score.

    The error is that of a bootstrap of the clusters, and the ends Wilson's on the number of samples
    that would have it, at most as many as are of the class.

    Withheld with fewer than ten samples of the class: it is then biased upwards.

    Source: Boyd, Eng and Page 2013, ECML PKDD, LNCS 8190, for the binomial interval.

    Raises:
        RecordError: all samples are of the class, or none.

    Example:
        >>> found = average_precision([0, 0, 1, 1] * 9, [0.1, 0.4, 0.35, 0.8] * 9, seed=1)
        >>> round(found.estimate, 4)
        0.8333
    """
    mine, values = _arrays(positive, scores)
    hits = int(mine.sum())
    if hits < FEWEST:
        return Withheld(f"needs {FEWEST} samples of the class, found {hits}")
    seen = plain(mine, clusters)
    estimate = float(_precision(mine, values, np.ones((1, len(values))))[0])
    codes, rng = seen.answers.clusters, np.random.default_rng(seed)
    counts = (each[:, codes].astype(float) for each in draw_counts(seen.clusters, rng, resamples))
    draws = np.concatenate([_precision(mine, values, weights) for weights in counts])
    error = max(float(np.nanvar(draws)), estimate * (1 - estimate) / hits)
    seen = replace(seen, draws=draws[:, None], seed=seed)
    return _wilson(seen, estimate, error, hits, hits * (seen.effective / seen.n))


def _precision(mine: Mask, values: FloatArray, weights: FloatArray) -> FloatArray:
    """Average precision of every row of sample weights; equal scores are one threshold."""
    order = np.argsort(-values, kind="stable")
    ends = np.r_[np.flatnonzero(np.diff(values[order])), len(values) - 1]
    seen = np.cumsum(weights[:, order], axis=1)[:, ends]
    hits = np.cumsum(weights[:, order] * mine[order], axis=1)[:, ends]
    gained = np.diff(hits, axis=1, prepend=0.0)
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    total = hits[:, -1]
    undefined = np.full(len(total), np.nan)
    share = np.divide((gained * precision).sum(axis=1), total, out=undefined, where=total > 0)
    return np.asarray(share)


def _arrays(
    positive: Sequence[bool] | FloatArray, scores: Sequence[float] | FloatArray
) -> tuple[Mask, FloatArray]:
    mine, values = np.asarray(positive, dtype=bool), np.asarray(scores, dtype=float)
    if mine.all() or not mine.any() or len(mine) != len(values) or not np.isfinite(values).all():
        raise RecordError(
            f"needs one finite score per sample, of both kinds; found {int(mine.sum())} of "
            f"{len(mine)} in the class and {len(values)} scores"
        )
    return mine, values


def _wilson(
    seen: Resamples,
    estimate: float,
    error: float,
    most: float,
    apart: float,
    quantile: float | None = None,
) -> Interval:
    """Wilson's ends on the samples that would have this variance: of `most` that stand alone, and
    `apart` where each cluster's are alike.
    """
    size = float(effective_size(most, estimate * (1 - estimate), error, apart))
    z = seen.quantile(TAIL) if quantile is None else quantile
    ends = wilson(estimate, size, z) if seen.clusters > 1 else (0.0, 1.0)
    return interval(seen, FigureRange(estimate, *ends), "score")
