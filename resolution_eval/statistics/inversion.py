"""Inversion: the sizes that a test of the likelihood ratio does not reject.

A size is in the interval where the best function that has it is nearly as likely as the best of
all. How nearly is found by simulation at the ends of the interval itself, and not at the estimate
alone: where a share is all but never seen, the ratio is spread wider than chi-squared has it.

Source: the inversion of a test by a constrained bootstrap, Davison and Hinkley 1997, "Bootstrap
Methods and their Application", section 5.5; Feldman and Cousins 1998, arXiv:physics/9711021, take
the quantile at every value likewise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2

from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.psychometric import (
    Counts,
    Lattice,
    Weibull,
    likelihood,
    log_shares,
    profile,
    through,
)

POINTS = 48
"""Sizes, evenly in logarithms, between which the ends of an interval are looked for."""
REACH = 20.0
"""How far below the best a function's log-likelihood is, at most, that is a resample's best, where
every cluster has one answer: three parameters, moved by two and a half, in 999 of 1000.
"""
PRECISION = 1e-3
"""Of an end, in natural logarithms."""


@dataclass(frozen=True, eq=False)
class Redraws:
    """Resamples of one set of answers: how many of each size, and how many right."""

    n: FloatArray
    right: FloatArray

    def moved(self, old: FloatArray, new: FloatArray, seed: int) -> FloatArray:
        """How many are right once answers were changed at random, each with the probability that
        takes shares of `old` to `new`; what one cluster's answers have in common they keep.
        """
        random = np.random.default_rng(seed)
        old, new = (np.clip(share, 1e-9, 1 - 1e-9) for share in (old, new))
        right = np.rint(self.right).astype(np.int64)
        wrong = np.rint(self.n).astype(np.int64) - right
        gained = random.binomial(wrong, np.clip((new - old) / (1 - old), 0, 1))
        lost = random.binomial(right, np.clip((old - new) / old, 0, 1))
        return np.asarray(right + gained - lost, dtype=float)


@dataclass(frozen=True, eq=False)
class Inversion:
    """One set of answers, the function fitted to it, and resamples by which sizes are tested."""

    counts: Counts
    fit: Weibull
    drawn: Redraws
    alike: float
    """Answers per cluster: if all of one agree, likelihoods are so many times as far apart."""
    seed: int

    def ends(self, share: float, level: float) -> tuple[float, float]:
        """Smallest and largest size at which `share` may be seen; infinite where functions that
        never have it seen are not rejected.

        The cut is at least chi-squared's, and as large as the resamples' own ratios in `level` of
        them: of resamples as they are, and of those moved to the end in question.
        """
        never = float(self._values[self._never(share)].max(initial=-np.inf))
        profiled = SizeProfile(self.counts, share, self.fit.size_at(share), never)
        smallest, largest = float(self.counts.size.min()), float(self.counts.size.max())
        cut = max(chi2.ppf(level, 1) / 2, self._cut(share, self.fit.size_at(share), level))
        low, high = profiled.ends(self._top - cut)
        if low >= smallest:
            wider = max(cut, self._cut(share, min(low, largest), level))
            low = profiled.ends(self._top - wider)[0]
        if high <= largest:
            wider = max(cut, self._cut(share, high, level))
            high = profiled.ends(self._top - wider)[1]
        return low, high

    @cached_property
    def _lattice(self) -> Lattice:
        return Lattice.of(self.counts)

    @cached_property
    def _values(self) -> FloatArray:
        """Log-likelihood of every function of the lattice."""
        rows = next(self._lattice.values(self.counts.n[None], self.counts.right[None]))
        return np.asarray(rows[0], dtype=float)

    @property
    def _top(self) -> float:
        return max(float(self._values.max()), likelihood(self.fit, self.counts))

    def _never(self, share: float) -> NDArray[np.bool_]:
        """Which functions of the lattice never have the share seen."""
        return np.asarray(np.isinf(self._lattice.sizes(share)))

    def _cut(self, share: float, size: float, level: float) -> float:
        """What the resamples lose in log-likelihood, in `level` of them at most, where `share` is
        seen at `size`, once they were moved to the best function of which that is true.
        """
        if np.isfinite(size):
            functions = through(share, size)
        else:
            functions = self._lattice.functions[self._never(share)]
        size_chance = self.counts.size, self.counts.chance
        right, wrong = log_shares(functions, *size_chance)
        place = (self.counts.right @ right + (self.counts.n - self.counts.right) @ wrong).argmax()
        moved = self.drawn.moved(
            self.fit.right(*size_chance),
            Weibull(*map(float, functions[place])).right(*size_chance),
            self.seed,
        )
        held = (moved @ right + (self.drawn.n - moved) @ wrong).max(axis=1)
        gain, none_right = self._near
        free = (moved @ gain + none_right).max(axis=1)
        return float(np.quantile(np.maximum(free - held, 0), level))

    @cached_property
    def _near(self) -> tuple[FloatArray, FloatArray]:
        """Of the functions that are the best of some resample: what a right answer adds to the
        log-likelihood (groups, functions), and every resample's without one (resamples, functions).
        """
        near = self._values >= self._top - REACH * self.alike
        finer = self._lattice.finer(near)
        right, wrong = log_shares(finer, self.counts.size, self.counts.chance)
        return right - wrong, self.drawn.n @ wrong


@dataclass(frozen=True, eq=False)
class SizeProfile:
    """Log-likelihood by the size at which a share is seen, over every slope and lapse rate."""

    counts: Counts
    share: float
    estimate: float
    never: float
    """Log-likelihood where the share is never seen."""

    @cached_property
    def _logs(self) -> FloatArray:
        low, high = np.log([self.counts.size.min() / 2, self.counts.size.max() * 2])
        logs = np.linspace(low, high, POINTS)
        if not np.isfinite(self.estimate):
            return logs
        return np.sort(np.append(logs, np.clip(np.log(self.estimate), low, high)))

    @cached_property
    def _values(self) -> FloatArray:
        return profile(self.counts, self.share, np.exp(self._logs))

    def ends(self, least: float) -> tuple[float, float]:
        """Smallest and largest size that is at least so likely."""
        inside = np.flatnonzero(self._values >= least)
        if not len(inside):
            return self.estimate, self.estimate if self.never < least else float("inf")
        low = self._crossing(inside[0], inside[0] - 1, least)
        high = self._crossing(inside[-1], inside[-1] + 1, least)
        return low, high if self.never < least else float("inf")

    def _crossing(self, inside: int, outside: int, least: float) -> float:
        """Where the profile is `least`, between a size inside and its neighbour outside; that
        inside, where it has none.
        """
        if not 0 <= outside < len(self._logs):
            return float(np.exp(self._logs[inside]))

        def over(log: float) -> float:
            return float(profile(self.counts, self.share, np.exp([log]))[0]) - least

        pair = sorted((float(self._logs[inside]), float(self._logs[outside])))
        if over(pair[0]) * over(pair[1]) > 0:
            return float(np.exp(self._logs[inside]))
        return float(np.exp(brentq(over, *pair, xtol=PRECISION)))
