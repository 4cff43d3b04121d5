"""Figures by size: what a cell's answers say of how small a thing is still seen, and where it ends.

Sizes are in pixels of the stored image; `scale` turns them into pixels at the encoder, and is known
only where somebody read the grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.proportions import FLAT
from resolution_eval.statistics.psychometric import ROUNDED, Trials, Weibull
from resolution_eval.statistics.thresholds import (
    SEEN,
    Coincidence,
    Curves,
    coincidence,
    curves,
    guessing,
    misfit,
)

LEAST = 16
"""Fewest answers that a function is fitted to."""
BINS = 8
"""Most points of a curve."""
HALF, MOST = 0.5, 0.9


@dataclass(frozen=True)
class Bin:
    """Answers to things of about one size."""

    size: float
    """Geometric mean, in pixels."""
    seen: float
    """Share right beyond guessing: 0 is chance, 1 is all."""
    low: float
    high: float
    n: int


@dataclass(frozen=True, eq=False)
class SizeCell:
    """The answers at one resolution."""

    resolution: str
    source: Trials
    """Sizes in pixels of the stored image."""
    encoder: Trials | None
    """Sizes in pixels at the encoder; none where nobody saw the grid of every sample."""
    scale: float | None
    """Pixels at the encoder per pixel of the stored image, where it is one for all samples."""
    limit: float | None
    """Smallest detail that the sampling can show, in pixels of the stored image: half a period of
    two pixels at the encoder, or of the content where that is coarser; none where not known."""

    @cached_property
    def guessing(self) -> float:
        """Probability that a model which guesses does as well."""
        return guessing(self.source)

    @property
    def sees(self) -> bool:
        """Whether the model is shown to see anything at all."""
        return len(self.source) >= LEAST and self.guessing < SEEN

    @property
    def unseen(self) -> str | None:
        """Why no size is given, in words; None where the model is shown to see."""
        if self.sees:
            return None
        return "too few" if len(self.source) < LEAST else "does not see"


@dataclass(frozen=True, eq=False)
class BySize:
    """All that is said of one kind of thing over the resolutions; cells in their order."""

    kind: str
    cells: Sequence[SizeCell]
    seed: int

    @cached_property
    def source(self) -> Curves:
        """Of the cells where the model sees, by resolution."""
        seeing = {cell.resolution: cell.source for cell in self.cells if cell.sees}
        return curves(seeing, seed=self.seed)

    @cached_property
    def encoder(self) -> Curves:
        """As `source`, of those cells whose grid is known."""
        seeing = {cell.resolution: cell.encoder for cell in self.cells if cell.sees}
        return curves({r: trials for r, trials in seeing.items() if trials}, seed=self.seed)

    @cached_property
    def _thresholds(self) -> Mapping[tuple[str, float], Interval]:
        shares = (HALF, MOST)
        return {
            (name, share): size
            for name in self.source.fits
            for share, size in zip(shares, self.source.intervals(name, shares), strict=True)
        }

    def threshold(self, resolution: str, share: float = HALF) -> Interval | None:
        """Size in pixels of the stored image at which `share`, a half or `MOST`, is seen; none
        where nothing is.
        """
        return self._thresholds.get((resolution, share))

    def at_encoder(self, resolution: str, share: float = HALF) -> Interval | None:
        """As `threshold`, in pixels at the encoder; none too where the grid is not known."""
        scales = {cell.resolution: cell.scale for cell in self.cells}
        scale, size = scales.get(resolution), self.threshold(resolution, share)
        if scale is not None and size is not None:
            ends = (size.estimate * scale, size.low * scale, size.high * scale)
            return replace(size, estimate=ends[0], low=ends[1], high=ends[2])
        return self.encoder.interval(resolution, share) if resolution in self.encoder.fits else None

    @cached_property
    def misfits(self) -> Mapping[str, float]:
        """How probable a fit as bad as this one is, by resolution."""
        return {
            name: misfit(trials, self.source.fits[name], seed=self.seed)
            for name, trials in self.source.trials.items()
        }

    @cached_property
    def coincidence(self) -> Coincidence:
        """Whether the curves of all resolutions are one curve in pixels at the encoder."""
        return coincidence(self.encoder, list(self.encoder.fits))

    @cached_property
    def enough(self) -> str | None:
        """The lowest resolution whose threshold in pixels of the stored image is shown to be within
        a quarter of every higher one's: above it, more resolution brings no finer sight. None where
        that is not shown of any but the highest.
        """
        names = list(self.source.fits)
        for place, name in enumerate(names[:-1]):
            compared = coincidence(self.source, names[place:])
            mine = [ratio for ratio in compared.ratios if ratio.first == name]
            if mine and all(ratio.interval.high <= compared.margin for ratio in mine):
                return name
        return None


def bins(trials: Trials) -> list[Bin]:
    """Shares seen by size, in at most `BINS` groups of about as many answers.

    The interval is that of a mean over clusters, by its standard error and 1.96, within what is
    possible; where all answers of a bin agree, by the rule of three: up to 3 of as many answers as
    there are clusters might be others, each of which is 1 / (1 - chance) of what is seen.
    """
    logs = np.rint(np.log(trials.size) / ROUNDED)
    sizes = np.unique(logs)
    if len(sizes) <= BINS:
        groups = [np.flatnonzero(logs == size) for size in sizes]
    else:
        groups = np.array_split(np.argsort(trials.size, kind="stable"), BINS)
    return [_bin(trials, group) for group in groups]


def _bin(trials: Trials, group: NDArray[np.intp]) -> Bin:
    chance, right = trials.chance[group], trials.right[group]
    seen = (right - chance) / (1 - chance)
    mean = float(seen.mean())
    codes = np.unique(trials.codes[group], return_inverse=True)[1]
    sums = np.bincount(codes, seen - mean)
    count = len(sums)
    error = float(np.sqrt((sums**2).sum() * count / max(count - 1, 1)) / len(group))
    agree = right.min() == right.max() or error < FLAT
    reach = 3 / count * float((1 / (1 - chance)).mean()) if agree else 1.96 * error
    size = float(np.exp(np.log(trials.size[group]).mean()))
    least = -float((chance / (1 - chance)).mean())
    return Bin(size, mean, max(least, mean - reach), min(1.0, mean + reach), len(group))


def line(function: Weibull, low: float, high: float, points: int = 60) -> list[tuple[float, float]]:
    """Sizes from `low` to `high`, evenly in logarithms, and the share seen at each."""
    sizes = np.geomspace(low, high, points)
    return list(zip(sizes.tolist(), function.seen(sizes).tolist(), strict=True))
