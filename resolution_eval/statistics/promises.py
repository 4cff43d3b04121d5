"""Promises: every figure that is printed with an interval, or by a test, and its measured rows.

The coverage page has rows for each; a test holds this list against both the page and what the
analysis prints. A figure that is not here has no interval that was shown to cover: it is printed
without one (rho), or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """A figure, how its interval is made, and the name of its rows on the coverage page."""

    figure: str
    method: str
    coverage: str
    """Name of its rows in docs/coverage.md."""
    study: str
    """The study of `benchmarks.coverage` that makes them."""


PROMISES = (
    Promise("accuracy", "score", "accuracy", "sweeps"),
    Promise("difference", "tango", "difference", "sweeps"),
    Promise("area", "score", "area", "sweeps"),
    Promise("ace", "inversion", "ace", "sweeps"),
    Promise("rce", "inversion", "rce", "sweeps"),
    Promise("excess_ace", "inversion", "excess_ace", "sweeps"),
    Promise("worst_drop", "maximum", "worst_drop", "sweeps"),
    Promise("best_drop", "maximum", "best_drop", "sweeps"),
    Promise("floor", "maximum", "floor", "floored"),
    Promise("above", "maximum", "above", "floored"),
    Promise("gain", "ratio", "gain", "floored"),
    Promise("gain_area", "ratio", "gain_area", "floored"),
    Promise("retention", "ratio", "retention", "floored"),
    Promise("mixed_retention", "ratio", "mixed_retention", "floored"),
    Promise("knee", "likelihood ratio", "knee", "margins"),
    Promise("robust", "tango", "robust: bound", "margins"),
    Promise("mean", "t", "mean", "boards"),
    Promise("rank", "pairwise", "rank", "boards"),
    Promise("over_runs", "recovery of variances", "over runs", "boards"),
    Promise("balanced_accuracy", "score", "balanced", "scores"),
    Promise("sensitivity", "score", "sensitivity", "scores"),
    Promise("specificity", "score", "specificity", "scores"),
    Promise("auroc", "score", "auroc", "scores"),
    Promise("average_precision", "score", "average_precision", "scores"),
    Promise("brier", "score", "brier", "scores"),
    Promise("calibration_error", "inversion", "calibration_error", "scores"),
)
PROMISED = {promise.figure: promise for promise in PROMISES}
ERRORS = {
    "choose: loses more than the margin": "margins",
    "robust: called so, and is not": "margins",
    "knee: of a smooth curve": "margins",
    "rank: one of 300 equals below 1": "boards",
    "single test": "tests",
    "Holm family of 3": "tests",
    "noise floor, ace": "tests",
    "noise floor, worst_drop": "tests",
}
"""Errors of tests and verdicts, which must stay at 5 % or below, and their study."""
