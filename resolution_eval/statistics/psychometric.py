"""Psychometric functions: the probability of a right answer by size, fitted by maximum likelihood.

p(size) = chance + (1 - chance) (1 - lapse) F(size), F(size) = 1 - 2^-(size / threshold)^slope

F is Weibull's function, its threshold where it is one half. `chance` is known for every answer, so
that questions with two, four and eight choices share one curve; `lapse` is the share of answers
that are guessed however large the thing is. Sizes are positive and of any unit.

Source: Wichmann and Hill 2001, "The psychometric function", Perception & Psychophysics 63, 1293 and
1314; maximum likelihood with a lapse rate, intervals by bootstrap, fit tested by the deviance's
simulated distribution. The lapse rate may reach one half here, not 0.06: models, unlike observers
in a laboratory, do not know half of what they are shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import product
from math import ceil, log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.resampling import IntArray

LAPSE = 0.5
"""Largest lapse rate that is fitted."""
SLOPES = (0.6, 12.0)
"""Least and largest slope that is fitted."""
STEP = 0.025
"""Distance between thresholds of the lattice, in natural logarithms: two and a half percent."""
ROUNDED = 0.01
"""Sizes are counted together when they agree to one percent."""
_LAPSES = np.array([0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.27, 0.35, 0.43, LAPSE])
_SLOPES = np.geomspace(*SLOPES, 14)
_CHUNK = 1 << 22
"""How many likelihoods are held at once."""


@dataclass(frozen=True)
class Weibull:
    """One psychometric function."""

    threshold: float
    """Size at which half of what can be seen is seen, in the unit of the sizes."""
    slope: float
    lapse: float
    """Share of answers that are guessed whatever the size."""

    def seen(self, size: FloatArray | float) -> FloatArray:
        """Share of answers that are right for having seen, 0 to 1 - lapse."""
        shape = np.exp2(-((np.asarray(size, dtype=float) / self.threshold) ** self.slope))
        return np.asarray((1 - self.lapse) * (1 - shape))

    def right(self, size: FloatArray | float, chance: FloatArray | float) -> FloatArray:
        """Probability of a right answer.

        Example:
            >>> float(Weibull(threshold=2.0, slope=3.0, lapse=0.0).right(2.0, 0.25))
            0.625
        """
        return np.asarray(chance + (1 - np.asarray(chance)) * self.seen(size))

    def size_at(self, share: float) -> float:
        """Size at which `share` of the answers are right for having seen; infinite where never.

        Example:
            >>> Weibull(threshold=2.0, slope=3.0, lapse=0.2).size_at(0.9)
            inf
        """
        within = share / (1 - self.lapse)
        if not 0 < within < 1:
            return float("inf")
        return float(self.threshold * (-np.log2(1 - within)) ** (1 / self.slope))


@dataclass(frozen=True, eq=False)
class Trials:
    """Answers to things of known size.

    Raises:
        RecordError: no answer, columns of different lengths, a size that is not positive, a chance
            outside [0, 1), or an answer that is neither right (1) nor wrong (0).
    """

    size: FloatArray
    right: FloatArray
    chance: FloatArray
    """Probability of a right answer by guessing, for every answer."""
    clusters: Sequence[Hashable]
    """Image or patient of every answer; intervals resample these."""
    codes: IntArray = field(init=False, repr=False)
    """The clusters numbered from 0."""

    def __post_init__(self) -> None:
        lengths = {len(self.size), len(self.right), len(self.chance), len(self.clusters)}
        if lengths == {0} or len(lengths) > 1:
            raise RecordError(
                f"{len(self.size)} sizes, {len(self.right)} answers, {len(self.chance)} chances "
                f"and {len(self.clusters)} clusters; need as many of each, and one at least"
            )
        if not (np.isfinite(self.size) & (self.size > 0)).all():
            raise RecordError("a size is not a positive number; leave out what has no size")
        if not ((self.chance >= 0) & (self.chance < 1)).all():
            raise RecordError("the chance of a right guess lies within 0 and 1")
        if not np.isin(self.right, (0, 1)).all():
            raise RecordError("answers are 1 (right) or 0 (wrong); leave failed ones out")
        numbers: dict[Hashable, int] = {}
        codes = [numbers.setdefault(name, len(numbers)) for name in self.clusters]
        object.__setattr__(self, "codes", np.array(codes, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.size)

    @property
    def clustered(self) -> int:
        """How many clusters the answers are of."""
        return int(self.codes.max()) + 1

    @cached_property
    def counts(self) -> Counts:
        """Answers of one size and chance, counted together."""
        logs = np.rint(np.log(self.size) / ROUNDED).astype(np.int64)
        keys = np.column_stack([logs, np.rint(self.chance * 1e9).astype(np.int64)])
        _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        group = group.reshape(-1)
        n = np.bincount(group)
        size = np.exp(np.bincount(group, np.log(self.size)) / n)
        right = np.bincount(group, self.right)
        return Counts(size, self.chance[first], n.astype(float), right.astype(float), group)


@dataclass(frozen=True, eq=False)
class Counts:
    """Per size and chance, how many answers there are and how many of them are right."""

    size: FloatArray
    chance: FloatArray
    n: FloatArray
    right: FloatArray
    group: IntArray
    """Place of every answer's size and chance among them."""


def likelihood(function: Weibull, counts: Counts) -> float:
    """Log-likelihood of the counts, without the binomial coefficients."""
    p = np.clip(function.right(counts.size, counts.chance), 1e-9, 1 - 1e-9)
    return float((counts.right * np.log(p) + (counts.n - counts.right) * np.log(1 - p)).sum())


def fit(trials: Trials) -> Weibull:
    """The function of largest likelihood: the best of a lattice, then improved from there."""
    counts = trials.counts
    lattice = Lattice.of(counts)
    start = lattice.best(counts.n[None], counts.right[None])[0]
    low, high = log(lattice.thresholds[0]), log(lattice.thresholds[-1])

    def function(place: FloatArray) -> Weibull:
        return Weibull(float(np.exp(place[0])), float(place[1]), float(place[2]))

    optimum = minimize(
        lambda place: -likelihood(function(place), counts),
        np.array([log(start.threshold), start.slope, start.lapse]),
        method="L-BFGS-B",
        bounds=[(low, high), SLOPES, (0, LAPSE)],
    )
    better = function(optimum.x)
    return better if likelihood(better, counts) > likelihood(start, counts) else start


def through(share: float, size: float) -> FloatArray:
    """Functions of many slopes and lapse rates in which `share` is seen at `size`: threshold, slope
    and lapse of each (functions, 3). Lapse rates are those at which the share can be seen.
    """
    slope = np.geomspace(*SLOPES, 28)[:, None]
    lapse = min(LAPSE, 0.999 - share) * np.linspace(0, 1, 18) ** 2
    bits = -np.log2(1 - share / (1 - lapse))
    columns = np.broadcast_arrays(size / bits ** (1 / slope), slope, lapse)
    return np.column_stack([column.ravel() for column in columns])


def log_shares(
    functions: FloatArray, sizes: FloatArray, chances: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log-probabilities of a right and of a wrong answer (groups, functions)."""
    threshold, slope, lapse = functions.T
    size, chance = sizes[:, None], chances[:, None]
    seen = (1 - lapse) * (1 - np.exp2(-((size / threshold) ** slope)))
    p = np.clip(chance + (1 - chance) * seen, 1e-9, 1 - 1e-9)
    return np.log(p), np.log(1 - p)


def profile(counts: Counts, share: float, sizes: FloatArray) -> FloatArray:
    """Largest log-likelihood, over slope and lapse, where `share` is seen at each of `sizes`."""
    values = np.empty(len(sizes))
    for place, size in enumerate(sizes):
        right, wrong = log_shares(through(share, float(size)), counts.size, counts.chance)
        values[place] = (counts.right @ right + (counts.n - counts.right) @ wrong).max()
    return values


@dataclass(frozen=True, eq=False)
class Lattice:
    """Many functions at once: a thousand resamples are fitted by one product of matrices."""

    thresholds: FloatArray
    functions: FloatArray
    """Threshold, slope and lapse of every function (functions, 3)."""
    right: FloatArray
    """Log-probability of a right answer (groups, functions)."""
    wrong: FloatArray

    @classmethod
    def of(cls, counts: Counts) -> Lattice:
        """The functions whose thresholds lie among the sizes, or up to twice beyond them."""
        return _lattice(tuple(counts.size), tuple(counts.chance))

    def best(self, n: FloatArray, right: FloatArray) -> list[Weibull]:
        """The likeliest function for every row of counts (rows, groups)."""
        places = [value.argmax(axis=1) for value in self.values(n, right)]
        chosen = self.functions[np.concatenate(places)]
        return [Weibull(*map(float, row)) for row in chosen]

    def values(self, n: FloatArray, right: FloatArray) -> Iterator[FloatArray]:
        """Log-likelihood of every function (rows, functions) for rows of counts, some at a time."""
        rows = max(1, _CHUNK // len(self.functions))
        for start in range(0, len(n), rows):
            part = slice(start, start + rows)
            yield right[part] @ self.right + (n[part] - right[part]) @ self.wrong

    def finer(self, chosen: NDArray[np.bool_]) -> FloatArray:
        """The chosen functions (functions, 3), with those half a step on where they are so few that
        no more than the lattice has come of it: many answers tell close functions apart.
        """
        if 8 * chosen.sum() > len(self.functions):
            return self.functions[chosen]
        axes = [_halved(axis) for axis in (self.thresholds, _SLOPES, _LAPSES)]
        places = np.argwhere(chosen.reshape(len(self.thresholds), len(_SLOPES), len(_LAPSES)))
        halves = np.array(list(product((0, 1), repeat=3)))
        every = (2 * places[:, None] + halves).reshape(-1, 3)
        every = np.unique(np.minimum(every, [len(axis) - 1 for axis in axes]), axis=0)
        return np.column_stack([axis[place] for axis, place in zip(axes, every.T, strict=True)])

    def sizes(self, share: float) -> FloatArray:
        """Size at which every function has `share` seen; infinite where never."""
        threshold, slope, lapse = self.functions.T
        within = share / (1 - lapse)
        reached = within < 1
        bits = -np.log2(1 - np.where(reached, within, 0.5))
        return np.where(reached, threshold * bits ** (1 / slope), np.inf)


def _halved(axis: FloatArray) -> FloatArray:
    """The axis with the middle between each two of its values."""
    middles = (axis[1:] + axis[:-1]) / 2
    return np.sort(np.concatenate([axis, middles]))


@lru_cache(maxsize=4)
def _lattice(sizes: tuple[float, ...], chances: tuple[float, ...]) -> Lattice:
    low, high = float(min(sizes)) / 2, float(max(sizes)) * 2
    thresholds = np.geomspace(low, high, ceil(log(high / low) / STEP) + 1)
    mesh = np.meshgrid(thresholds, _SLOPES, _LAPSES, indexing="ij")
    functions = np.column_stack([axis.ravel() for axis in mesh])
    shares = log_shares(functions, np.array(sizes), np.array(chances))
    return Lattice(thresholds, functions, *shares)
