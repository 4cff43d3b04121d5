"""Cells of the matrix: accuracy by strategy and inference resolution, over samples and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from statistics import fmean, stdev

from resolution_eval.errors import RecordError
from resolution_eval.records import Cell, Record
from resolution_eval.report.sampling import Columns, column_scores, resampled
from resolution_eval.resolution import NATIVE, Resolution, label
from resolution_eval.statistics import intervals
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.resampling import align

MIXED = "mixed"
"""Inference half at low and half at native."""
UNSOUND = ("mismatched", "incomplete")
"""States of a cell whose accuracy enters no figure."""


def mixture_half(samples: Sequence[str]) -> frozenset[str]:
    """The half of `samples` that mixed inference shows at low resolution; the rest is at native.

    The samples in order of the SHA-256 of their id, the first half of them, the larger half where
    their number is odd. So it depends on nothing but the ids.

    Example:
        >>> sorted(mixture_half(["a", "b", "c", "d", "e"]))
        ['b', 'c', 'd']
    """
    by_digest = sorted(samples, key=lambda name: sha256(name.encode()).digest())
    return frozenset(by_digest[: (len(by_digest) + 1) // 2])


@dataclass(frozen=True, eq=False)
class Scored:
    """One cell of the matrix."""

    columns: tuple[Columns, ...]
    """Scores by sample, of every seed."""
    per_seed: tuple[float, ...]
    """Accuracy of every seed."""
    interval: Interval
    """Of the mean over seeds, from the samples' clusters."""
    visual_tokens: float | None
    """Mean per sample; None where nobody counted them."""

    @property
    def spread(self) -> float | None:
        """Standard deviation between seeds; None with one seed."""
        return stdev(self.per_seed) if len(self.per_seed) > 1 else None


@dataclass(frozen=True, eq=False)
class Matrix:
    """Records by strategy, one per seed, and the resolutions that low and native stand for."""

    records: Mapping[str, tuple[Record, ...]]
    low: Resolution
    native: Resolution
    infer: tuple[Resolution | str, ...]
    """What every checkpoint is scored at: `low`, `native`, `mixed`, or a resolution."""

    def __post_init__(self) -> None:
        every = [record for records in self.records.values() for record in records]
        _alike("task", {record.task for record in every})
        _alike("data", {record.dataset.fingerprint for record in every})

    @cached_property
    def cells(self) -> Mapping[tuple[str, str], Scored | Withheld]:
        """Every cell by strategy and what it is scored at."""
        return {
            (strategy, str(at)): self._cell(strategy, at)
            for strategy in self.records
            for at in self.infer
        }

    def heading(self, at: str) -> str:
        """`at` as a column is headed: low and native with what they stand for."""
        named = {"low": label(self.low), "native": label(self.native)}
        return at if named.get(at, at) == at else f"{at} ({named[at]})"

    def resolution(self, at: Resolution | str) -> Resolution:
        """The resolution that `at` stands for; not for `mixed`, which is two."""
        named: dict[Resolution | str, Resolution] = {"low": self.low, "native": self.native}
        found = named.get(at, at)
        if isinstance(found, str) and found != NATIVE:
            raise ValueError(f"{found} inference is not at one resolution")
        return found

    def _cell(self, strategy: str, at: Resolution | str) -> Scored | Withheld:
        columns, tokens = [], []
        for record in self.records[strategy]:
            found = self._mixture(record) if at == MIXED else _one(record, self.resolution(at))
            if isinstance(found, Withheld):
                return found
            columns.append(found[0])
            tokens.append(found[1])
        return Scored(
            columns=tuple(columns),
            per_seed=tuple(fmean(each.values[0].values()) for each in columns),
            interval=intervals.accuracies(resampled(over_seeds(columns)))[0],
            visual_tokens=_mean(tokens),
        )

    def _mixture(self, record: Record) -> tuple[Columns, float | None] | Withheld:
        low, native = _one(record, self.low), _one(record, self.native)
        if isinstance(low, Withheld) or isinstance(native, Withheld):
            return low if isinstance(low, Withheld) else native
        (at_low, low_tokens), (at_native, native_tokens) = low, native
        reduced = mixture_half(sorted(at_native.clusters))
        values = {
            sample: (at_low if sample in reduced else at_native).values[0][sample]
            for sample in at_native.clusters
        }
        return Columns([values], at_native.clusters), _mean([low_tokens, native_tokens])


def _alike(what: str, found: Set[str | None]) -> None:
    if len(found) != 1:
        raise RecordError(
            f"a matrix compares checkpoints on the same {what}, found {sorted(map(str, found))}; "
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
    if cell.status in UNSOUND or not cell.scored:
        return Withheld(f"{record.label} at {name} is {cell.status}")
    return column_scores(record.answers.scores([cell.key])), _tokens(cell)


def _mean(values: Sequence[float | None]) -> float | None:
    """Their mean; None where one is not known."""
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _tokens(cell: Cell) -> float | None:
    return None if cell.visual_tokens is None else cell.visual_tokens.mean


def over_seeds(columns: Sequence[Columns]) -> Columns:
    """Per sample the mean of its scores over the seeds; samples that every seed scored."""
    paired = align([each.values[0] for each in columns], columns[0].clusters)
    means = paired.correct.mean(axis=1).tolist()
    return Columns([dict(zip(paired.samples, means, strict=True))], columns[0].clusters)
