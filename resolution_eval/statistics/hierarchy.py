"""Many data sets: one mean per model, and ranks, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.intervals import LEVEL, TAIL, Interval
from resolution_eval.statistics.proportions import FLAT


@dataclass(frozen=True, eq=False)
class Part:
    """One figure on one data set, for one or several models that were resampled together."""

    dataset: str
    modality: str
    estimates: FloatArray
    """The figure of every model (models,)."""
    draws: FloatArray
    """The figure in every resample (resamples, models), the same clusters for every model."""
    n: int
    clusters: int
    """Effective clusters, where they differ in size."""
    seed: int
    between: FloatArray | None = None
    """Variance of each model's mean over its runs (seeds, prompts) (models,); None for one run."""
    runs: FloatArray | None = None
    """How many runs each model's figure is the mean of (models,)."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The models' means over data sets, and their joint errors."""

    estimates: FloatArray
    sources: tuple[tuple[FloatArray, FloatArray], ...]
    """Per source of error its covariance of the models, and its degrees of freedom (models,)."""
    unseen: float
    """Variance that too few samples may hide, where draws hardly differ."""
    counts: tuple[int, int, int, int]
    """Samples, clusters, resamples and seed."""


def weights(parts: Sequence[Part]) -> tuple[float, ...]:
    """Weight of each data set: the modalities weigh the same, and the data sets within each.

    Raises:
        RecordError: no data set, or one that is there twice.

    Example:
        >>> none = np.zeros((1, 1))
        >>> made = [Part(d, m, none[0], none, 9, 9, 1) for d, m in ("ax", "bx", "cy")]
        >>> weights(made)
        (0.25, 0.25, 0.5)
    """
    names = [part.dataset for part in parts]
    if not names or len(set(names)) < len(names):
        raise RecordError(f"a mean over data sets needs each once, at least one; found {names}")
    sizes = Counter(part.modality for part in parts)
    return tuple(1 / (len(sizes) * sizes[part.modality]) for part in parts)


def pool(parts: Sequence[Part]) -> Pool:
    """Hierarchical means of every model: equal weight per data set, then per modality.

    Data sets are independent: give each part its own seed.

    Raises:
        RecordError: no data set, one twice, seeds that repeat, or counts of models that differ.
    """
    shares = weights(parts)
    if len({part.draws.shape for part in parts}) > 1 or len({p.seed for p in parts}) < len(parts):
        raise RecordError(
            "the parts of a mean need as many models and resamples each, and seeds of their own; "
            f"found draws {[p.draws.shape for p in parts]}, seeds {[p.seed for p in parts]}"
        )
    weighed = list(zip(shares, parts, strict=True))
    estimates = np.sum([w * p.estimates for w, p in weighed], axis=0)
    sources = tuple(source for w, p in weighed for source in _sources(w, p))
    unseen = float(sum(w**2 / (p.n * p.clusters) for w, p in weighed))
    n, clusters = sum(p.n for p in parts), round(sum(p.clusters for p in parts))
    counts = (n, clusters, len(parts[0].draws), parts[0].seed)
    return Pool(estimates, sources, unseen, counts)


def _sources(weight: float, part: Part) -> Iterator[tuple[FloatArray, FloatArray]]:
    """The error of the samples, which models share, and that of each model's runs.

    Runs are taken to scatter alike for all models of a data set, also for one that ran once.
    """
    widening = np.sqrt(part.clusters / max(part.clusters - 1, 1))
    noise = weight * ((part.draws - part.estimates) * widening)
    # An error estimated from draws is uncertain by their number too.
    doubt = 1 / max(part.clusters - 1, 1) + 1 / max(len(noise) - 1, 1)
    freedom = np.full(len(part.estimates), 1 / doubt)
    yield np.asarray(noise.T @ noise / len(noise)), freedom
    if part.between is not None and part.runs is not None and (part.runs > 1).any():
        freedom = np.full(len(part.runs), float((part.runs - 1).sum()))
        one = float(((part.runs - 1) * part.runs * part.between).sum() / freedom[0])
        yield np.diag(weight**2 * one / part.runs), freedom


def means(
    parts: Sequence[Part], *, bounds: tuple[float, float] = (0.0, 1.0)
) -> tuple[Interval, ...]:
    """The hierarchical mean of every model with its interval, kept within `bounds`.

    By Student's t, with each model's own degrees of freedom; fractions.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> def part(name, kind, mean, seed):
        ...     draws = mean + 0.02 * rng.standard_normal((4000, 1))
        ...     return Part(name, kind, np.array([mean]), draws, 400, 400, seed)
        >>> parts = [part("a", "x", 0.5, 1), part("b", "x", 0.7, 2), part("c", "y", 0.8, 3)]
        >>> (mean,) = means(parts)
        >>> round(mean.estimate, 3), round(mean.low, 2), round(mean.high, 2)
        (0.7, 0.68, 0.72)
    """
    pooled = pool(parts)
    variances = np.array([np.diag(covariance) for covariance, _ in pooled.sources])
    freedoms = np.array([freedom for _, freedom in pooled.sources])
    halves = _reach(variances, freedoms, pooled.unseen, TAIL)
    low = np.maximum(pooled.estimates - halves, bounds[0])
    high = np.minimum(pooled.estimates + halves, bounds[1])
    return tuple(
        Interval(float(e), float(a), float(b), LEVEL, *pooled.counts, "t")
        for e, a, b in zip(pooled.estimates, low, high, strict=True)
    )


def _reach(variances: FloatArray, freedoms: FloatArray, unseen: float, tail: float) -> FloatArray:
    """Half width of sums over sources (sources, ...): each by its own Student's quantile.

    Source: Cochran 1964, Biometrics 20: never narrower than one quantile for the mixed freedom.
    """
    shares = variances + unseen / len(variances)
    return np.asarray(np.sqrt((stdtrit(freedoms, 1 - tail) ** 2 * shares).sum(axis=0)))


def ranks(
    pooled: Pool, *, slack: tuple[FloatArray, FloatArray] | None = None
) -> tuple[Interval, ...]:
    """Rank of every model (1 is the highest mean; equals share the better one) with its interval.

    A model's interval leaves out the ranks that its differences to the others rule out, all
    differences of all models together: in 95 % of cases no interval of any model misses its rank.
    Means that differ by rounding are equal. `slack` says how far below and above each mean may lie
    by its failed samples: a difference counts where it holds at the worst of them.

    Source: Mogstad, Romano, Shaikh and Wilhelm 2024, Review of Economic Studies 91; Bonferroni over
    the paired, studentised differences.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> draws = np.array([0.5, 0.9, 0.51]) + 0.02 * rng.standard_normal((4000, 3))
        >>> part = Part("a", "x", np.array([0.5, 0.9, 0.51]), draws, 400, 400, 1)
        >>> [(rank.estimate, rank.low, rank.high) for rank in ranks(pool([part]))]
        [(3.0, 2.0, 3.0), (1.0, 1.0, 1.0), (2.0, 2.0, 3.0)]
    """
    count = len(pooled.estimates)
    ahead = pooled.estimates[None, :] - pooled.estimates[:, None]
    margin = _margins(pooled) if count > 1 else np.zeros((1, 1))
    down, up = (np.zeros(count), np.zeros(count)) if slack is None else slack
    better = (ahead - down[None, :] - up[:, None] > margin).sum(axis=1)
    worse = (ahead + up[None, :] + down[:, None] < -margin).sum(axis=1)
    estimates = 1 + (ahead > FLAT).sum(axis=1)
    return tuple(
        Interval(float(e), float(1 + b), float(count - w), LEVEL, *pooled.counts, "pairwise")
        for e, b, w in zip(estimates, better, worse, strict=True)
    )


def _margins(pooled: Pool) -> FloatArray:
    """By how much two means must differ to be told apart, all pairs at once (models, models).

    Bonferroni's quantile is 3 to 4 % above that of the largest of as many independent models'
    differences, and holds in few clusters, where draws move in too few directions to show it.
    """
    sums = [
        (np.diag(c)[:, None] + np.diag(c)[None, :] - 2 * c, np.minimum(f[:, None], f[None, :]))
        for c, f in pooled.sources
    ]
    variances, freedoms = (np.array(each) for each in zip(*sums, strict=True))
    pairs = len(pooled.estimates) * (len(pooled.estimates) - 1)
    return _reach(np.maximum(variances, 0.0), freedoms, pooled.unseen, (1 - LEVEL) / pairs)
