"""Figures of a resolution sweep, each with its interval: pure functions over NumPy and SciPy."""

from resolution_eval.statistics.curves import (
    Curve,
    Withheld,
    ace,
    area,
    balanced_accuracy,
    excess_ace,
    rce,
    retention,
    rho,
    worst_drop,
)

__all__ = [
    "Curve",
    "Withheld",
    "ace",
    "area",
    "balanced_accuracy",
    "excess_ace",
    "rce",
    "retention",
    "rho",
    "worst_drop",
]
