"""Many data sets: one mean per model, and ranks, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from resolution_eval.errors import RecordError
from resolution_eval.statistics.curves import FloatArray
from resolution_eval.statistics.intervals import FLAT, Interval


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
    seed: int


@dataclass(frozen=True, eq=False)
class Pool:
    """The models' means over data sets, and their joint errors."""

    estimates: FloatArray
    errors: FloatArray
    """Draws minus estimates (resamples, models), widened by sqrt(C / (C - 1)) per data set."""
    unseen: FloatArray
    """How far each mean may lie off where no draw of a data set differs (models,)."""
    freedom: float
    """Degrees of freedom, after Welch and Satterthwaite, of the first model's error."""
    n: int
    clusters: int
    seed: int


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


def pool(parts: Sequence[Part], *, level: float = 0.95) -> Pool:
    """Hierarchical means of every model: equal weight per data set, then per modality.

    Data sets are independent: give each part its own seed. `level` is that of what draws that do
    not differ leave unseen.

    Raises:
        RecordError: no data set, one twice, seeds that repeat, or counts of models that differ.
    """
    shares = weights(parts)
    if len({part.draws.shape for part in parts}) > 1 or len({p.seed for p in parts}) < len(parts):
        raise RecordError(
            "the parts of a mean need as many models and resamples each, and seeds of their own; "
            f"found draws {[p.draws.shape for p in parts]}, seeds {[p.seed for p in parts]}"
        )
    estimates = sum(
        (w * p.estimates for w, p in zip(shares, parts, strict=True)), start=np.zeros(1)
    )
    errors = [w * _widened(p) for w, p in zip(shares, parts, strict=True)]
    variances = np.array([error[:, 0].var() for error in errors])
    loss = sum(v**2 / max(p.clusters - 1, 1) for v, p in zip(variances, parts, strict=True))
    freedom = float(variances.sum() ** 2 / loss) if loss > 0 else 1.0
    counts = (sum(p.n for p in parts), sum(p.clusters for p in parts), parts[0].seed)
    unseen = [w * _unseen(p, level) for w, p in zip(shares, parts, strict=True)]
    hidden = np.sqrt(np.sum(np.square(unseen), axis=0))
    return Pool(np.asarray(estimates), np.sum(errors, axis=0), hidden, freedom, *counts)


def _unseen(part: Part, level: float) -> FloatArray:
    """The share of clusters that could differ unseen, for models whose draws are all the same.

    All right or all wrong, or one cluster: the draws then say nothing of the error.
    """
    share = 1 - (1 - level) ** (1 / part.clusters)
    return np.where(part.draws.std(axis=0) <= FLAT, share, 0.0)


def _widened(part: Part) -> FloatArray:
    widening = np.sqrt(part.clusters / max(part.clusters - 1, 1))
    return np.asarray((part.draws - part.estimates) * widening)


def means(parts: Sequence[Part], *, level: float = 0.95) -> tuple[Interval, ...]:
    """The hierarchical mean of every model with its interval (unit of the figure), by Student's t.

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
    pooled = pool(parts, level=level)
    t = float(student.ppf((1 + level) / 2, pooled.freedom))
    halves = np.hypot(t * pooled.errors.std(axis=0), pooled.unseen)
    counts = (pooled.n, pooled.clusters, len(pooled.errors), pooled.seed)
    return tuple(
        Interval(float(e), float(e - h), float(e + h), level, *counts, "t")
        for e, h in zip(pooled.estimates, halves, strict=True)
    )


def ranks(pooled: Pool, *, level: float = 0.95) -> tuple[Interval, ...]:
    """Rank of every model (1 is the highest mean; equals share the better one) with its interval.

    A model's interval leaves out the ranks that its differences to the others rule out,
    simultaneously over the others. Means that differ by rounding are equal. Resampled ranks would
    not do: they are far too sure where models are close.

    Source: Mogstad, Romano, Shaikh and Wilhelm 2024, Review of Economic Studies 91.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> draws = np.array([0.5, 0.9, 0.51]) + 0.02 * rng.standard_normal((4000, 3))
        >>> part = Part("a", "x", np.array([0.5, 0.9, 0.51]), draws, 400, 400, 1)
        >>> [(rank.estimate, rank.low, rank.high) for rank in ranks(pool([part]))]
        [(3.0, 2.0, 3.0), (1.0, 1.0, 1.0), (2.0, 2.0, 3.0)]
    """
    return tuple(_rank(pooled, model, level) for model in range(len(pooled.estimates)))


def _rank(pooled: Pool, model: int, level: float) -> Interval:
    others = np.delete(np.arange(len(pooled.estimates)), model)
    ahead = pooled.estimates[others] - pooled.estimates[model]
    noise = pooled.errors[:, others] - pooled.errors[:, [model]]
    errors = np.maximum(noise.std(axis=0), FLAT)
    reach = 0.0
    if len(others):
        reach = float(np.quantile(np.abs(noise / errors).max(axis=1), level))
    margin = reach * errors + np.minimum(pooled.unseen[others], pooled.unseen[model])
    better, worse = (ahead > margin).sum(), (ahead < -margin).sum()
    estimate = 1.0 + float((ahead > FLAT).sum())
    low, high = 1.0 + float(better), float(len(others) + 1 - worse)
    counts = (pooled.n, pooled.clusters, len(pooled.errors), pooled.seed)
    return Interval(estimate, low, high, level, *counts, "pairwise")
