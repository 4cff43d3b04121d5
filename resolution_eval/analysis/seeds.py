"""Seeds: checkpoints of one recipe, and records of one checkpoint that differ in prompt or seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

from scipy.stats import t as student

from resolution_eval.statistics.intervals import Interval


def between_seeds(
    interval: Interval, groups: Sequence[Sequence[float]], bounds: tuple[float, float] = (0.0, 1.0)
) -> Interval | None:
    """`interval`, which is about samples alone, with what other seeds would add; None without.

    `groups` are the figures of every seed, one group for each mean that enters the estimate. To
    each end's distance is added, as a root of squares, Student's half width of the seeds' mean.

    Example:
        >>> given = Interval(0.5, 0.45, 0.55, 0.95, 100, 100, 1000, 1, "score")
        >>> both = between_seeds(given, [[0.49, 0.5, 0.51]])
        >>> round(both.low, 4), round(both.high, 4)
        (0.4442, 0.5558)
    """
    if any(len(group) < 2 for group in groups) or not groups:
        return None
    errors = [stdev(group) / math.sqrt(len(group)) for group in groups]
    total = math.fsum(error**2 for error in errors)
    freedom = len(groups[0]) - 1
    if total and len(groups) > 1:
        loss = math.fsum(e**4 / (len(g) - 1) for e, g in zip(errors, groups, strict=True))
        freedom = total**2 / loss
    half = float(student.ppf((1 + interval.level) / 2, freedom)) * math.sqrt(total)
    low = interval.estimate - math.hypot(interval.estimate - interval.low, half)
    high = interval.estimate + math.hypot(interval.high - interval.estimate, half)
    return replace(interval, low=max(bounds[0], low), high=min(bounds[1], high), method="seeds")


def spread(figures: Sequence[float]) -> tuple[float, float | None]:
    """Mean of the seeds' figures, and their standard deviation; None with one seed."""
    return fmean(figures), stdev(figures) if len(figures) > 1 else None
