"""Score intervals of proportions in closed form: one, a paired difference, a sum, a ratio.

All of them keep their coverage where few or no samples differ, and none has width 0. Clusters
enter by an effective number of samples: how many independent ones would say as much.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtr

from resolution_eval.statistics.curves import FloatArray

Ends: TypeAlias = tuple[float, float]
FLAT = 1e-12
"""Below this a spread is rounding."""


def effective_size(
    n: float, variance: FloatArray | float, error: FloatArray | float, clusters: float
) -> FloatArray:
    """Independent samples that would say as much as `n` samples in `clusters` effective clusters.

    `variance` is that of one sample were all independent, `error` the variance of their mean:

        n_e = n * (n * variance + 1) / (n^2 * error + n / clusters)

    For large samples that is variance / error. The 1 and the n / clusters stand for one sample
    that differs from the others, as do all of its cluster: where none is seen to differ, every
    cluster counts once, and no sample counts more than once for having been lucky.

    Source: design effect, Kish 1965, section 8.1; the correction is ours (docs/coverage.md).

    Example:
        >>> float(effective_size(100, 0.0, 0.0, 100)), float(effective_size(100, 0.0, 0.0, 20))
        (100.0, 20.0)
    """
    spread = np.asarray(variance, dtype=float)
    return np.asarray(n * (n * spread + 1) / (n**2 * np.asarray(error) + n / clusters))


FEW = 3
"""Up to so many right (or wrong) samples a proportion's near end is Poisson's, not Wilson's."""


def wilson(mean: float, n: float, z: float) -> Ends:
    """Wilson's score interval of a proportion seen over `n` samples, `z` a normal or t quantile.

    With up to three right, or wrong, the end on that side is Poisson's, as Wilson's is too narrow
    there: the gamma quantile of twice the error of one end.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22; Brown, Cai and DasGupta 2001, Statistical Science
    16, section 4.1.1, for the modification.

    Example:
        >>> [round(end, 4) for end in wilson(0.6, 10, 1.96)]
        [0.3127, 0.8318]
        >>> [round(end, 4) for end in wilson(0.9, 10, 1.96)]
        [0.5958, 0.9949]
    """
    centre = (mean + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(max(mean * (1 - mean), 0.0) / n + (z / (2 * n)) ** 2) / (1 + z**2 / n)
    low, high = max(float(centre - half), 0.0), min(float(centre + half), 1.0)
    if n * mean <= FEW:
        low = min(low, _rarest(n * mean, z) / n)
    if n * (1 - mean) <= FEW:
        high = max(high, 1 - _rarest(n * (1 - mean), z) / n)
    return low, high


def _rarest(count: float, z: float) -> float:
    """Expected number of which `count` or more are seen only with twice the error beyond z."""
    return float(gammaincinv(count, 2 * ndtr(-z))) if count > FLAT else 0.0


Fractions: TypeAlias = float | FloatArray
"""One number, or one per pair of columns."""


def tango_z(gained: Fractions, lost: Fractions, n: Fractions, difference: Fractions) -> FloatArray:
    """Score statistic of 'the paired difference is `difference`', its variance under that.

    `gained` and `lost` are the fractions of samples that only the first, or only the second, of
    two columns has right; their difference is what is tested.

    Source: Tango 1998, Statistics in Medicine 17, 891-908.

    Example:
        >>> round(float(tango_z(0.2, 0.1, 100, 0.0)), 4)
        1.8257
    """
    gap, won, less = np.asarray(difference, dtype=float), np.asarray(gained), np.asarray(lost)
    linear = (2 - won + less) * gap - (won + less)
    constant = -less * gap * (1 - gap)
    only_second = (np.sqrt(np.maximum(linear**2 - 8 * constant, 0.0)) - linear) / 4
    variance = np.maximum(2 * only_second + gap * (1 - gap), 0.0) / n
    above = won - less - gap
    still = np.where(above > 0, np.inf, np.where(above < 0, -np.inf, 0.0))
    return np.asarray(np.divide(above, np.sqrt(variance), out=still, where=variance > 0))


def tango(
    gained: Fractions, lost: Fractions, n: Fractions, z: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Tango's score interval of paired differences gained - lost (fractions of `n` samples).

    `z` holds the quantile for the low ends and that for the high ones.

    Example:
        >>> low, high = tango(0.0, 0.0, 100, (1.96, 1.96))
        >>> round(float(low), 4), round(float(high), 4)
        (-0.037, 0.037)
    """
    # The high end is the low end of the difference the other way round, so that one search does.
    one = np.array([gained, lost], dtype=float)
    other, reach = one[::-1], np.reshape(z, (2, *np.ones(one.ndim - 1, dtype=int)))
    low, high = _edge(lambda at: tango_z(one, other, n, at) <= reach, one - other, -1.0)
    return low, -high


def _edge(
    fits: Callable[[FloatArray], NDArray[np.bool_]], inside: FloatArray, outside: float
) -> FloatArray:
    """Where `fits` ends between two places, to 1e-9, every entry by itself."""
    within, beyond = np.array(inside, dtype=float), np.full_like(inside, outside, dtype=float)
    for _ in range(31):
        middle = (within + beyond) / 2
        good = fits(middle)
        within, beyond = np.where(good, middle, within), np.where(good, beyond, middle)
    return beyond


class FigureRange(NamedTuple):
    """A figure and the range that holds its true value, before its name and its counts."""

    estimate: float
    low: float
    high: float


def ratio(top: FigureRange, bottom: FigureRange, correlation: float) -> FigureRange | None:
    """top / bottom, each with its own interval; None where `bottom` is not above 0 by its own.

    The interval holds every t for which that of top - t * bottom, by recovery of the variances,
    holds 0. With symmetric intervals it is Fieller's.

    Source: Donner and Zou 2012, Statistical Methods in Medical Research 21, 347-359.

    Example:
        >>> found = ratio(FigureRange(0.3, 0.2, 0.4), FigureRange(0.6, 0.5, 0.7), 0.5)
        >>> round(found.estimate, 3), round(found.low, 3), round(found.high, 3)
        (0.5, 0.354, 0.646)
    """
    if bottom.low <= FLAT:
        return None
    quotient = top.estimate / bottom.estimate
    reach = 2 * max(abs(top.low), abs(top.high), bottom.estimate) / bottom.low
    mirrored = FigureRange(-top.estimate, -top.high, -top.low)
    low = _crossing(top, bottom, correlation, quotient, quotient - reach)
    high = -_crossing(mirrored, bottom, -correlation, -quotient, -quotient - reach)
    return FigureRange(quotient, low, high)


def _crossing(
    top: FigureRange, bottom: FigureRange, correlation: float, inside: float, outside: float
) -> float:
    """Where the lower end of top - t * bottom passes 0, for t from `inside` down to `outside`."""
    down = top.estimate - top.low

    def fits(t: float) -> bool:
        end = bottom.high if t > 0 else bottom.low
        side = abs(end - bottom.estimate) * t
        spread = down**2 + side**2 - 2 * correlation * down * side
        return top.estimate - t * bottom.estimate <= sqrt(max(spread, 0.0))

    return bisect(fits, inside, outside, steps=40)[1]


def bisect(
    fits: Callable[[float], bool], inside: float, outside: float, *, steps: int
) -> tuple[float, float]:
    """The two places, one at which `fits` and one at which not, each `steps` times nearer."""
    for _ in range(steps):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if fits(middle) else (inside, middle)
    return inside, outside
