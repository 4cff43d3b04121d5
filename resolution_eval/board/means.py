"""Means over data sets: the modalities weigh the same, and the data sets in each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from resolution_eval.board.schema import Curve, Estimate

Figure = Literal["area", "worst_drop", "retention"]


def mean(curves: Sequence[Curve], figure: Figure) -> Estimate | None:
    """Mean of a figure of `curves`, one per data set; that of a single curve is the curve's own.

    None where a curve lacks it, or there is none: a mean over fewer data sets would be another
    figure.
    """
    values = [getattr(curve, figure) for curve in curves]
    if not values or any(value is None for value in values):
        return None
    return combined(values, _weights(curves))


def _weights(curves: Sequence[Curve]) -> list[float]:
    sizes = Counter(curve.modality for curve in curves)
    return [1 / (len(sizes) * sizes[curve.modality]) for curve in curves]


def combined(estimates: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
    """Weighted sum of independent estimates, its interval from theirs (positive weights).

    Source: Zou and Donner 2008, Statistics in Medicine 27, doi:10.1002/sim.3095.

    Example:
        >>> pair = [Estimate(0.5, 0.4, 0.6), Estimate(0.7, 0.6, 0.8)]
        >>> half = combined(pair, [0.5, 0.5])
        >>> round(half.value, 3), round(half.low, 3), round(half.high, 3)
        (0.6, 0.529, 0.671)
    """
    if len(estimates) == 1 and weights[0] == 1:
        return estimates[0]
    pairs = list(zip(estimates, weights, strict=True))
    value = sum(weight * each.value for each, weight in pairs)
    below = math.sqrt(sum((weight * (each.value - each.low)) ** 2 for each, weight in pairs))
    above = math.sqrt(sum((weight * (each.high - each.value)) ** 2 for each, weight in pairs))
    return Estimate(value, value - below, value + above)


def chance_of(curves: Sequence[Curve]) -> float | None:
    """Chance level of the mean over `curves`; None where one has none."""
    levels = [curve.chance for curve in curves]
    known = [level for level in levels if level is not None]
    if not known or len(known) < len(levels):
        return None
    return sum(weight * level for weight, level in zip(_weights(curves), known, strict=True))
