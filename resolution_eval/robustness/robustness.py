"""Robustness to resolution, as a metric of the `evaluate` library: `evaluate.load(FOLDER)`.

The figures are those of a record's curve that need neither a floor nor a training resolution.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import count
from typing import Any

import datasets
import evaluate

from resolution_eval.analysis.sampling import Columns, Figure, accuracy, resampled
from resolution_eval.ground.errors import UsageError
from resolution_eval.statistics import intervals
from resolution_eval.statistics.curves import ScoreGrid, Withheld

FIGURES = ("area", "best_drop", "ace", "rce", "excess_ace")
DESCRIPTION = "How accuracy holds across inference resolutions, each figure with a 95 % interval."
INPUTS = """\
Args:
    predictions: what was answered, one text for each sample at each resolution.
    references: what is right.
    resolutions: inference resolution of each answer: edge in pixels of the square budget.
    samples: which sample each answer is of; left out, each resolution has them in one order.
    clusters: patient, slide or image of each answer; left out, each sample is its own.
Returns:
    `accuracy` by resolution, and `area`, `best_drop`, `ace`, `rce` and `excess_ace`: each with
    estimate, low, high and n; a figure that the data do not carry has a `reason` instead.
"""


class ResolutionRobustness(evaluate.Metric):  # type: ignore[misc]
    """Accuracy by resolution, and what their curve says."""

    def _info(self) -> Any:
        text, edge = datasets.Value("string"), datasets.Value("int64")
        columns = {"predictions": text, "references": text, "resolutions": edge}
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features(columns),
        )

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str],
        resolutions: Sequence[int],
        samples: Sequence[str] | None = None,
        clusters: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        named = _named(resolutions) if samples is None else list(map(str, samples))
        owners = named if clusters is None else list(map(str, clusters))
        right = dict(zip(named, references, strict=True))
        owner = dict(zip(named, owners, strict=True))
        scores: dict[int, dict[str, float]] = {r: {} for r in sorted(set(resolutions))}
        for name, said, wanted, r, whose in zip(
            named, predictions, references, resolutions, owners, strict=True
        ):
            if right[name] != wanted or owner[name] != whose:
                raise UsageError(f"{name} has two references or clusters; name the samples")
            if name in scores[r]:
                raise UsageError(f"{name} is there twice at {r}; give each answer once")
            scores[r][name] = float(said == wanted)
        values = [{name: column.get(name) for name in owner} for column in scores.values()]
        return _figures(Columns(values, owner), tuple(scores))


def _named(resolutions: Sequence[int]) -> list[str]:
    """A name for each answer: its place among those of its resolution.

    Raises:
        UsageError: resolutions have different numbers of answers, so that places say nothing.
    """
    if len(set(Counter(resolutions).values())) > 1:
        raise UsageError("resolutions have different numbers of answers; give samples=")
    places: defaultdict[int, Iterator[int]] = defaultdict(count)
    return [f"sample {next(places[r])}" for r in resolutions]


def _figures(columns: Columns, edges: tuple[int, ...]) -> dict[str, Any]:
    """Every figure as plain values, as a record's curve has it."""
    each = {r: asdict(accuracy(columns.pick([place]))) for place, r in enumerate(edges)}
    return {"accuracy": each, **{name: asdict(f) for name, f in _whole(columns, edges).items()}}


def _whole(columns: Columns, edges: tuple[int, ...]) -> dict[str, Figure]:
    if len(edges) < 2:
        return dict.fromkeys(FIGURES, Withheld("a curve needs two resolutions"))
    answers = columns.aligned()
    if answers.withheld is not None:
        return dict.fromkeys(FIGURES, answers.withheld)
    drawn, grid = resampled(answers), ScoreGrid(edges)
    return {name: intervals.figure(name, drawn, grid) for name in FIGURES}
