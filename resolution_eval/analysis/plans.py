"""Plans: what comparisons of a curve's resolutions can show, by the test of `compare`."""

from __future__ import annotations

from resolution_eval.analysis.sampling import column_scores, seed_of
from resolution_eval.analysis.sweeps import Sweep
from resolution_eval.statistics.planning import SampleSizePlan, observed, plan


def plans(
    sweep: Sweep, *, drop: float | None = None, power: float = 0.8, error: float = 0.05
) -> dict[str, SampleSizePlan]:
    """Every resolution against the training one, else the last, by name; Holm over them all."""
    answers = column_scores(sweep.scores).aligned()
    last = len(sweep.cells) - 1 if sweep.reference is None else sweep.reference
    others = [index for index in range(len(sweep.cells)) if index != last]
    clusters = int(answers.clusters.max()) + 1
    by_pair = {}
    for index in others:
        n, discordance, design = observed(answers, index, last)
        by_pair[f"{sweep.resolutions[index]} against {sweep.resolutions[last]}"] = plan(
            n=n,
            discordance=max(discordance, 1 / n),
            design=max(design, 1 / n),
            drop=drop,
            power=power,
            error=error,
            clusters=None if clusters == n else clusters,
            family=len(others),
            seed=seed_of(answers),
        )
    return by_pair
