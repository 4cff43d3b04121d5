"""Two records on the same samples: what differs at each resolution, where that can be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from resolution_eval.analysis import soundness
from resolution_eval.analysis.sampling import column_scores, seed_of
from resolution_eval.evidence.ladder import Step
from resolution_eval.ground.errors import RecordError
from resolution_eval.records import Cell, Record
from resolution_eval.statistics import paired_tests
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.paired_tests import Comparison


@dataclass(frozen=True)
class CellComparison(Comparison):
    """The second record against the first at one resolution, p adjusted by Holm over them all."""

    gained: tuple[str, ...]
    """Samples that only the second got right."""
    lost: tuple[str, ...]
    """Samples that only the first got right."""
    left_out: int
    """Samples that were asked of both and that at least one has no verdict on."""
    steps: tuple[Step, Step]
    """The step of the ladder that the first's cell has, and the second's."""


@dataclass(frozen=True)
class RecordComparison:
    """The second record against the first, by resolution."""

    task: str
    first: str
    second: str
    verdicts: Mapping[str, CellComparison | Withheld]
    """By resolution, ascending, native last, its setting named where there are several at it;
    withheld, with why, where they cannot be compared."""


def compare(a: Record, b: Record, *, mix_steps: bool = False) -> RecordComparison:
    """`b` against `a` at every resolution that both have.

    There is no verdict at a resolution where the encoders of the two did not receive the same grid
    for every sample (behind a server: where the rules do not make the same size of each), or where
    nothing is known of it. Cells of two steps of the ladder are compared where `mix_steps` says so.

    Raises:
        RecordError: the records are of different tasks or data, or share no resolution.
    """
    _check(a, b)
    pairs = _named(list(_pairs(a, b)))
    if not pairs:
        mine, theirs = (list(dict.fromkeys(c.resolution for c in each.cells)) for each in (a, b))
        raise RecordError(
            f"no resolution in common: {mine} and {theirs}; score both at the same resolutions"
        )
    comparisons = {name: _compared(a, b, *pair, mix_steps) for name, pair in pairs.items()}
    sound = {name: each for name, each in comparisons.items() if isinstance(each, CellComparison)}
    adjusted = paired_tests.holm({name: each.p for name, each in sound.items()})
    verdicts = {
        name: replace(sound[name], p=adjusted[name]) if name in sound else each
        for name, each in comparisons.items()
    }
    return RecordComparison(a.task, a.label, b.label, verdicts)


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


def _obstacle(a: Record, b: Record, one: Cell, other: Cell, mix_steps: bool) -> str | None:
    """Why the two cells cannot be compared; None where they can."""
    for record, cell in ((a, one), (b, other)):
        if reason := soundness.flaw(cell, "comparison"):
            return f"{record.label}: {reason}"
    for name in ("scheme", "filter", "answer_mode"):
        if getattr(one, name) != getattr(other, name):
            return f"{name.replace('_', ' ')} {getattr(one, name)} against {getattr(other, name)}"
    if one.step != other.step and not mix_steps:
        return f"{one.step} against {other.step}; --mix-steps compares different steps"
    first, second = _received(a, one), _received(b, other)
    shared = first.keys() & second.keys()
    differing = [sample for sample in shared if first[sample] != second[sample]]
    if differing:
        sample = min(differing)
        seen = one.step == other.step == "attested"
        told = "the encoders received different grids"
        return (
            f"{told if seen else UNSEEN} in {len(differing)} of {len(shared)} samples "
            f"({_size(first[sample])} against {_size(second[sample])}, for instance)"
        )
    return None if shared else "no sample was scored by both"


UNSEEN = "different grids were received, or predicted,"
ReceivedSize = tuple[int | None, int | None, int | None]


def _received(record: Record, cell: Cell) -> dict[str, ReceivedSize]:
    """Grid, height and width in pixels, and number of tiles, of each scored sample.

    Where no grid was seen, it is what the rule makes of the image, else the image as it was sent.
    """
    names = [f"{of}_{side}" for of in ("grid", "predicted", "sent") for side in ("height", "width")]
    columns = [record.answers.column(name) for name in ("sample", "tiles", "correct", *names)]
    rows = list(zip(*columns, strict=True))
    mine = (rows[i] for i in record.answers.groups()[cell.key])
    return {
        sample: (*_known(sizes), tiles)
        for sample, tiles, correct, *sizes in mine
        if correct is not None
    }


def _known(sizes: Sequence[int | None]) -> tuple[int | None, int | None]:
    """The first height and width that are known, of the pairs in `sizes`."""
    pairs = zip(sizes[::2], sizes[1::2], strict=True)
    return next((pair for pair in pairs if None not in pair), (None, None))


def _size(grid: ReceivedSize) -> str:
    tiles = "" if grid[2] is None else f" in {grid[2]} tiles"
    return f"{grid[0]}x{grid[1]}{tiles}"


def _compared(
    a: Record, b: Record, one: Cell, other: Cell, mix_steps: bool
) -> CellComparison | Withheld:
    """The comparison with a p of its own, not yet adjusted."""
    if why := _obstacle(a, b, one, other, mix_steps):
        return Withheld(why)
    first = column_scores(a.answers.scores([one.key]))
    pair = first.beside(column_scores(b.answers.scores([other.key])))
    answers = pair.aligned()
    comparison = paired_tests.compare(answers, 0, 1, seed=seed_of(answers))
    if isinstance(comparison, Withheld):
        return comparison
    assert one.step is not None and other.step is not None, "a sound cell has scored samples"
    changes = list(zip(answers.samples, answers.correct[:, 1] - answers.correct[:, 0], strict=True))
    return CellComparison(
        **vars(comparison),
        gained=tuple(name for name, step in changes if step > 0),
        lost=tuple(name for name, step in changes if step < 0),
        left_out=pair.left_out,
        steps=(one.step, other.step),
    )
