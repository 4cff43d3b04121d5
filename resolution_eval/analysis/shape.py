"""The shape of a curve: its figures over all resolutions, with what has no verdict in their ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import numpy as np

from resolution_eval.analysis.floor import Floor
from resolution_eval.analysis.sampling import Columns, Figure, bounded, resampled
from resolution_eval.statistics import intervals
from resolution_eval.statistics.curves import FIGURES, FloatArray, Grid
from resolution_eval.statistics.intervals import Interval, Problem
from resolution_eval.statistics.resampling import Resampled, ratios


def area_weights(grid: Grid) -> tuple[float, ...]:
    """What each resolution counts in the area: the trapezoid rule in log2 r, summing to 1.

    Example:
        >>> area_weights(Grid((28, 56, 224)))
        (0.16666666666666666, 0.5, 0.3333333333333333)
    """
    identity = np.eye(len(grid.resolutions))
    return tuple(float(weight) for weight in FIGURES["area"](identity, grid))


def area(columns: Columns, grid: Grid) -> Figure:
    """Mean accuracy over the resolutions."""
    signs = [1] * len(columns.values)
    return bounded(columns, signs, lambda drawn: intervals.figure("area", drawn, grid))


def worst_drop(columns: Columns, grid: Grid) -> Figure:
    """Largest fall below the accuracy at the grid's reference."""
    signs = [-1] * len(columns.values)
    signs[grid.reference] = 1
    return bounded(columns, signs, lambda drawn: intervals.figure("worst_drop", drawn, grid))


def best_drop(columns: Columns) -> Figure:
    """Largest fall below the accuracy at the best resolution: best less worst."""
    count = len(columns.values)
    identity = np.eye(count)
    lines = np.array([identity[i] - identity[j] for i, j in permutations(range(count), 2)])

    def spread(rows: FloatArray) -> FloatArray:
        return np.asarray(rows.max(axis=-1) - rows.min(axis=-1))

    def solution(drawn: Resampled) -> Interval:
        return intervals.solve(Problem(spread, drawn, (0.0, 1.0), lines=lines), "maximum")

    return _widened(columns, solution, lambda _, share: 2 * share, top=1.0)


def rho(columns: Columns, grid: Grid) -> float:
    """Spearman's rank correlation of accuracy with resolution; no honest interval of it is known."""
    return float(FIGURES["rho"](resampled(columns.aligned()).accuracy[None, :], grid)[0])


def jaggedness(name: str, columns: Columns, grid: Grid) -> Figure:
    """ACE, RCE or excess ACE: sums of the curve's steps."""
    steps = len(columns.values) - 1
    reach: dict[str, Callable[[Interval, float], float]] = {
        "ace": lambda _, share: 2 * share * steps,
        "excess_ace": lambda _, share: 2 * share * (steps + 1),
        "rce": lambda found, share: share * (2 * steps + found.estimate) / _least(columns, share),
    }
    tops = {"ace": steps, "excess_ace": steps, "rce": 2 * (steps + 1)}

    def solution(drawn: Resampled) -> Interval:
        return intervals.figure(name, drawn, grid)

    return _widened(columns, solution, reach[name], tops[name])


def _least(columns: Columns, share: float) -> float:
    """The smallest that the mean accuracy can be."""
    return max(float(resampled(columns.aligned()).accuracy.mean()) - share, intervals.FLAT)


def _widened(
    columns: Columns,
    solution: Callable[[Resampled], Interval],
    reach: Callable[[Interval, float], float],
    top: float,
) -> Figure:
    """The figure of the samples that every column has, widened by what the others could change.

    A share u of samples left out moves every accuracy by at most u, up or down; `reach` says how
    far that moves the figure.
    """
    if columns.flaw is not None:
        return columns.flaw
    found = solution(resampled(columns.aligned()))
    far = reach(found, columns.left_out / len(columns.clusters)) if columns.left_out else 0.0
    return replace(found, low=max(0.0, found.low - far), high=min(top, found.high + far))


def retention(columns: Columns, column: int, reference: int, base: Floor) -> Figure:
    """(A(column) - B) / (A(reference) - B), B the floor, paired with its scores by sample."""
    wanted = columns.pick([column, reference])
    if base.columns is None:
        signs = [1, 0]
        return bounded(
            wanted, signs, lambda drawn: intervals.retention(drawn, 0, 1, chance=base.value)
        )
    both = wanted.beside(base.columns)
    return bounded(both, [1, 0, 0], lambda drawn: intervals.retention(_less_last(drawn), 0, 1))


def _less_last(drawn: Resampled) -> Resampled:
    """The columns less the last one, which is the floor's."""

    def measure(sums: FloatArray) -> FloatArray:
        rates = ratios(sums)
        return np.asarray(rates[..., :-1] - rates[..., -1:])

    draws = drawn.draws[:, :-1] - drawn.draws[:, -1:]
    return Resampled(drawn.totals, draws, drawn.seed, drawn.left_out, measure)
