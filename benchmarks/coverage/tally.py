"""Tallies: how often an interval held the truth, or a test erred, by figure, truth and sample."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).with_name("results")
Rates = dict[str, tuple[int, int]]
"""Per figure, how often it hit, and in how many tries."""


@dataclass(frozen=True)
class Case:
    """One simulated truth of a study."""

    truth: str
    sample: str
    simulate: Callable[[np.random.Generator, int], Iterator[tuple[str, bool]]]
    """Figures of one repetition, each with whether it hit; its second argument is the seed."""
    repetitions: int


def run(case: Case, seed: Sequence[int]) -> Rates:
    """All repetitions of `case`."""
    rng = np.random.default_rng(list(seed))
    hits: dict[str, list[bool]] = defaultdict(list)
    for repetition in range(case.repetitions):
        for name, hit in case.simulate(rng, repetition):
            hits[name].append(bool(hit))
    return {name: (sum(each), len(each)) for name, each in hits.items()}


@dataclass
class Study:
    """What one study found: rows of (figure, truth, sample, hits, tries)."""

    name: str
    rows: list[tuple[str, str, str, int, int]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def keep(self) -> None:
        """Write it to its file."""
        RESULTS.mkdir(exist_ok=True)
        lines = ",\n".join(json.dumps(row) for row in self.rows)
        head = json.dumps({"study": self.name, **self.facts})[1:-1]
        text = f'{{{head}, "rows": [\n{lines}\n]}}\n'
        (RESULTS / f"{self.name}.json").write_text(text, encoding="utf-8")


def kept(name: str) -> Study:
    """The study as last kept; empty where it never ran."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return Study(name)
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = [tuple(row) for row in found.pop("rows")]
    return Study(found.pop("study"), rows, found)


def carry_out(name: str, cases: Sequence[Case], seed: int, jobs: int) -> Study:
    """The study's cases in `jobs` processes."""
    start = time.perf_counter()
    seeds = [(seed, position) for position in range(len(cases))]
    if jobs == 1:
        found = [run(case, key) for case, key in zip(cases, seeds, strict=True)]
    else:
        with ProcessPoolExecutor(jobs) as workers:
            found = list(workers.map(run, cases, seeds))
    rows = [
        (figure, case.truth, case.sample, hits, tries)
        for case, rates in zip(cases, found, strict=True)
        for figure, (hits, tries) in rates.items()
    ]
    minutes = round((time.perf_counter() - start) / 60, 1)
    return Study(name, rows, {"seed": seed, "minutes": minutes})
