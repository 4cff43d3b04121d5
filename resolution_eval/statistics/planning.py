"""Planning: the power of the test that `compare` makes, and how many samples a drop needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom

from resolution_eval.statistics.curves import FloatArray, Withheld
from resolution_eval.statistics.paired_tests import EXACT, design_effect, signs
from resolution_eval.statistics.resampling import AnswerMatrix

SIMULATED = 2_000
"""Comparisons simulated where clusters are few enough to matter."""
FLIPS = 1_999
"""Sign patterns of a simulated comparison in more clusters than can be counted out."""
LARGEST = 10_000_000
"""Samples beyond which a number needed is not looked for."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """Two columns to be compared on the same samples, and the test made of them."""

    n: int
    """Samples."""
    discordance: float
    """Fraction of samples that differ between the columns."""
    clusters: int | None = None
    """Patients or slides that the samples come from; None where every sample stands alone."""
    design: float = 1.0
    """Design effect of the clusters: 1 where every sample stands alone."""
    error: float = 0.05
    """Two-sided."""
    family: int = 1
    """Comparisons made together: the power is that under Holm where only this one is real."""
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.discordance <= 1:
            raise ValueError(f"discordance must be above 0 and at most 1, found {self.discordance}")
        if not 0 < self.error < 1:
            raise ValueError(f"error must be above 0 and below 1, found {self.error}")
        if self.n < 1 or self.design <= 0 or self.family < 1:
            raise ValueError(
                "need at least one sample, a design effect above 0 and one comparison, found "
                f"{self.n}, {self.design}, {self.family}"
            )
        if self.clusters is not None and not 2 <= self.clusters <= self.n:
            raise ValueError(f"{self.n} samples are in 2 to {self.n} clusters, not {self.clusters}")


@dataclass(frozen=True)
class Power:
    """How often the test finds a drop."""

    value: float
    monte_carlo_error: float
    """Standard error of a simulated value; 0 where it is computed exactly."""
    test: str
    """`mcnemar` or `sign flip`, as `compare` has it."""


def power_of(design: Design, drop: float) -> Power:
    """How often `compare` finds a `drop` of accuracy (fraction), Holm over `family` included.

    Alone, samples are tested by McNemar's exact test, whose power is summed over how many differ.
    In clusters, sign flips of as many clusters of equal size are simulated: their samples copy one
    another as often as gives the design effect. Holm's first step is at error / family, which is
    what a single real drop among others without one has to pass.

    Source: Duffy 1984, Biometrics 40, for the exact unconditional power of McNemar's test.

    Example:
        >>> found = power_of(Design(n=626, discordance=0.2), 0.05)
        >>> round(found.value, 3), found.test
        (0.779, 'mcnemar')
    """
    if not 0 <= drop <= design.discordance:
        raise ValueError(
            f"a drop of {drop} needs a discordance of at least that, not {design.discordance}"
        )
    error = design.error / design.family
    if design.clusters is None or design.clusters == design.n:
        alone = max(round(design.n / design.design), 1)
        return Power(_mcnemar(alone, design.discordance, drop, error), 0.0, "mcnemar")
    value = _sign_flip(design, drop, error)
    return Power(value, float(np.sqrt(value * (1 - value) / SIMULATED)), "sign flip")


def _mcnemar(n: int, discordance: float, drop: float, error: float) -> float:
    """Exact power, summed over the numbers of differing samples that are not too rare."""
    spread = 8 * np.sqrt(n * discordance * (1 - discordance)) + 8
    centre = n * discordance
    differing = np.arange(max(0, int(centre - spread)), min(n, int(centre + spread)) + 1)
    least = binom.ppf(error / 2, differing, 0.5)
    least = np.where(binom.cdf(least, differing, 0.5) > error / 2, least - 1, least)
    rate = (1 + drop / discordance) / 2
    powers = binom.cdf(least, differing, rate) + binom.cdf(least, differing, 1 - rate)
    return float((binom.pmf(differing, n, discordance) * powers).sum())


def _sign_flip(design: Design, drop: float, error: float) -> float:
    """Part of the simulated comparisons whose sign flips find the drop."""
    rng = np.random.default_rng(design.seed)
    sums = _sums(design, drop, rng)
    clusters = sums.shape[1]
    exact = clusters <= EXACT
    patterns = signs(clusters) if exact else rng.choice([-1.0, 1.0], (FLIPS, clusters))
    hits = np.zeros(len(sums))
    for part in np.array_split(patterns, max(1, len(patterns) * len(sums) // 4_000_000)):
        hits += (np.abs(sums @ part.T) >= np.abs(sums.sum(axis=1))[:, None] - 1e-9).sum(axis=1)
    p = hits / len(patterns) if exact else (1 + hits) / (1 + len(patterns))
    return float((p <= error).mean())


def _sums(design: Design, drop: float, rng: np.random.Generator) -> FloatArray:
    """Differences summed by cluster (comparisons, clusters): some samples copy their cluster's."""
    clusters = design.clusters or design.n
    sizes = np.full(clusters, design.n // clusters)
    sizes[: design.n % clusters] += 1
    alike = np.sqrt(np.clip((design.design - 1) / max(sizes.mean() - 1, 1e-9), 0.0, 1.0))
    odds = [(design.discordance + drop) / 2, (design.discordance - drop) / 2]
    shape = (SIMULATED, clusters)
    copies = rng.binomial(sizes, alike, size=shape)
    common = rng.choice([1.0, -1.0, 0.0], size=shape, p=[*odds, 1 - sum(odds)])
    own = sizes - copies
    won = rng.binomial(own, odds[0])
    lost = rng.binomial(own - won, odds[1] / (1 - odds[0]) if odds[0] < 1 else 0.0)
    return np.asarray(copies * common + won - lost, dtype=np.float64)


def detectable_drop(design: Design, *, chance: float = 0.8) -> float | Withheld:
    """Smallest drop of accuracy (fraction) that is found with power `chance`.

    Withheld where even a drop of all differing samples would be missed.

    Example:
        >>> round(detectable_drop(Design(n=1000, discordance=0.2)), 4)
        0.0404
    """
    _check_chance(chance)
    top = design.discordance
    if power_of(design, top).value < chance:
        return Withheld(f"{design.n} samples cannot show a drop when {top:.4g} of them differ")
    low, high = 0.0, top
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        enough = power_of(design, middle).value >= chance
        low, high = (low, middle) if enough else (middle, high)
    return high


def samples_needed(design: Design, drop: float, *, chance: float = 0.8) -> int | Withheld:
    """Samples that find a `drop` of accuracy (fraction) with power `chance`, in such clusters.

    Exact power rises and falls a little from one number to the next: this and all larger numbers
    looked at do. Clusters grow in number and keep their size. `design.n` sets that size alone.

    Raises:
        ValueError: a drop not above 0, or larger than the discordance.

    Example:
        >>> samples_needed(Design(n=1, discordance=0.2), 0.05)
        661
    """
    _check_chance(chance)
    if not 0 < drop <= 1:
        raise ValueError(f"drop must be above 0 and at most 1, found {drop}")
    power_of(design, drop)
    size = 1.0 if design.clusters is None else design.n / design.clusters

    def finds(count: int) -> bool:
        clusters = None if design.clusters is None else count
        made = replace(design, n=max(round(count * size), count), clusters=clusters)
        return power_of(made, drop).value >= chance

    high = max(2, int(_smooth(design, drop, chance) / size))
    while not finds(high):
        high = int(high * 1.3) + 1
        if high * size > LARGEST:
            return Withheld(f"more than {LARGEST:,} samples would be needed")
    step = max(1, high // 400)
    while high - step >= 2 and all(finds(high - step * k) for k in (1, 2) if high - step * k >= 2):
        high -= step
    return int(np.ceil(high * size))


def _smooth(design: Design, drop: float, chance: float) -> float:
    """Samples by the normal approximation, from which to look.

    Source: Connor 1987, Biometrics 43.
    """
    sure, strong = -ndtri(design.error / design.family / 2), ndtri(chance)
    spread = sure * np.sqrt(design.discordance)
    spread += strong * np.sqrt(max(design.discordance - drop**2, 0.0))
    return float(design.design * (spread / drop) ** 2)


def _check_chance(chance: float) -> None:
    if not 0 < chance < 1:
        raise ValueError(f"power must be above 0 and below 1, found {chance}")


@dataclass(frozen=True)
class SampleSizePlan:
    """A paired comparison of two columns, and what it can show."""

    n: int | None
    """Samples at hand; None where only the number needed is asked for."""
    discordance: float
    """Fraction of samples that differ between the columns."""
    design: float
    """Design effect of the clusters: 1 where every sample stands alone."""
    detectable: float | Withheld | None
    """Smallest drop of accuracy (fraction) that `n` samples show; None without `n`."""
    drop: float | None
    """Drop of accuracy that the user names."""
    needed: int | Withheld | None
    """Samples that `drop` needs; None without one."""
    reached: Power | None
    """Power with which `n` samples find `drop`; None without both."""


def plan(
    *,
    n: int | None,
    discordance: float,
    design: float = 1.0,
    drop: float | None = None,
    power: float = 0.8,
    error: float = 0.05,
    clusters: int | None = None,
    family: int = 1,
    seed: int = 1,
) -> SampleSizePlan:
    """What `n` samples in `clusters` can show among `family` comparisons, and what `drop` needs.

    Raises:
        ValueError: a fraction outside (0, 1], a power or error of 1, or no sample.

    Example:
        >>> found = plan(n=1000, discordance=0.2, drop=0.05)
        >>> round(found.detectable, 4), found.needed, round(found.reached.value, 2)
        (0.0404, 661, 0.94)
    """
    if n is not None and n < 1:
        raise ValueError(f"need at least one sample, found {n}")
    if n is None and clusters is not None:
        raise ValueError(f"{clusters} clusters of how many samples? give their number too")
    made = Design(
        n=2 if n is None else n,
        discordance=discordance,
        clusters=clusters,
        design=design,
        error=error,
        family=family,
        seed=seed,
    )
    detectable = None if n is None else detectable_drop(made, chance=power)
    needed: int | Withheld | None = None
    reached: Power | None = None
    if drop is not None and drop > discordance:
        needed = Withheld(
            f"a drop of {drop:.4g} changes more samples than {discordance:.4g} differ"
        )
    elif drop is not None:
        needed = samples_needed(made, drop, chance=power)
        reached = None if n is None else power_of(made, drop)
    return SampleSizePlan(n, discordance, design, detectable, drop, needed, reached)


def observed(answers: AnswerMatrix, first: int, second: int) -> tuple[int, float, float]:
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
