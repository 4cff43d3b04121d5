"""Planning: what drop a number of samples can show, and how many samples a drop needs."""

from __future__ import annotations

from dataclasses import dataclass

from resolution_eval.statistics.comparison import (
    design_effect,
    minimum_detectable_drop,
    samples_needed,
)
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.resampling import Answers


@dataclass(frozen=True)
class Plan:
    """A paired comparison of two columns, and what it can show."""

    n: int | None
    """Samples at hand; None where only the number needed is asked for."""
    discordance: float
    """Fraction of samples that differ between the columns."""
    design: float
    """Design effect of the clusters: 1 where every sample stands alone."""
    power: float
    error: float
    detectable: float | Withheld | None
    """Smallest drop of accuracy (fraction) that `n` samples show; None without `n`."""
    drop: float | None
    """Drop of accuracy that the user names."""
    needed: int | Withheld | None
    """Samples that `drop` needs; None without one."""


def plan(
    *,
    n: int | None,
    discordance: float,
    design: float = 1.0,
    drop: float | None = None,
    power: float = 0.8,
    error: float = 0.05,
) -> Plan:
    """What `n` samples can show, and what `drop` needs.

    Raises:
        ValueError: a fraction outside (0, 1], a power or error of 1, or no sample.

    Example:
        >>> found = plan(n=1000, discordance=0.2, drop=0.05)
        >>> round(found.detectable, 4), found.needed
        (0.0396, 626)
    """
    detectable = None
    if n is not None:
        detectable = minimum_detectable_drop(
            n, discordance, power=power, error=error, design=design
        )
    needed: int | Withheld | None = None
    if drop is not None and drop > discordance:
        needed = Withheld(
            f"a drop of {drop:.4g} changes more samples than {discordance:.4g} differ"
        )
    elif drop is not None:
        needed = samples_needed(drop, discordance, power=power, error=error, design=design)
    return Plan(n, discordance, design, power, error, detectable, drop, needed)


def observed(answers: Answers, first: int, second: int) -> tuple[int, float, float]:
    """Samples, discordance and design effect of the difference between two columns of `answers`.

    The design effect is that of the samples' differences, whose variance the comparison rests on.

    Example:
        >>> from resolution_eval.statistics.resampling import align
        >>> low = {str(i): float(i % 2) for i in range(40)}
        >>> high = {str(i): float(i % 8 > 0) for i in range(40)}
        >>> observed(align([low, high]), 0, 1)
        (40, 0.375, 1.0)
    """
    step = answers.correct[:, second] - answers.correct[:, first]
    return len(step), float((step != 0).mean()), design_effect(step, answers.clusters)
