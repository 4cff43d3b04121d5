"""Ranked choices: what their scores say beyond the choice ranked first.

The scores of a sample's choices become probabilities by softmax. A class is told from the others by
its probability: AUROC, average precision. Brier score and calibration error say how far the
probabilities agree with being right. A sample without a verdict stands at its worst, and at its
best, in the ends of each interval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import softmax

from resolution_eval.analysis.sampling import DRAWS, Figure, seed_from
from resolution_eval.analysis.soundness import flaw
from resolution_eval.analysis.sweeps import Sweep
from resolution_eval.records import Cell, Record
from resolution_eval.statistics.calibration import brier, calibration_error
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.discrimination import auroc, average_precision
from resolution_eval.statistics.intervals import Interval


@dataclass(frozen=True, eq=False)
class RankedChoices:
    """The probabilities of one cell's choices, by sample in order of name."""

    targets: Mapping[str, str]
    clusters: Mapping[str, str]
    stated: Mapping[str, Mapping[str, float]]
    """Probability by choice, of the samples that have a verdict alone."""
    correct: tuple[float, ...]
    """Of the same samples."""
    seed: int

    def auroc(self, target: str) -> Figure:
        """How often a sample of the class has a higher probability of it than another sample."""
        return self._told(target, auroc)

    def average_precision(self, target: str) -> Figure:
        """Mean precision at the probabilities of the class's samples."""
        return self._told(target, partial(average_precision, seed=self.seed, resamples=DRAWS))

    def brier(self) -> Figure:
        """Squared distance of the probabilities from the right choice, 0 at best and 2 at worst."""
        stated = [np.array(list(each.values())) for each in self.stated.values()]
        places = [list(each).index(self.targets[name]) for name, each in self.stated.items()]
        return self._bounded(brier(stated, places, self._labels(self.stated)), 0.0, 2.0)

    def calibration(self) -> Figure:
        """Expected calibration error of the choice ranked first, less what noise adds."""
        confidence = [max(each.values()) for each in self.stated.values()]
        labels = self._labels(self.stated)
        made = calibration_error(confidence, self.correct, labels, seed=self.seed, resamples=DRAWS)
        return self._bounded(made.error, -1.0, 1.0)

    def _bounded(self, interval: Interval, least: float, most: float) -> Interval:
        """`interval` with samples without a verdict in its ends: each adds `least` to `most`.

        A sum over bins of absolute sums moves by at most what is added to it, either way.
        """
        lacking = len(self.targets) - len(self.stated)
        share = lacking / len(self.targets)
        low = interval.low * (1 - share) + least * share
        high = interval.high * (1 - share) + most * share
        return replace(interval, low=max(low, 0.0), high=min(high, most), left_out=lacking)

    def _told(self, target: str, figure: Callable[..., Figure]) -> Figure:
        mine = np.array([each == target for each in self.targets.values()])
        known = np.array([name in self.stated for name in self.targets])
        if mine.all() or not mine[known].any() or mine[known].all():
            return Withheld("needs samples of the class and of others")
        values = np.array([self.stated.get(name, {}).get(target, 0.0) for name in self.targets])
        interval = figure(mine[known], values[known], self._labels(self.stated))
        if known.all() or isinstance(interval, Withheld):
            return interval
        made = [interval]
        for good in (True, False):
            filled = np.where(known, values, np.where(mine == good, 2.0, -1.0))
            end = figure(mine, filled, self._labels(self.targets))
            made += [end] if isinstance(end, Interval) else []
        low, high = min(each.low for each in made), max(each.high for each in made)
        return replace(interval, low=low, high=high, left_out=int((~known).sum()))

    def _labels(self, samples: Iterable[str]) -> list[str]:
        return [self.clusters[name] for name in samples]


def ranked_choices(sweep: Sweep) -> tuple[RankedChoices | Withheld, ...]:
    """Every cell's choices with their probabilities; withheld where they were not ranked."""
    if sweep.setting[2] != "rank":
        return (Withheld("choices were not ranked"),) * len(sweep.cells)
    answers = sweep.record.answers
    columns = [answers.column(name) for name in ("sample", "correct", "choice_scores", "options")]
    return tuple(_ranked(sweep, cell, columns) for cell in sweep.cells)


def _ranked(sweep: Sweep, cell: Cell, columns: Sequence[Sequence[Any]]) -> RankedChoices | Withheld:
    if reason := flaw(cell, "accuracy"):
        return Withheld(reason)
    rows = sweep.record.answers.groups()[cell.key]
    sample, correct, scores, options = ([column[row] for row in rows] for column in columns)
    known = [i for i in range(len(rows)) if correct[i] is not None]
    named = [_options(sweep.record, options[i]) for i in known]
    if any(len(scores[i] or ()) != len(names) for i, names in zip(known, named, strict=True)):
        return Withheld("which score is which choice's is not in the record")
    stated = dict(zip((sample[i] for i in known), _stated(scores, known, named), strict=True))
    right = {sample[i]: float(correct[i]) for i in known}
    scored, targets = sweep.scores, sweep.targets
    mine = {name: stated[name] for name in targets if name in stated}
    if any(targets[name] not in each for name, each in mine.items()):
        return Withheld("the right answer of a sample is not among its choices")
    verdicts = [right[name] for name in mine]
    return RankedChoices(
        targets=targets,
        clusters=dict(zip(scored.samples, scored.clusters, strict=True)),
        stated=mine,
        correct=tuple(verdicts),
        seed=seed_from(repr([list(mine), verdicts]).encode()),
    )


def _options(record: Record, shown: Sequence[str] | None) -> Sequence[str]:
    """The choices in the order of their scores: as shown, or the classes of an older record."""
    if shown is not None:
        return shown
    return record.dataset.classes if record.environment.option_order in (None, "fixed") else ()


def _stated(
    scores: Sequence[Sequence[float]], known: Sequence[int], named: Sequence[Sequence[str]]
) -> Iterator[dict[str, float]]:
    """Probability by choice of each known sample, those with as many choices at once."""
    by_count: dict[int, list[int]] = defaultdict(list)
    for place, names in enumerate(named):
        by_count[len(names)].append(place)
    stated: dict[int, list[float]] = {}
    for places in by_count.values():
        table = softmax(np.array([scores[known[place]] for place in places]), axis=-1)
        stated.update(zip(places, table.tolist(), strict=True))
    for place, names in enumerate(named):
        whole = dict.fromkeys(names, 0.0)
        for name, probability in zip(names, stated[place], strict=True):
            whole[name] += probability  # a choice that is there twice
        yield whole
