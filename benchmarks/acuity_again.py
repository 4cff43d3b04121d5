"""Sizes of the kept charts anew, from their kept shares, where how intervals are made has changed.

    python -m benchmarks.acuity_again

shows no image to anyone: ideal observers read slowly, and what is right at each size was kept. All
else is as `benchmarks.acuity` has it; the resamples behind an interval are as many and of the
same seed, but of images numbered by size. Ratios, which compare answers to the same image, stay as
they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.acuity_results import SEED, ends, keep, load
from resolution_eval.statistics.psychometric import Trials
from resolution_eval.statistics.thresholds import curves

ROUNDED = 2e-3
"""Of sizes and shares as they were kept."""


def answers(shares: dict[str, float], n: int, chance: float) -> Trials:
    """The answers that were right in these shares, as many at every size.

    Raises:
        ValueError: the shares are of no whole number of answers.
    """
    each, rest = divmod(n, len(shares))
    right = np.array([share * each for share in shares.values()])
    if rest or np.abs(right - np.rint(right)).max() > 1e-4 * each:
        raise ValueError(f"shares {shares} are of no {n} answers, {len(shares)} sizes alike")
    size = np.repeat([float(size) for size in shares], each)
    first = np.tile(np.arange(each), len(shares)) < np.repeat(np.rint(right), each)
    return Trials(size, first.astype(float), np.full(n, chance), [f"{i:05d}" for i in range(n)])


def anew(kind: dict[str, Any]) -> dict[str, Any]:
    """What was kept of one kind, its sizes made anew.

    Raises:
        ValueError: a size is another than that which was kept.
    """
    sizes = {}
    for name, kept in kind["sizes"].items():
        trials = answers(kind["shares"][name], kind["n"][name], kind["chance"])
        sizes[name] = ends(curves({name: trials}, seed=SEED).interval(name, 0.5))
        new, old = sizes[name]["estimate"], kept["estimate"]
        if not (new == old or (new and old and np.isclose(new, old, rtol=ROUNDED))):
            raise ValueError(f"{name}: the size is {new}, but was {old}: other answers than kept")
    return {**kind, "sizes": sizes}


def main() -> None:
    """Make every chart's sizes anew."""
    for name, found in load()["charts"].items():
        kinds = {kind: anew(each) for kind, each in found["kinds"].items()}
        keep("charts", name, {**found, "kinds": kinds})
        for kind, each in kinds.items():
            print(name, kind, each["sizes"], flush=True)


if __name__ == "__main__":
    main()
