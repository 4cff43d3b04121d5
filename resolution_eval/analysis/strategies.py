"""Train x inference: checkpoints by training strategy, one or several seeds each, on one task.

Source: Chen et al. 2025, arXiv:2510.18304; the definitions of the gaps are in
`statistics.strategy_gaps`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import Any, Literal

from resolution_eval.analysis import soundness
from resolution_eval.analysis.sampling import (
    Columns,
    Figure,
    accuracy,
    column_scores,
    difference,
    name_digest,
    solved,
)
from resolution_eval.analysis.series import over_runs
from resolution_eval.analysis.sweeps import by_task, step_of
from resolution_eval.ground.errors import RecordError
from resolution_eval.records import Record
from resolution_eval.resolution import (
    NATIVE,
    Resolution,
    TrainingResolution,
    ascending,
    label,
    parse_resolution,
)
from resolution_eval.statistics import floors
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.strategy_gaps import DIFFERENCES, RATIO

MIXED = "mixed"
"""Inference half at low and half at native."""
STRATEGIES = ("none", "low", "native", "mixed")
"""The strategies of arXiv:2510.18304; any other name is a variant of mixed training."""
Cells = tuple[tuple[str, str], tuple[str, str]]

SIGNS: dict[str, tuple[Literal["above", "below"], float]] = {
    "alignment_gain": ("above", 0.0),
    "native_trained_mismatch": ("below", 0.0),
    "low_trained_mismatch": ("below", 0.0),
    "mixed_low_gap": ("below", 0.0),
    "mixed_retention": ("above", 0.9),
}
"""On which side of which value the paper finds each gap, on its image tasks and Qwen2-VL 2B.

The loss of retention is about one point in a hundred there; that a mixed model keeps nine tenths is
our reading of "keeps native".
"""


def mixture_half(samples: Sequence[str]) -> frozenset[str]:
    """The half of `samples` that mixed inference shows at low resolution; the rest is at native.

    The samples in order of the SHA-256 of their id, the first half of them, the larger half where
    their number is odd. So it depends on nothing but the ids.

    Example:
        >>> sorted(mixture_half(["a", "b", "c", "d", "e"]))
        ['b', 'c', 'd']
    """
    by_digest = sorted(samples, key=name_digest)
    return frozenset(by_digest[: (len(by_digest) + 1) // 2])


@dataclass(frozen=True, eq=False)
class StrategyCell:
    """One cell of the matrix."""

    columns: tuple[Columns, ...]
    """Scores by sample, of every seed."""
    per_seed: tuple[float, ...]
    """Accuracy of every seed."""
    interval: Interval
    """Of the mean over these seeds, from the samples' clusters."""
    visual_tokens: float | None
    """Mean per sample; None where nobody counted them."""
    trained: bool
    """Whether every checkpoint was trained at this resolution, it or one of a mix."""

    @property
    def over_seeds(self) -> Interval | None:
        """The interval with the part of other seeds in it; None with one seed."""
        return over_runs(self.columns, [1.0])


@dataclass(frozen=True)
class Gap:
    """One gap: a difference of accuracies as a fraction, or their ratio (`mixed_retention`)."""

    name: str
    strategy: str
    """What stands in mixed's place; `mixed` for the paper's own gaps."""
    cells: Cells
    value: Figure
    per_seed: tuple[float, ...]
    """The gap of the first seeds, of the second, and so on; empty where their counts differ."""
    sign: Literal["holds", "reversed", "open", "none"]
    """Whether the paper's sign holds: its interval, and every seed, on that side; `reversed`: on
    the other; `open`: neither; `none`: the paper claims none, or the gap is withheld."""
    over_seeds: Interval | None = None
    """The interval with the part of other seeds in it; None where a strategy has one seed."""

    @property
    def spread(self) -> float | None:
        """Standard deviation between seeds."""
        return stdev(self.per_seed) if len(self.per_seed) > 1 else None


@dataclass(frozen=True, eq=False)
class Matrix:
    """Records by strategy, one per seed, and the resolutions that low and native stand for."""

    records: Mapping[str, tuple[Record, ...]]
    low: Resolution
    native: Resolution
    infer: tuple[Resolution | str, ...]
    """What every checkpoint is scored at: `low`, `native`, `mixed`, or a resolution."""
    named: bool = True
    """Whether `native` in `infer` is what the name stands for here; else the sources' own size."""

    def __post_init__(self) -> None:
        every = [record for records in self.records.values() for record in records]
        _alike("task", {record.task for record in every})
        _alike("data", {record.dataset.fingerprint for record in every})
        _alike("step of the ladder", {step_of(record.cells) for record in every} - {None} or {None})

    @cached_property
    def cells(self) -> Mapping[tuple[str, str], StrategyCell | Withheld]:
        """Every cell by strategy and what it is scored at."""
        return {
            (strategy, str(at)): self._cell(strategy, at, self.named)
            for strategy in self.records
            for at in self.infer
        }

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """Every gap that the matrix has the cells for; those of mixed also for its variants."""
        return tuple(self._gap(*each) for each in self._wanted())

    def heading(self, at: str) -> str:
        """`at` as a column is headed: low and native with what they stand for."""
        named = {"low": label(self.low), "native": label(self.native)} if self.named else {}
        return at if named.get(at, at) == at else f"{at} ({named[at]})"

    def resolution(self, at: Resolution | str) -> Resolution:
        """The resolution that `at` stands for; not for `mixed`, which is two."""
        named: dict[Resolution | str, Resolution] = {"low": self.low, "native": self.native}
        resolution = named.get(at, at)
        if isinstance(resolution, str) and resolution != NATIVE:
            raise ValueError(f"{resolution} inference is not at one resolution")
        return resolution

    def _cell(
        self, strategy: str, at: Resolution | str, named: bool = True
    ) -> StrategyCell | Withheld:
        """The strategy's accuracy at what `at` names, or, not `named`, at the native size itself;
        withheld where there is no sound one.
        """
        if strategy not in self.records:
            return Withheld(f"there is no {strategy}-trained checkpoint")
        own = at == NATIVE and not named
        r = NATIVE if own else None if at == MIXED else self.resolution(at)
        columns, tokens, trained = [], [], []
        for record in self.records[strategy]:
            pair = self._mixture(record) if r is None else _one(record, r)
            if isinstance(pair, Withheld):
                return pair
            columns.append(pair[0])
            tokens.append(pair[1])
            trained.append(r is not None and _trained(record, r))
        interval = accuracy(mean_scores(columns))
        if isinstance(interval, Withheld):
            return interval
        return StrategyCell(
            columns=tuple(columns),
            per_seed=tuple(_rate(each) for each in columns),
            interval=interval,
            visual_tokens=_mean(tokens),
            trained=all(trained),
        )

    def _mixture(self, record: Record) -> tuple[Columns, float | None] | Withheld:
        low, native = _one(record, self.low), _one(record, self.native)
        if isinstance(low, Withheld) or isinstance(native, Withheld):
            return low if isinstance(low, Withheld) else native
        (at_low, low_tokens), (at_native, native_tokens) = low, native
        reduced = mixture_half(sorted(at_native.clusters))
        values = {
            sample: chosen.get(sample)
            for sample in at_native.clusters
            for chosen in [(at_low if sample in reduced else at_native).values[0]]
        }
        return Columns([values], at_native.clusters), _mean([low_tokens, native_tokens])

    def _wanted(self) -> Iterator[tuple[str, str, Cells]]:
        variants = [name for name in self.records if name not in STRATEGIES[:3]]
        for name, cells in {**DIFFERENCES, "mixed_retention": RATIO}.items():
            if name.startswith("mixed"):
                (_, at), second = cells
                for variant in variants:
                    yield name, variant, ((variant, at), second)
            else:
                yield name, "mixed", cells

    def _gap(self, name: str, strategy: str, cells: Cells) -> Gap:
        pair = [self._cell(*cell) for cell in cells]
        missing = next((each for each in pair if isinstance(each, Withheld)), None)
        strategy_cells = [each for each in pair if isinstance(each, StrategyCell)]
        if missing is not None:
            return Gap(name, strategy, cells, missing, (), "none")
        ratio = name == "mixed_retention"
        first, second = (mean_scores(each.columns) for each in strategy_cells)
        value = _ratio(first.beside(second)) if ratio else difference(second.beside(first))
        per_seed = _per_seed(strategy_cells, ratio)
        sign, wide = _sign(name, value, per_seed), _over_seeds(strategy_cells, ratio)
        return Gap(name, strategy, cells, value, per_seed, sign, wide)


def matrix_of_records(records: Sequence[Record]) -> Matrix:
    """The matrix of one task's records by how their checkpoints were trained, at every resolution.

    low is the lowest resolution that a low-trained checkpoint was trained at, native the largest
    that a native-trained one was, each else the sweep's own end.

    Raises:
        RecordError: records of several tasks, or none.
    """
    tasks = by_task(records)
    if len(tasks) != 1:
        raise RecordError(
            f"a train x inference table is of one task, found {[task.task for task in tasks]}"
        )
    by_strategy: dict[str, list[Record]] = {}
    for sweep in tasks[0].sweeps:
        by_strategy.setdefault(strategy(sweep.record, sweep.resolutions), []).append(sweep.record)
    resolutions = [parse_resolution(name) for name in tasks[0].resolutions]
    order: list[str] = [name for name in ("low", "native", "mixed", "none") if name in by_strategy]
    ordered = {name: tuple(by_strategy[name]) for name in order}
    low = _named(ordered.get("low", ()), resolutions, min, resolutions[0])
    native = _named(ordered.get("native", ()), resolutions, max, resolutions[-1])
    return Matrix(ordered, low, native, tuple(resolutions), named=False)


def strategy(record: Record, resolutions: Sequence[str]) -> str:
    """How the checkpoint was trained: none, low, native or mixed, as its record says.

    Where it does not, none is a training that is not declared, and a fixed training resolution is
    native where nothing in the sweep is larger, else low.
    """
    if record.checkpoint.strategy in STRATEGIES:
        return str(record.checkpoint.strategy)
    training = TrainingResolution.parse(record.checkpoint.training)
    if training.kind in ("mixed", "native"):
        return training.kind
    if training.kind == "unknown" or label(training.members[0]) not in resolutions:
        return "none"
    return "native" if resolutions[-1] == label(training.members[0]) else "low"


def _named(
    records: Sequence[Record], resolutions: Sequence[Resolution], pick: Any, otherwise: Resolution
) -> Resolution:
    trainings = [TrainingResolution.parse(record.checkpoint.training) for record in records]
    known = [
        reference for each in trainings if (reference := each.reference(resolutions)) is not None
    ]
    return pick(known, key=ascending) if known else otherwise


def _trained(record: Record, resolution: Resolution) -> bool:
    """Whether the checkpoint was trained at `resolution`: its own, or one of its mix."""
    training = TrainingResolution.parse(record.checkpoint.training)
    swept = [parse_resolution(cell.resolution) for cell in record.cells]
    return resolution in (*training.members, training.reference(swept))


def _alike(what: str, names: Set[str | None]) -> None:
    if len(names) != 1:
        raise RecordError(
            f"a matrix compares checkpoints on the same {what}, found {sorted(map(str, names))}; "
            "score all of them again into an empty folder"
        )


def _one(record: Record, resolution: Resolution) -> tuple[Columns, float | None] | Withheld:
    """Scores and mean visual tokens of the record's cell at `resolution`."""
    name = label(resolution)
    closed = [c for c in record.cells if c.resolution == name and c.answer_mode != "open"]
    # where options are ranked, closed questions that have none are a cell of their own
    cells = [cell for cell in closed if cell.answer_mode == "rank"] or closed
    if len(cells) != 1:
        return Withheld(f"{record.label} has {len(cells)} cells at {name}, one is needed")
    (cell,) = cells
    if reason := soundness.flaw(cell, "figure"):
        return Withheld(f"{record.label}: {reason}")
    tokens = None if cell.image_tokens is None else cell.image_tokens.mean
    return column_scores(record.answers.scores([cell.key])), tokens


def _mean(values: Sequence[float | None]) -> float | None:
    """Their mean; None where one is not known."""
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _rate(column: Columns) -> float:
    """Accuracy of one seed, over its own samples with a verdict."""
    return fmean(score for score in column.values[0].values() if score is not None)


def mean_scores(columns: Sequence[Columns]) -> Columns:
    """Per sample the mean of its scores over the seeds; none where a seed has no verdict."""
    clusters = columns[0].clusters
    means = {name: _mean([each.values[0].get(name) for each in columns]) for name in clusters}
    return Columns([means], clusters)


def _ratio(pair: Columns) -> Figure:
    return solved(pair, lambda drawn: floors.retention(drawn, 0, 1))


def _over_seeds(pair: Sequence[StrategyCell], ratio: bool) -> Interval | None:
    """The gap with the error of other seeds; None for a ratio, or where counts of seeds differ."""
    first, second = (each.columns for each in pair)
    if ratio or len(first) != len(second):
        return None
    return over_runs([one.beside(other) for one, other in zip(first, second, strict=True)], [1, -1])


def _per_seed(pair: Sequence[StrategyCell], ratio: bool) -> tuple[float, ...]:
    first, second = (each.per_seed for each in pair)
    if len(first) != len(second) or (ratio and 0.0 in second):
        return ()
    return tuple(a / b if ratio else a - b for a, b in zip(first, second, strict=True))


def _sign(
    name: str, value: Figure, per_seed: Sequence[float]
) -> Literal["holds", "reversed", "open", "none"]:
    if name not in SIGNS or isinstance(value, Withheld):
        return "none"
    side, bound = SIGNS[name]
    lows, highs = [value.low, *per_seed], [value.high, *per_seed]
    above, below = min(lows) > bound, max(highs) < bound
    if above or below:
        return "holds" if (side == "above") == above else "reversed"
    return "open"
