"""Sampling: scores by sample as the statistics take them, and the one resample of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from resolution_eval.records import Scores
from resolution_eval.statistics.resampling import Answers, Resampled, align, resample

SEED = 20_251_018
"""Of every bootstrap in a report: the same records give the same page."""
RESAMPLES = 4_000
"""Enough for the third digit of an interval's ends; a report of 20 records stays under a minute."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Scores by sample, once per column, and every sample's cluster: what `align` takes."""

    values: Sequence[Mapping[str, float]]
    clusters: Mapping[str, str]

    def aligned(self) -> Answers:
        """The samples that every column has."""
        return align(self.values, self.clusters)


def clusters_of(scores: Scores) -> dict[str, str]:
    """The cluster of every sample."""
    return dict(zip(scores.samples, scores.clusters, strict=True))


def column_scores(scores: Scores, target: str | None = None) -> Columns:
    """The columns of `scores`, failed samples left out, and only those of one class if named."""
    wanted = [target is None or mine == target for mine in scores.targets]
    return Columns(
        [
            {
                sample: float(value)
                for sample, value, use in zip(scores.samples, column, wanted, strict=True)
                if use and not np.isnan(value)
            }
            for column in scores.correct.T
        ],
        clusters_of(scores),
    )


def resampled(columns: Columns) -> Resampled:
    """The accuracies of `columns` in resamples of the clusters, always the same ones."""
    return resample(columns.aligned(), seed=SEED, resamples=RESAMPLES)
