"""Thresholds: sizes read off psychometric functions, with intervals, tests and comparisons.

Every interval is a bootstrap over clusters (images, patients) in which one draw serves all
curves, so that curves on the same images are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.intervals import LEVEL, Interval
from resolution_eval.statistics.inversion import Inversion, Redraws
from resolution_eval.statistics.proportions import FLAT
from resolution_eval.statistics.psychometric import Counts, Lattice, Trials, Weibull, fit

SEEN = 0.001
"""How often at most a model that guesses would be said to see."""
RESAMPLES = 200
BEYOND = 1.01
"""How far beyond the smallest and the largest size a curve is believed: rounding."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Psychometric functions of several sets of answers, and resamples of the answers."""

    trials: Mapping[str, Trials]
    fits: Mapping[str, Weibull]
    redrawn: Mapping[str, Redraws]
    """Resample i draws the same clusters for every name."""
    seed: int

    def sizes(self, name: str, share: float) -> FloatArray:
        """Size at which `share` is seen, in every resample; infinite where never."""
        drawn = self.redrawn[name]
        best = Lattice.of(self.trials[name].counts).best(drawn.n, drawn.right)
        return np.array([function.size_at(share) for function in best])

    def interval(self, name: str, share: float) -> Interval:
        """The size at which `share` is seen, as `intervals` gives it."""
        return self.intervals(name, (share,))[0]

    def intervals(self, name: str, shares: Sequence[float]) -> tuple[Interval, ...]:
        """The sizes at which `shares` are seen; infinite ends lie beyond what was shown.

        All sizes that a test of the likelihood ratio does not reject, with slope and lapse rate
        free; how large the ratio may be comes from resamples (`inversion`).
        """
        trials, drawn = self.trials[name], self.redrawn[name]
        alike = len(trials) / trials.clustered
        tested = Inversion(trials.counts, self.fits[name], drawn, alike, self.seed)
        sizes = []
        counts = (len(trials), trials.clustered, len(drawn.n), self.seed)
        for share in shares:
            best = self.fits[name].size_at(share)
            low, high = tested.ends(share, LEVEL)
            ends = (best, min(low, best), max(high, best))
            estimate, low, high = (shown(trials, end) for end in ends)
            sizes.append(Interval(estimate, low, high, LEVEL, *counts, "likelihood ratio"))
        return tuple(sizes)


def shown(trials: Trials, size: float) -> float:
    """`size` where things of about that size were shown; 0 below the smallest of them, infinite
    above the largest: what a curve says beyond its answers is not measured.
    """
    if size < float(trials.size.min()) / BEYOND:
        return 0.0
    return size if size <= float(trials.size.max()) * BEYOND else float("inf")


def curves(trials: Mapping[str, Trials], *, seed: int, resamples: int = RESAMPLES) -> Curves:
    """Fit every set of answers, and draw resamples of the clusters that they share."""
    if not trials:
        return Curves({}, {}, {}, seed)
    names = sorted({name for each in trials.values() for name in each.clusters}, key=repr)
    places = {name: place for place, name in enumerate(names)}
    odds = np.full(len(names), 1 / len(names))
    drawn = np.random.default_rng(seed).multinomial(len(names), odds, size=resamples).astype(float)
    fits = {name: fit(each) for name, each in trials.items()}
    redrawn = {name: _redrawn(each, drawn, places) for name, each in trials.items()}
    return Curves(trials, fits, redrawn, seed)


def _redrawn(trials: Trials, drawn: FloatArray, places: Mapping[Hashable, int]) -> Redraws:
    counts = trials.counts
    cluster = np.array([places[name] for name in trials.clusters])
    shape = (drawn.shape[1], len(counts.size))
    n, right = np.zeros(shape), np.zeros(shape)
    np.add.at(n, (cluster, counts.group), 1.0)
    np.add.at(right, (cluster, counts.group), trials.right)
    return Redraws(drawn @ n, drawn @ right)


def guessing(trials: Trials) -> float:
    """Probability that a model which guesses does as well, here or at the largest third of sizes.

    Of each, the larger of two probabilities: a normal approximation of the number of right answers,
    corrected for continuity, and Student's t over clusters; doubled, since there are two.
    """
    large = np.asarray(trials.size >= np.quantile(trials.size, 2 / 3))
    everywhere = np.ones(len(trials), dtype=bool)
    return min(1.0, 2 * min(_by_chance(trials, which) for which in (everywhere, large)))


def _by_chance(trials: Trials, which: NDArray[np.bool_]) -> float:
    chance, codes = trials.chance[which], trials.codes[which]
    over = trials.right[which] - chance
    spread = max(float((chance * (1 - chance)).sum()), FLAT)  # 0 where guessing is never right
    exact = norm.sf((over.sum() - 0.5) / np.sqrt(spread))
    sums = np.bincount(codes, over)[np.bincount(codes) > 0]
    if len(sums) < 2:
        return 1.0
    error = np.sqrt((sums**2).sum())
    clustered = student.sf(sums.sum() / error, len(sums) - 1) if error > 0 else 1.0
    return float(max(exact, clustered))


def misfit(trials: Trials, function: Weibull, *, seed: int, simulations: int = 200) -> float:
    """How probable a deviance at least as large is where `function` is true: small is a bad fit.

    Source: Wichmann and Hill 2001, by simulation, every simulated data set fitted anew.
    """
    counts, lattice = trials.counts, Lattice.of(trials.counts)
    random = np.random.default_rng(seed)
    p = function.right(counts.size, counts.chance)
    simulated = random.binomial(counts.n.astype(int), p, size=(simulations, len(p))).astype(float)
    rows = np.vstack([counts.right, simulated])
    n = np.broadcast_to(counts.n, rows.shape)
    fitted = lattice.best(np.ascontiguousarray(n), rows)
    pairs = zip(rows, fitted, strict=True)
    deviances = np.array([_deviance(counts, row, one) for row, one in pairs])
    return float((1 + (deviances[1:] >= deviances[0] - 1e-9).sum()) / (1 + simulations))


def _deviance(counts: Counts, right: FloatArray, function: Weibull) -> float:
    n, p = counts.n, np.clip(function.right(counts.size, counts.chance), 1e-9, 1 - 1e-9)
    share = right / n
    with np.errstate(divide="ignore", invalid="ignore"):
        hits = np.where(right > 0, right * np.log(share / p), 0.0)
        misses = np.where(right < n, (n - right) * np.log((1 - share) / (1 - p)), 0.0)
    return float(2 * (hits + misses).sum())


@dataclass(frozen=True)
class Ratio:
    """How many times larger one curve's size is than another's, at the same share seen."""

    first: str
    second: str
    interval: Interval
    """Simultaneous over all pairs of the comparison."""


@dataclass(frozen=True)
class Coincidence:
    """Whether curves are one curve."""

    ratios: tuple[Ratio, ...]
    margin: float
    verdict: str
    """`coincide` where every ratio is shown to lie within the margin, `differ` where one is shown
    not to be 1, else `undecided`; `withheld` where too many resamples have no threshold."""

    @property
    def widest(self) -> Ratio | None:
        """The pair whose ratio is furthest from 1; none where the test is withheld."""
        return max(
            self.ratios, key=lambda ratio: abs(np.log(ratio.interval.estimate)), default=None
        )


def coincidence(
    fitted: Curves, names: Sequence[str], *, share: float = 0.5, margin: float = 1.25
) -> Coincidence:
    """Compare the sizes at which `share` is seen, of every pair of the curves `names`.

    Intervals of log ratios are simultaneous at 95 %: the largest of the studentised deviations
    over the resamples bounds them all.
    """
    pairs = list(combinations(names, 2))
    if not pairs:
        return Coincidence((), margin, "withheld")
    drawn = np.column_stack([np.log(fitted.sizes(name, share)) for name in names])
    whole = np.isfinite(drawn).all(axis=1)
    points = {name: shown(fitted.trials[name], fitted.fits[name].size_at(share)) for name in names}
    if whole.mean() < 0.95 or not all(0 < size < np.inf for size in points.values()):
        return Coincidence((), margin, "withheld")
    places = {name: place for place, name in enumerate(names)}
    logs = np.column_stack([drawn[whole, places[a]] - drawn[whole, places[b]] for a, b in pairs])
    observed = np.array([np.log(points[a] / points[b]) for a, b in pairs])
    spread = np.maximum(logs.std(axis=0), 1e-6)
    bound = float(np.quantile(np.abs((logs - observed) / spread).max(axis=1), LEVEL))
    ratios = []
    for (a, b), log, reach in zip(pairs, observed, bound * spread, strict=True):
        estimate, low, high = (float(np.exp(log + step)) for step in (0.0, -reach, reach))
        counts = (len(fitted.trials[a]), fitted.trials[a].clustered, int(whole.sum()), fitted.seed)
        between = Interval(estimate, low, high, LEVEL, *counts, "simultaneous")
        ratios.append(Ratio(a, b, between))
    return Coincidence(tuple(ratios), margin, _verdict(ratios, margin))


def _verdict(ratios: Sequence[Ratio], margin: float) -> str:
    if all(1 / margin <= ratio.interval.low and ratio.interval.high <= margin for ratio in ratios):
        return "coincide"
    apart = any(not ratio.interval.low <= 1 <= ratio.interval.high for ratio in ratios)
    return "differ" if apart else "undecided"
