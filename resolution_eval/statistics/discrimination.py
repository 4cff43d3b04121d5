"""Discrimination: how well the scores of a class tell its samples from the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.classes import plain
from resolution_eval.statistics.curves import FloatArray, Withheld
from resolution_eval.statistics.intervals import Interval, interval
from resolution_eval.statistics.proportions import Bounded, Ends, effective_size, wilson
from resolution_eval.statistics.resampling import IntArray, draw_totals

Mask = NDArray[np.bool_]
FEWEST = 10
"""Samples of a class below which its average precision is withheld."""


def auroc(
    positive: Sequence[bool] | FloatArray,
    scores: Sequence[float] | FloatArray,
    clusters: Sequence[int] | IntArray | None = None,
    *,
    level: float = 0.95,
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
    mine, values, labels = _arrays(positive, scores, clusters)
    above, below = values[mine], values[~mine]
    ranks = rankdata(values)
    places = np.empty(len(values))
    places[mine] = (ranks[mine] - rankdata(above)) / len(below)
    places[~mine] = 1 - (ranks[~mine] - rankdata(below)) / len(above)
    area = float(places[mine].mean())
    parts = np.where(mine, 1 / len(above), 1 / len(below)) * (places - area)
    codes = np.unique(labels, return_inverse=True)[1]
    sums = np.bincount(codes, parts)
    error = float((sums**2).sum() * len(sums) / max(len(sums) - 1, 1))
    return _scored(area, error, mine, labels, level)


def average_precision(
    positive: Sequence[bool] | FloatArray,
    scores: Sequence[float] | FloatArray,
    clusters: Sequence[int] | IntArray | None = None,
    *,
    seed: int,
    resamples: int = 2_000,
    level: float = 0.95,
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
    mine, values, labels = _arrays(positive, scores, clusters)
    if mine.sum() < FEWEST:
        return Withheld(f"needs {FEWEST} samples of the class, found {int(mine.sum())}")
    codes = np.unique(labels, return_inverse=True)[1]
    ones = np.ones((1, len(values)))
    estimate = float(_precision(mine, values, ones)[0])
    counts = draw_totals(np.eye(codes.max() + 1), np.random.default_rng(seed), resamples)
    draws = _precision(mine, values, counts[:, codes])
    error = max(float(np.nanvar(draws)), estimate * (1 - estimate) / int(mine.sum()))
    return _scored(estimate, error, mine, labels, level, rare=int(mine.sum()))


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
    positive: Sequence[bool] | FloatArray,
    scores: Sequence[float] | FloatArray,
    clusters: Sequence[int] | IntArray | None,
) -> tuple[Mask, FloatArray, IntArray]:
    mine, values = np.asarray(positive, dtype=bool), np.asarray(scores, dtype=float)
    labels = np.arange(len(mine)) if clusters is None else np.asarray(clusters)
    if mine.all() or not mine.any() or len(mine) != len(values) or not np.isfinite(values).all():
        raise RecordError(
            f"needs one finite score per sample, of both kinds; found {int(mine.sum())} of "
            f"{len(mine)} in the class and {len(values)} scores"
        )
    return mine, values, labels


def _scored(
    estimate: float,
    error: float,
    mine: Mask,
    labels: IntArray,
    level: float,
    rare: int | None = None,
) -> Interval:
    """Wilson's ends on the samples that would have this error, at most those of the rarer kind."""
    seen = plain(mine.astype(float)[:, None], labels)
    rarer = min(int(mine.sum()), int((~mine).sum())) if rare is None else rare
    size, clusters = _size(estimate, error, rarer, seen.effective / seen.n), seen.effective
    alone = seen.clusters == seen.n
    tail = (1 - level) / 2
    z = float(norm.isf(tail) if alone else student.isf(tail, max(clusters - 1, 1)))
    ends: Ends = wilson(estimate, size, z) if seen.clusters > 1 else (0.0, 1.0)
    return interval(seen, Bounded(estimate, *ends), "score", level)


def _size(estimate: float, error: float, rarer: int, apart: float) -> float:
    return float(effective_size(rarer, estimate * (1 - estimate), error, rarer * apart))
