"""Two records on the same samples: what differs at each resolution, where that can be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from resolution_eval.errors import RecordError
from resolution_eval.records import Cell, Record
from resolution_eval.report.sampling import SEED, Columns, column_scores
from resolution_eval.report.tables import Column, Entry, Table, entry
from resolution_eval.report.task_tables import interval_text
from resolution_eval.statistics import comparison
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval


@dataclass(frozen=True)
class Verdict:
    """The second record against the first at one resolution."""

    difference: Interval
    """Accuracy of the second minus that of the first, over the samples that both scored."""
    p: float
    """Two-sided, of 'no difference', adjusted by Holm over the resolutions compared."""
    test: str
    gained: tuple[str, ...]
    """Samples that only the second got right."""
    lost: tuple[str, ...]
    """Samples that only the first got right."""


@dataclass(frozen=True)
class Comparison:
    """The second record against the first, by resolution."""

    task: str
    first: str
    second: str
    verdicts: Mapping[str, Verdict | Withheld]
    """By resolution, ascending, native last, its setting named where there are several at it;
    withheld, with why, where they cannot be compared."""


def compare(a: Record, b: Record) -> Comparison:
    """`b` against `a` at every resolution that both have.

    There is no verdict at a resolution where the encoders of the two did not receive the same grid
    for every sample, or where nobody saw it.

    Raises:
        RecordError: the records are of different tasks or data, or share no resolution.
    """
    _check(a, b)
    pairs = _named(list(_pairs(a, b)))
    if not pairs:
        raise RecordError(
            f"no resolution in common: {_sweep(a.cells)} and {_sweep(b.cells)}; "
            "score both at the same resolutions"
        )
    obstacles = {name: _obstacle(a, b, *pair) for name, pair in pairs.items()}
    found = {
        name: _compared(_columns(a, b, *pair))
        for name, pair in pairs.items()
        if obstacles[name] is None
    }
    adjusted = comparison.holm({name: result.p for name, (result, _, _) in found.items()})
    verdicts = {
        name: _verdict(found[name], adjusted[name]) if why is None else Withheld(why)
        for name, why in obstacles.items()
    }
    return Comparison(a.task, a.label, b.label, verdicts)


def _check(a: Record, b: Record) -> None:
    if a.task != b.task:
        raise RecordError(f"tasks {a.task!r} and {b.task!r} differ; compare records of one task")
    if a.task_version != b.task_version:
        raise RecordError(
            f"versions {a.task_version} and {b.task_version} of task {a.task!r} are asked or "
            "scored differently; run both with one version"
        )
    prints = (a.dataset.fingerprint, b.dataset.fingerprint)
    if None not in prints and prints[0] != prints[1]:
        raise RecordError(f"the data differ (fingerprints {prints[0]} and {prints[1]})")


def _sweep(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.resolution for cell in cells))


Pair = tuple[Cell, Cell]


def _pairs(a: Record, b: Record) -> Iterator[Pair]:
    """Cells of one resolution and setting; a cell whose setting the other lacks, with one of that.

    So a record with open and closed questions is compared form by form.
    """
    theirs, mine = {cell.key: cell for cell in b.cells}, {cell.key for cell in a.cells}
    for one in a.cells:
        alone = (c for c in b.cells if c.resolution == one.resolution and c.key not in mine)
        other = theirs.get(one.key) or next(alone, None)
        if other is not None:
            yield one, other


def _named(pairs: Sequence[Pair]) -> dict[str, Pair]:
    """The pairs by resolution, and by setting too where several are at one resolution."""
    at = Counter(one.resolution for one, _ in pairs)
    return {
        one.resolution
        if at[one.resolution] == 1
        else ", ".join((one.resolution, *one.key.setting)): (one, other)
        for one, other in pairs
    }


def _obstacle(a: Record, b: Record, one: Cell, other: Cell) -> str | None:
    """Why the two cells cannot be compared; None where they can."""
    for record, cell in ((a, one), (b, other)):
        if cell.status in ("mismatched", "unattested"):
            return f"{record.label} at {cell.resolution} is {cell.status}"
        if not cell.scored:
            return f"{record.label} has no scored sample at {cell.resolution}"
    for name in ("scheme", "filter", "answer_mode"):
        if getattr(one, name) != getattr(other, name):
            return f"{name.replace('_', ' ')} {getattr(one, name)} against {getattr(other, name)}"
    first, second = _received(a, one), _received(b, other)
    shared = first.keys() & second.keys()
    differing = [sample for sample in shared if first[sample] != second[sample]]
    if differing:
        sample = min(differing)
        return (
            f"the encoders received different grids in {len(differing)} of {len(shared)} samples "
            f"({_size(first[sample])} against {_size(second[sample])}, for instance)"
        )
    return None if shared else "no sample was scored by both"


def _received(record: Record, cell: Cell) -> dict[str, tuple[int, int, int | None]]:
    """Grid, height and width in pixels, and number of tiles, of each scored sample."""
    names = ("sample", "grid_height", "grid_width", "tiles", "correct")
    columns = [record.answers.column(name) for name in names]
    rows = list(zip(*columns, strict=True))
    numbers = record.answers.groups()[cell.key]
    return {rows[i][0]: rows[i][1:4] for i in numbers if rows[i][4] is not None}


def _size(grid: tuple[int, int, int | None]) -> str:
    tiles = "" if grid[2] is None else f" in {grid[2]} tiles"
    return f"{grid[0]}x{grid[1]}{tiles}"


def _columns(a: Record, b: Record, one: Cell, other: Cell) -> Columns:
    first = column_scores(a.answers.scores([one.key]))
    second = column_scores(b.answers.scores([other.key]))
    return Columns([first.values[0], second.values[0]], {**second.clusters, **first.clusters})


Compared = tuple[comparison.Comparison, tuple[str, ...], tuple[str, ...]]
"""The paired test, and the samples gained and lost."""


def _compared(columns: Columns) -> Compared:
    first, second = columns.values
    shared = sorted(first.keys() & second.keys())
    gained = tuple(name for name in shared if second[name] > first[name])
    lost = tuple(name for name in shared if second[name] < first[name])
    result = comparison.compare(columns.aligned(), 0, 1, seed=SEED)
    if isinstance(result, Withheld):
        raise RecordError(result.reason)
    return result, gained, lost


def _verdict(compared: Compared, p: float) -> Verdict:
    result, gained, lost = compared
    return Verdict(result.difference, p, result.test, gained, lost)


def comparison_table(found: Comparison) -> Table:
    """The comparison as a table; resolutions without a verdict say why."""
    return Table(
        name="comparison",
        caption=f"{found.second} against {found.first}, on {found.task}",
        columns=(
            Column("r", True, "Inference resolution"),
            Column("difference", True, "Accuracy of the second minus that of the first"),
            Column("adjusted p", True, "Two-sided, Holm over the resolutions"),
            Column("test"),
            Column("gained", True, "Samples that only the second got right"),
            Column("lost", True, "Samples that only the first got right"),
            Column("no verdict because"),
        ),
        rows=tuple(_row(name, verdict) for name, verdict in found.verdicts.items()),
        remark="95 % intervals in brackets, paired over the samples that both scored.",
    )


def changed_table(found: Comparison) -> Table:
    """Every sample whose verdict differs, by resolution."""
    rows = [
        (Entry(name), Entry(sample), Entry(change))
        for name, verdict in found.verdicts.items()
        if isinstance(verdict, Verdict)
        for change, samples in (("gained", verdict.gained), ("lost", verdict.lost))
        for sample in samples
    ]
    return Table(
        name="changed",
        caption=f"Samples that only {found.second} (gained) or only {found.first} (lost) got right",
        columns=(Column("r", True, "Inference resolution"), Column("sample"), Column("change")),
        rows=tuple(rows),
        remark="",
    )


LEAST_P = 0.0001
"""Smallest p that is printed as a number: no test of ours shows that p is 0."""


def _p(value: float) -> Entry:
    return Entry(f"< {LEAST_P}", sort=value) if value < LEAST_P else entry(value)


def _row(resolution: str, verdict: Verdict | Withheld) -> tuple[Entry, ...]:
    if isinstance(verdict, Withheld):
        return (Entry(resolution), *([entry(None)] * 5), entry(verdict.reason))
    difference = verdict.difference
    return (
        Entry(resolution),
        entry(difference.estimate, digits=3, sign=True, note=interval_text(difference)),
        _p(verdict.p),
        Entry(verdict.test),
        entry(len(verdict.gained)),
        entry(len(verdict.lost)),
        entry(""),
    )
