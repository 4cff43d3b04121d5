"""What a figure would be if accuracy did not depend on the resolution: its noise floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from resolution_eval.statistics.curves import FIGURES, FloatArray, ScoreGrid
from resolution_eval.statistics.proportions import bisect
from resolution_eval.statistics.resampling import CHUNK, AnswerMatrix, ratios

FLOORED = ("ace", "rce", "excess_ace", "worst_drop")
"""Figures that noise can only raise."""


@dataclass(frozen=True)
class NoiseFloor:
    """A figure beside what noise alone gives it, in the unit of the figure."""

    raw: float
    """The figure as observed."""
    floor: float
    """Its mean over the permutations."""
    ceiling: float
    """Its 95 % quantile over the permutations."""
    debiased: float
    """The figure less what noise adds at its size; 0 where it does not exceed the floor."""
    p: float
    """Permutation test of 'accuracy does not depend on the resolution' by this figure."""
    permutations: int
    seed: int


def noise_floors(
    answers: AnswerMatrix, grid: ScoreGrid, *, seed: int, permutations: int = 1000
) -> dict[str, NoiseFloor]:
    """Noise floor of ACE, RCE, excess ACE and worst drop, from the same samples.

    The resolutions of each cluster are permuted, all its samples alike, which keeps everything but
    the dependence on the resolution. The debiased figure is that of the curve
    mean + t * (A - mean), with t such that this curve's figure under the permutations' noise is on
    average the one observed: near the floor it falls to 0, and for a steep curve, where noise
    cancels, it stays as observed.

    Source: Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses, chapter 3.

    Example:
        >>> from resolution_eval.statistics.resampling import align
        >>> paired = align([{str(i): float((i * k) % 7 > 2) for i in range(70)} for k in (1, 2, 3)])
        >>> found = noise_floors(paired, ScoreGrid((28, 56, 112)), seed=1, permutations=500)["ace"]
        >>> found.raw, found.floor > 0.1, found.debiased, found.p
        (0.0, True, 0.0, 1.0)
    """
    totals = answers.totals()
    drawn = _permuted(totals, np.random.default_rng(seed), permutations)
    observed = ratios(totals.sum(axis=0))
    return {name: _floor(name, observed, drawn, grid, seed) for name in FLOORED}


def _permuted(totals: FloatArray, rng: np.random.Generator, permutations: int) -> FloatArray:
    """Accuracies (permutations, columns), the columns of every cluster in a random order."""
    fixed = (totals[:, :-1] == totals[:, :1]).all(axis=1)
    moving = totals[~fixed, :-1]
    sums = np.empty((permutations, totals.shape[1] - 1))
    step = max(1, CHUNK // max(moving.size, 1))
    for start in range(0, permutations, step):
        rows = min(step, permutations - start)
        copies = np.broadcast_to(moving, (rows, *moving.shape))
        sums[start : start + rows] = rng.permuted(copies, axis=2).sum(axis=1)
    return np.asarray((sums + totals[fixed, :-1].sum(axis=0)) / totals[:, -1].sum())


def _floor(
    name: str, observed: FloatArray, drawn: FloatArray, grid: ScoreGrid, seed: int
) -> NoiseFloor:
    def statistic(rows: FloatArray) -> FloatArray:
        return FIGURES[name](rows, grid)

    raw, noise = float(statistic(observed[None, :])[0]), statistic(drawn)
    mean = float(observed.mean())
    shape = observed - mean
    scale = debiasing(statistic, mean, shape, drawn - drawn.mean(axis=0), raw)
    return NoiseFloor(
        raw=raw,
        floor=float(noise.mean()),
        ceiling=float(np.quantile(noise, 0.95)),
        debiased=float(statistic((mean + scale * shape)[None, :])[0]),
        p=(1 + int((noise >= raw - 1e-12).sum())) / (1 + len(noise)),
        permutations=len(noise),
        seed=seed,
    )


def debiasing(
    statistic: Callable[[FloatArray], FloatArray],
    base: float,
    shape: FloatArray,
    noise: FloatArray,
    raw: float,
) -> float:
    """The t in [0, 1] at which the figure of base + t * shape under `noise` is on average `raw`; 0
    where noise alone gives as much.
    """

    def fits(scale: float) -> bool:
        return bool(statistic(base + scale * shape + noise).mean() <= raw)

    if statistic(base + noise).mean() >= raw:
        return 0.0
    return bisect(fits, 0.0, 1.0, steps=30)[0]
