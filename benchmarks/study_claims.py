"""What the study claims, and at what price: ends reached, seeds drawn anew, cost, and the answers
that each interval can be computed from again.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import optimize, stats

from resolution_eval.statistics.paired_tests import holm
from resolution_eval.statistics.replicates import half_of_both

Document = Mapping[str, Any]
Key = tuple[str, str, str]
"""Matrix, gap, and the strategy in mixed's place."""

TARGETS = {"mixed_low_gap": -0.02, "mixed_retention": 0.99}
"""What a mixed strategy is to reach: at least these."""
LEVEL = 0.95
SPECIALISTS = {"blood cells": ("pbc84", "pbc84-long"), "phantoms": ("phantom-long",)}
"""Matrices of one task at the same ends, trained for fewer and for more steps."""


@dataclass(frozen=True)
class Anew:
    """A gap where samples and seeds are both drawn anew: the mean over seeds.

    Its interval is that of every row over runs, `replicates.half_of_both`; with three seeds it
    covers 95 % and more, where Satterthwaite's degrees of freedom cover 92 %
    (`tests/test_study_page.py`).
    """

    estimate: float
    samples: float
    """Standard error over samples."""
    clusters: int
    between: float
    """Standard error of the mean over seeds."""
    seeds: int

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.estimate - self._half(1 - LEVEL)

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.estimate + self._half(1 - LEVEL)

    def _half(self, p: float) -> float:
        samples = self.samples * float(stats.t.isf(p / 2, self.clusters - 1))
        return half_of_both(samples, self.between, self.seeds, p / 2)

    def p_equal(self, value: float) -> float:
        """Two-sided p of 'the gap is `value`': one less the level whose interval ends there."""
        away = abs(self.estimate - value)
        tiny = 1e-12
        if self._half(tiny) <= away:
            return tiny
        return float(optimize.brentq(lambda p: self._half(p) - away, tiny, 1.0))

    def p_below(self, value: float) -> float:
        """One-sided p of 'the gap is `value` or less'."""
        half = self.p_equal(value) / 2
        return half if self.estimate > value else 1 - half


def anew(gap: Document) -> Anew | None:
    """The gap with seeds as a random effect; None where it is withheld or has one seed."""
    seeds = gap.get("per_seed", ())
    if "withheld" in gap or len(seeds) < 2:
        return None
    return Anew(
        estimate=gap["estimate"],
        samples=(gap["high"] - gap["low"]) / (2 * float(stats.norm.ppf((1 + LEVEL) / 2))),
        clusters=gap["clusters"],
        between=statistics.stdev(seeds) / len(seeds) ** 0.5,
        seeds=len(seeds),
    )


def _every(matrices: Mapping[str, Document], names: Sequence[str]) -> Iterator[tuple[Key, Anew]]:
    for matrix, one in matrices.items():
        for gap in one["matrix"]["gaps"]:
            found = anew(gap) if gap["name"] in names else None
            if found is not None:
                yield (matrix, gap["name"], gap["strategy"]), found


def sign_rows(
    matrices: Mapping[str, Document], names: Sequence[str]
) -> dict[Key, tuple[Anew, float]]:
    """Every gap of `names` with seeds drawn anew, and Holm's p over all of them that it is zero."""
    found = dict(_every(matrices, names))
    adjusted = holm({key: one.p_equal(0.0) for key, one in found.items()})
    return {key: (one, adjusted[key]) for key, one in found.items()}


def reached_anew(matrices: Mapping[str, Document]) -> dict[Key, float]:
    """Holm's p, over all strategies and both aims, that a gap with seeds drawn anew misses its aim;
    one-sided, so that 0.025 belongs to a 95 % interval.
    """
    found = dict(_every(matrices, list(TARGETS)))
    return holm({key: one.p_below(TARGETS[key[1]]) for key, one in found.items()})


def reached(gap: Document) -> bool:
    """Whether the whole of the gap's interval reaches its aim, of these very seeds."""
    return "withheld" not in gap and gap["low"] >= TARGETS[gap["name"]]


def price_rows(matrices: Mapping[str, Document]) -> Iterator[list[str]]:
    """Per task and strategy, cheapest first: processor seconds of training, and both ends."""
    for task, names in SPECIALISTS.items():
        rows = [
            (seconds(matrices[name], strategy), name, strategy)
            for name in names
            for strategy in matrices[name]["matrix"]["checkpoints"]
            if strategy != "none"
        ]
        for spent, name, strategy in sorted(rows):
            ends = (accuracy(matrices[name], strategy, at) for at in ("low", "native"))
            yield [task, name, strategy, f"{spent:.0f}", *(f"{end:.1f}" for end in ends)]


def seconds(one: Document, strategy: str) -> float:
    """Mean processor seconds of training over the strategy's seeds."""
    return statistics.fmean(
        run["processor_seconds"] for run in one["training"] if run["strategy"] == strategy
    )


def accuracy(one: Document, strategy: str, at: str) -> float:
    """Accuracy in percent, mean over seeds."""
    matrix = one["matrix"]
    (found,) = (
        cell["accuracy_percent"]
        for cell in (*matrix["cells"], *matrix["further_cells"])
        if (cell["train"], cell["infer"]) == (strategy, at)
    )
    return float(found)


def price_parts(matrices: Mapping[str, Document]) -> dict[str, float]:
    """What `anchored` costs on blood cells: seconds of both, and points lost when trained short."""
    first, last = SPECIALISTS["blood cells"]
    short, long = matrices[first], matrices[last]
    (loss,) = (
        gap
        for gap in short["matrix"]["gaps"]
        if (gap["name"], gap["strategy"]) == ("mixed_native_loss", "anchored")
    )
    drawn = anew(loss)
    assert drawn is not None
    better = matrices[_better(matrices, "native")]
    return {
        "spent": seconds(long, "anchored"),
        "native": seconds(better, "native"),
        "short": seconds(short, "anchored"),
        "loss": -100 * loss["estimate"],
        "low": -100 * loss["high"],
        "high": -100 * loss["low"],
        "drawn low": -100 * drawn.high,
        "drawn high": -100 * drawn.low,
    }


def price(matrices: Mapping[str, Document]) -> str:
    """The price of `anchored` on blood cells in sentences of figures."""
    first, last = SPECIALISTS["blood cells"]
    found = price_parts(matrices)
    return (
        f"`anchored` in `{last}` took {found['spent']:.0f} s of training; the better "
        f"native specialist {_best(matrices, 'native')}, the better low one "
        f"{_best(matrices, 'low')}. At an equal short budget (`{first}`: {found['short']:.0f} s) "
        f"`anchored` loses {found['loss']:.1f} points at native [{found['low']:.1f}, "
        f"{found['high']:.1f}], with seeds drawn anew [{found['drawn low']:.1f}, "
        f"{found['drawn high']:.1f}]."
    )


def _better(matrices: Mapping[str, Document], end: str) -> str:
    """The study whose specialist for `end` is the better one."""
    return max(SPECIALISTS["blood cells"], key=lambda one: accuracy(matrices[one], end, end))


def _best(matrices: Mapping[str, Document], end: str) -> str:
    """Seconds, accuracy and study of the better of a task's specialists for `end`."""
    name = _better(matrices, end)
    found = matrices[name]
    at = found["matrix"][end]
    spent, right = seconds(found, end), accuracy(found, end, end)
    return f"{spent:.0f} s ({right:.1f} % at {at} px, in `{name}`)"
