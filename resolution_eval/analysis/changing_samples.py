"""Changing samples: right at one resolution and wrong at another, and in which order to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from resolution_eval.analysis.sampling import name_digest
from resolution_eval.analysis.sweeps import Sweep


def changed(sweep: Sweep) -> list[str]:
    """Samples that are right at one resolution and wrong at another, by name."""
    scores = sweep.scores
    right, wrong = (scores.correct == 1).any(axis=1), (scores.correct == 0).any(axis=1)
    return [scores.samples[i] for i in np.flatnonzero(right & wrong)]


def chosen(sweeps: Sequence[Sweep]) -> list[str]:
    """Every sample that changes, those first that do so for most checkpoints, targets in turn.

    Among equals the order is that of the SHA-256 of the name: free of any order in the data.
    """
    counts = Counter(sample for sweep in sweeps for sample in changed(sweep))
    targets: dict[str, str] = {}
    for sweep in sweeps if counts else ():
        targets.update(sweep.targets)
    by_target: dict[str, list[str]] = {}
    for sample in sorted(counts, key=lambda name: (-counts[name], name_digest(name))):
        by_target.setdefault(targets[sample], []).append(sample)
    turns = zip_longest(*by_target.values())
    return [sample for turn in turns for sample in turn if sample is not None]
