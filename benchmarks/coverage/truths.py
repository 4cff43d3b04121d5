"""Simulated truths: what accuracy is at every resolution, and how answers go together.

Every sample has a latent ability with a part of its own and, when clustered, one that it shares
with its cluster; it is right at resolution r where that and a fresh error lie below the threshold
that gives A(r). So accuracies are exactly those of the curve, and answers of one sample, and of one
cluster, go together. When clustered, half of the fresh error too is that of the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from resolution_eval.statistics.curves import FloatArray, ScoreGrid
from resolution_eval.statistics.resampling import AnswerMatrix, IntArray


@dataclass(frozen=True)
class Truth:
    """A curve of accuracy, r*, and how much of the latent variance one sample keeps over r."""

    accuracy: tuple[float, ...]
    reference: int = -1
    own: float = 0.5

    @property
    def grid(self) -> ScoreGrid:
        """Doubling resolutions from 28 px."""
        return ScoreGrid(tuple(28 * 2**step for step in range(len(self.accuracy))), self.reference)


TRUTHS: dict[str, Truth] = {
    "rising": Truth((0.35, 0.55, 0.70, 0.80)),
    "lowest first": Truth((0.60, 0.75, 0.80), reference=0),
    "dip": Truth((0.50, 0.75, 0.80, 0.70)),
    "mild": Truth((0.60, 0.64, 0.67, 0.66)),
    "flat": Truth((0.60, 0.60, 0.60, 0.60)),
    "ceiling": Truth((0.93, 0.96, 0.98, 0.985)),
    "near floor": Truth((0.27, 0.29, 0.33, 0.36)),
    "1 % differ": Truth((0.60, 0.60, 0.60, 0.60), own=0.9995),
    "2 % differ": Truth((0.60, 0.605, 0.61, 0.615), own=0.9985),
    "none differ": Truth((0.70, 0.70, 0.70), own=1.0),
    "eight": Truth((0.30, 0.40, 0.50, 0.60, 0.65, 0.70, 0.72, 0.73)),
}
SHARED = 0.2
"""Part of the latent variance that a cluster shares."""


@dataclass(frozen=True)
class TruthSample:
    """How many samples: each its own cluster, or in clusters of 2 or more, 6 on average."""

    count: int
    """Samples, or clusters where clustered."""
    clustered: bool = False

    @property
    def name(self) -> str:
        """As the page shows it."""
        return f"{self.count} clusters" if self.clustered else f"n {self.count}"


SAMPLES = (
    *(TruthSample(n) for n in (30, 100, 320, 1000, 5000)),
    *(TruthSample(clusters, clustered=True) for clusters in (8, 20, 50, 200)),
)


def labels(sample: TruthSample, rng: np.random.Generator) -> IntArray:
    """The cluster of every sample."""
    sizes = np.ones(sample.count, dtype=np.int64)
    if sample.clustered:
        sizes += rng.geometric(1 / 5, sample.count)
    return np.repeat(np.arange(sample.count), sizes)


def latent(
    sample: TruthSample, clusters: IntArray, columns: int, own: float, rng: np.random.Generator
) -> FloatArray:
    """Standard normal values (samples, columns) that go together as the module says."""
    shared = SHARED * own if sample.clustered else 0.0
    fresh = 0.5 if sample.clustered else 0.0
    size = len(clusters)
    ability = np.sqrt(own - shared) * rng.standard_normal(size)
    error = np.sqrt(1 - fresh) * rng.standard_normal((size, columns))
    if sample.clustered:
        ability += np.sqrt(shared) * rng.standard_normal(sample.count)[clusters]
        error += np.sqrt(fresh) * rng.standard_normal((sample.count, columns))[clusters]
    return np.asarray(ability[:, None] + np.sqrt(1 - own) * error)


def simulate(truth: Truth, sample: TruthSample, rng: np.random.Generator) -> AnswerMatrix:
    """Answers of one simulated evaluation."""
    clusters = labels(sample, rng)
    drawn = latent(sample, clusters, len(truth.accuracy), truth.own, rng)
    return AnswerMatrix((drawn < ndtri(np.array(truth.accuracy))).astype(float), clusters)
