"""Paired tests between two resolutions, or two models, on the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.stats import binomtest

from resolution_eval.statistics.curves import FloatArray, Withheld
from resolution_eval.statistics.intervals import Interval, contrast
from resolution_eval.statistics.resampling import CHUNK, AnswerMatrix, IntArray, undrawn

Name = TypeVar("Name")
EXACT = 14
"""Up to this many differing clusters all sign patterns are counted instead of drawn."""


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test on the samples that only one of two got right.

    Without a sample that differs, p is 1.

    Source: McNemar 1947, Psychometrika 12; the exact form is a sign test.

    Example:
        >>> round(mcnemar(1, 9), 4)
        0.0215
    """
    differing = only_first + only_second
    if differing == 0:
        return 1.0
    return float(binomtest(min(only_first, only_second), differing, 0.5).pvalue)


def sign_flip(differences: FloatArray, *, seed: int, flips: int = 10_000) -> float:
    """Two-sided p of symmetry about 0 of the clusters' sums of differences, by flipping signs.

    All sign patterns are counted for up to 14 differing clusters; beyond, `flips` are drawn, and
    the observed pattern counts as one of them, so that p is never 0 and never too small.

    Source: Fisher 1935; Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, for the +1.

    Example:
        >>> sign_flip(np.array([1.0, 2.0, 1.0, -1.0, 0.0]), seed=1)
        0.5
    """
    moving = np.asarray(differences, dtype=float)
    if moving.ndim != 1 or not len(moving) or not np.isfinite(moving).all():
        raise ValueError("need one finite difference per cluster, at least one")
    moving = moving[moving != 0]
    reach = abs(moving.sum()) - 1e-9
    if len(moving) <= EXACT:
        sums = signs(len(moving)) @ moving
        return float((np.abs(sums) >= reach).mean())
    rng = np.random.default_rng(seed)
    hits = int((np.abs(_flipped(moving, rng, flips)) >= reach).sum())
    return (1 + hits) / (1 + flips)


def signs(clusters: int) -> FloatArray:
    """Every pattern of signs of so many clusters (patterns, clusters)."""
    patterns = np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1
    return np.asarray(patterns * 2.0 - 1.0, dtype=np.float64)


def _flipped(moving: FloatArray, rng: np.random.Generator, flips: int) -> FloatArray:
    """Sums after random flips: of equal sizes only how many are positive has to be drawn."""
    sizes, counts = np.unique(np.abs(moving), return_counts=True)
    sums = np.empty(flips)
    step = max(1, CHUNK // len(sizes))
    for start in range(0, flips, step):
        rows = min(step, flips - start)
        positive = rng.binomial(counts, 0.5, size=(rows, len(sizes)))
        sums[start : start + rows] = (2.0 * positive - counts) @ sizes
    return sums


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Holm's adjusted p of every test of one family: reject where it is at most the wanted error.

    Source: Holm 1979, Scand. J. Stat. 6.

    Example:
        >>> holm({"28": 0.01, "56": 0.04, "112": 0.03})
        {'28': 0.03, '56': 0.06, '112': 0.06}
    """
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    adjusted: dict[Name, float] = {}
    largest = 0.0
    for rank, (name, p) in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - rank) * p))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


@dataclass(frozen=True)
class Comparison:
    """Two columns of the same samples: the second minus the first, and how sure its sign is."""

    difference: Interval
    """A(second) - A(first), as a fraction."""
    p: float
    """Two-sided, of 'no difference', failed samples against it."""
    test: str
    """`mcnemar` where every sample is its own cluster and right or wrong, else `sign flip`."""


def compare(answers: AnswerMatrix, first: int, second: int, *, seed: int) -> Comparison | Withheld:
    """Paired comparison of two columns of `answers`; withheld where too many samples failed.

    A failed sample counts for p as if it spoke against the difference that the others show, and
    widens the interval to its worst cases: no failure can make a difference, or hide a loss.

    Example:
        >>> from resolution_eval.statistics.resampling import align
        >>> low = {str(i): float(i % 2) for i in range(40)}
        >>> high = {str(i): float(i % 8 > 0) for i in range(40)}
        >>> found = compare(align([low, high]), 0, 1, seed=1)
        >>> found.difference.estimate, found.test, round(found.p, 6)
        (0.375, 'mcnemar', 6.1e-05)
    """
    pair = answers.pick([first, second])
    if pair.withheld is not None:
        return pair.withheld
    step = pair.correct[:, 1] - pair.correct[:, 0]
    lost, won = int((step < 0).sum()), int((step > 0).sum())
    seen = undrawn(pair, seed)
    against = _against(pair, float(step.sum()))
    if seen.simple:
        fewer, more = min(lost, won) + int(np.abs(against).sum()), max(lost, won)
        p, test = 1.0 if fewer >= more else mcnemar(fewer, more), "mcnemar"
    else:
        sums = np.concatenate([np.bincount(pair.clusters, step), against])
        opposed = sums.sum() * step.sum() <= 0
        p, test = 1.0 if opposed else sign_flip(sums, seed=seed), "sign flip"
    return Comparison(contrast(seen, (-1, 1)), p, test)


def _against(pair: AnswerMatrix, total: float) -> FloatArray:
    """What the failed samples could add at most against a difference of this sign, one by one."""
    if pair.failed is None:
        return np.empty(0)
    sign = np.sign(total)
    worst = np.where(np.isnan(pair.failed), [[float(sign > 0), float(sign < 0)]], pair.failed)
    steps = worst[:, 1] - worst[:, 0]
    broken = np.isnan(pair.failed).any(axis=1)
    return np.asarray(np.where(steps[broken] * sign < 0, steps[broken], 0.0))


def design_effect(
    values: Sequence[float] | FloatArray, clusters: Sequence[int] | IntArray
) -> float:
    """Variance of the mean of clustered values over that of as many unclustered ones.

        deff = sum_c (sum_i in c (y_i - y))^2 * C / (C - 1) / (n * var(y))

    1 where all values are equal, there is only one cluster, or every sample is its own.

    Source: Kish 1965, Survey Sampling, section 5.4.

    Example:
        >>> design_effect([1, 1, 0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 2, 2, 3, 3])
        2.6666666666666665
    """
    scores, labels = np.asarray(values, dtype=float), np.unique(clusters, return_inverse=True)[1]
    count, single = int(labels.max()) + 1, len(scores) * scores.var()
    if count in (1, len(scores)) or single <= 0:
        return 1.0
    sums = np.bincount(labels, scores - scores.mean())
    return float((sums**2).sum() * count / (count - 1) / single)
