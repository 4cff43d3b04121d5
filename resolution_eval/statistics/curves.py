"""Accuracy curves: what one curve of accuracy against inference resolution says in one figure.

A curve maps an inference resolution (edge in pixels of the square budget; for `native`, the rounded
root of the mean number of pixels) to an accuracy, all in percent or all as fractions. Every figure
exists twice: for one curve, and in `FIGURES` for many curves at once (one per row), which is what
the resampling in `intervals` needs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

FloatArray: TypeAlias = NDArray[np.float64]
Curve: TypeAlias = Mapping[int, float]


@dataclass(frozen=True)
class ScoreGrid:
    """The resolutions that a table of curves has in its columns, ascending.

    Raises:
        ValueError: none, unsorted, repeated or not positive, or a reference that is not a column.
    """

    resolutions: tuple[int, ...]
    """Edge in pixels, ascending."""
    reference: int = -1
    """Column of the training resolution; the last one unless stated."""

    def __post_init__(self) -> None:
        if not self.resolutions:
            raise ValueError("a curve needs at least one resolution, found none")
        if self.resolutions[0] <= 0:
            raise ValueError(f"resolutions are pixels above 0, found {self.resolutions[0]}")
        if list(self.resolutions) != sorted(set(self.resolutions)):
            raise ValueError(
                f"resolutions must ascend without repeats, found {self.resolutions}; sort them"
            )
        if not -len(self.resolutions) <= self.reference < len(self.resolutions):
            raise ValueError(f"no column {self.reference} among {len(self.resolutions)}")


Statistic: TypeAlias = Callable[[FloatArray, ScoreGrid], FloatArray]
"""Accuracy with one curve per row (rows, resolutions) to one figure per row (rows,)."""


def _area(rows: FloatArray, grid: ScoreGrid) -> FloatArray:
    octaves = np.log2(np.asarray(grid.resolutions, dtype=float))
    if len(octaves) == 1:
        return np.asarray(rows[..., 0])
    widths = np.diff(octaves) / (octaves[-1] - octaves[0])
    return np.asarray((rows[..., 1:] + rows[..., :-1]) / 2 @ widths)


def _ace(rows: FloatArray, grid: ScoreGrid) -> FloatArray:
    return np.asarray(np.abs(np.diff(rows, axis=-1)).sum(axis=-1))


def _rce(rows: FloatArray, grid: ScoreGrid) -> FloatArray:
    means = rows.mean(axis=-1)
    zeros = np.zeros_like(means)
    return np.asarray(np.divide(_ace(rows, grid), means, out=zeros, where=means > 0))


def _rho(rows: FloatArray, grid: ScoreGrid) -> FloatArray:
    ranks = rankdata(rows, axis=-1) - (rows.shape[-1] + 1) / 2
    order = np.arange(rows.shape[-1]) - (rows.shape[-1] - 1) / 2
    scale = np.sqrt((ranks**2).sum(axis=-1) * (order**2).sum())
    undefined = np.full_like(scale, np.nan)
    return np.asarray(np.divide(ranks @ order, scale, out=undefined, where=scale > 0))


FIGURES: dict[str, Statistic] = {
    "rho": _rho,
    "ace": _ace,
    "rce": _rce,
    "excess_ace": lambda rows, grid: _ace(rows, grid) - np.abs(rows[..., -1] - rows[..., 0]),
    "area": _area,
    "worst_drop": lambda rows, grid: rows[..., grid.reference] - rows.min(axis=-1),
    "best_drop": lambda rows, grid: rows.max(axis=-1) - rows.min(axis=-1),
}
"""Every figure of a curve, by the name that results and commands show.

rho: Spearman's rank correlation of accuracy with resolution, in [-1, 1]; ties share a rank, and it
is not a number where no order exists. ace: Absolute Continuous Error, the sum of absolute steps
along the curve; rce: Relative Continuous Error, that over the mean accuracy (unitless), 0 for a
curve of zeros. excess_ace: the part of ace that goes back and forth, ACE - |A(last) - A(first)|.
area: mean over the resolutions by the trapezoid rule in log2 r; that of a single one is its own.
worst_drop: max over r of A(r*) - A(r), r* itself included; best_drop: that from the best r.

Source: Res-Bench, arXiv:2510.16926, for rho, ace and rce.
"""


def figure(name: str, curve: Curve, *, reference: int | None = None) -> float:
    """The figure `name` of `FIGURES` for one curve; `reference`, by default the last, is r*.

    Raises:
        ValueError: an empty curve, an accuracy that is not finite, or no `reference` in it.

    Example:
        >>> figure("ace", {28: 0.25, 56: 0.75, 224: 0.5})
        0.75
    """
    resolutions = sorted(curve)
    if reference is not None and reference not in curve:
        raise ValueError(f"the curve has no resolution {reference}; choose from {resolutions}")
    column = -1 if reference is None else resolutions.index(reference)
    grid = ScoreGrid(tuple(resolutions), column)
    row = np.array([curve[resolution] for resolution in resolutions], dtype=float)
    if not np.isfinite(row).all():
        raise ValueError(f"accuracy must be a number at every resolution, found {dict(curve)}")
    return float(FIGURES[name](row[None, :], grid)[0])


@dataclass(frozen=True)
class Withheld:
    """A figure that is not given, because it would say more than the data do."""

    reason: str


def balanced_accuracy(targets: Sequence[Hashable], predictions: Sequence[Any]) -> float:
    """Mean over the classes among `targets` of the fraction answered right, in [0, 1].

    A prediction of None (an answer that cannot be parsed) is wrong.

    Raises:
        ValueError: nothing to score, or lengths that differ.

    Example:
        >>> balanced_accuracy(list("aaaab"), ["a", "a", None, "a", "a"])
        0.375
    """
    if len(targets) != len(predictions) or not targets:
        raise ValueError(
            f"need as many predictions as targets, at least one; found {len(predictions)} "
            f"and {len(targets)}"
        )
    right: dict[Hashable, list[bool]] = {}
    for target, prediction in zip(targets, predictions, strict=True):
        right.setdefault(target, []).append(prediction == target)
    return sum(sum(hits) / len(hits) for hits in right.values()) / len(right)
