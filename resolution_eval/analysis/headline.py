"""The headline: what one curve says in one plain sentence, before any figure of it is read.

What forbids to read the curve comes first: nothing scored, answers that cannot be read, sizes that
the encoder did not receive, an accuracy at the floor, answers that do not need the image. Only a
curve that none of it is true of is told to use a resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from resolution_eval.analysis.curve import ERROR, CellFigures, CurveFigures
from resolution_eval.analysis.sampling import accuracy, column_scores, difference
from resolution_eval.records import Cell
from resolution_eval.records.schema import Grid
from resolution_eval.statistics import floors
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.margin import Unshown

Kind = Literal[
    "control",
    "unscored",
    "unreadable",
    "flat",
    "mismatched",
    "chance",
    "blind",
    "unseen",
    "withheld",
    "single",
    "uncertain",
    "robust",
    "use",
]
"""What the sentence is about; the last four alone say anything of a curve that can be read."""
READABLE: frozenset[Kind] = frozenset({"single", "uncertain", "robust", "use"})
UNREADABLE = 0.5
"""Share of answers that cannot be read above which they are what a run is about."""
NOTED = 0.02
"""Share of them above which they are told beside the sentence."""
COLLAPSE = 0.5
"""Share of what lies above the floor at the best resolution; a curve that is shown to lose more
falls apart there."""
EXAMPLES = 3
LONGEST = 60
"""Characters of an answer that is quoted."""
SHARES = {1 / 2: "half", 1 / 3: "a third", 1 / 4: "a quarter", 1 / 5: "a fifth", 1 / 10: "a tenth"}
NEAR = 0.06
"""How far from one of them a share may be, relatively, to be called so."""


@dataclass(frozen=True)
class Headline:
    """What a curve says."""

    kind: Kind
    sentence: str
    notes: tuple[str, ...] = ()
    """What to know beside it, a sentence each."""

    @property
    def readable(self) -> bool:
        """Whether the curve says anything of resolutions."""
        return self.kind in READABLE

    def __str__(self) -> str:
        return " ".join((self.sentence, *self.notes))


def headline(curve: CurveFigures) -> Headline:
    """What `curve` says, in one sentence."""
    said = ((kind, sentence) for kind, rule in RULES if (sentence := rule(curve)))
    kind, sentence = next(said, None) or _recommendation(curve)
    return Headline(kind, f"{sentence}.", () if kind in ALONE else tuple(_notes(curve)))


def _best(curve: CurveFigures) -> CellFigures:
    """The cell of the highest accuracy, of equals the lowest resolution."""
    scored = [each for each in curve.cells if each.cell.accuracy is not None]
    return max(scored, key=lambda each: each.cell.accuracy or 0.0)


def _best_words(curve: CurveFigures) -> str:
    best = _best(curve).cell
    return f"{best.accuracy:.3f} at best, at {best.resolution}"


def _plain(text: str) -> str:
    """An answer on one line, shortened."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _control(curve: CurveFigures) -> str:
    kind = curve.sweep.record.blind
    return f"A run without the image ({kind}): a control, and no score" if kind else ""


def _unscored(curve: CurveFigures) -> str:
    if any(cell.scored for cell in curve.sweep.cells):
        return ""
    asked = sum(cell.n for cell in curve.sweep.cells)
    return f"Nothing was scored: {asked} of {asked} samples failed{_failure(curve, 'first')}"


def _failure(curve: CurveFigures, name: str) -> str:
    failures = curve.sweep.record.failures
    return f"; the {name}: {_plain(failures[0].message)}" if failures else ""


def _unreadable(curve: CurveFigures) -> str:
    return _unread(curve, UNREADABLE)


def _unread(curve: CurveFigures, share: float) -> str:
    """How many answers could not be read, and what the first were; nothing up to `share` of all."""
    cells, answers = curve.sweep.cells, curve.sweep.record.answers
    unread, scored = sum(cell.unparseable for cell in cells), sum(cell.scored for cell in cells)
    if unread <= share * scored:
        return ""
    said, read, verdicts = map(answers.column, ("answer", "prediction", "correct"))
    groups = answers.groups()
    rows = (number for cell in cells for number in groups[cell.key])
    lost = [n for n in rows if verdicts[n] is not None and read[n] is None]
    words = list(dict.fromkeys(f"“{_plain(said[n] or '')}”" for n in lost))[:EXAMPLES]
    number = ("none", "one", "two", "three")[len(words)]
    first = f"; the first {number}: {', '.join(words)}" if words else ""
    return f"{unread} of {scored} answers could not be read{first}"


def _mismatches(curve: CurveFigures) -> list[Cell]:
    """Cells in which some encoder received another size."""
    return [cell for cell in curve.sweep.cells if cell.status == "mismatched"]


def _flat(curve: CurveFigures) -> str:
    """Every size that was asked for became one."""
    one = _one_size(curve.sweep.cells) if _mismatches(curve) else ""
    return f"Flat by its processor: {one}, whatever was asked" if one else ""


def _mismatched(curve: CurveFigures) -> str:
    wrong = _mismatches(curve)
    if not wrong:
        return ""
    where = ", ".join(cell.resolution for cell in wrong)
    instead = next((text for cell in wrong for text in _instead(cell)), "")
    return f"Do not trust this: mismatched at {where}, where the model saw another size{instead}"


def _seen(grid: Grid) -> tuple[int, int] | None:
    return None if grid.height is None or grid.width is None else (grid.height, grid.width)


def _asked(grid: Grid) -> tuple[int | None, int | None]:
    return grid.expected_height, grid.expected_width


def _one_size(cells: Sequence[Cell]) -> str:
    """The one size that entered at every resolution, in words; nothing where there is none."""
    where = f"every size from {cells[0].resolution} to {cells[-1].resolution}"
    grids = [grid for cell in cells for grid in cell.grids]
    received, asked = set(map(_seen, grids)) - {None}, set(map(_asked, grids))
    if len(received) == 1 and len(asked) > 1:
        ((height, width),) = filter(None, received)
        return f"{where} reached the encoder as {height}x{width}"
    counts = [None if c.serving is None else c.serving.counted_tokens for c in cells]
    sums = {count for each in counts if each is not None for count in (each.least, each.most)}
    if None in counts or len(counts) < 2 or len(sums) != 1:
        return ""
    return f"of {where} the server counted {sums.pop()} image tokens"


def _instead(cell: Cell) -> Iterator[str]:
    """What was received in place of what was asked, most frequent first."""
    for grid in cell.grids:
        if _seen(grid) and _seen(grid) != _asked(grid):
            asked = f"{grid.expected_height}x{grid.expected_width}"
            yield f" (asked for {asked}, received {grid.height}x{grid.width})"
    for wrong in () if cell.serving is None else cell.serving.disagreements:
        yield f" ({wrong.counted} image tokens counted, {wrong.least} to {wrong.most} due)"


def _at_chance(curve: CurveFigures) -> str:
    """No accuracy of the curve is shown to be above a guess, all of them together."""
    level, name = _guess(curve)
    columns, strict = column_scores(curve.sweep.scores), 1 - ERROR / len(curve.cells)
    shown = [accuracy(columns.pick([index]), level=strict) for index in range(len(curve.cells))]
    known = [each for each in shown if isinstance(each, Interval)]
    if not known or any(each.low > level for each in known):
        return ""
    words = "at chance" if name == "chance" else f"no better than {name}"
    return f"Do not trust this: {words} ({_best_words(curve)}, against {level:.3f})"


def _guess(curve: CurveFigures) -> tuple[float, str]:
    """The best that needs neither image nor model, and what it is."""
    constants = floors.constants(curve.sweep.targets)
    rates = [(sum(each.values()) / len(each), answer) for answer, each in constants.items()]
    # of equals the first, as the floor names it
    best, answer = max(rates, key=lambda each: each[0], default=(0.0, ""))
    chance = curve.sweep.chance or 0.0
    return (best, f"“{_plain(answer)}” to every question") if best > chance else (chance, "chance")


def _blind(curve: CurveFigures) -> str:
    """The image is not shown to add anything."""
    if curve.looks is not False:
        return ""
    best = _best(curve)
    without = "" if best.look is None else f", {best.look.accuracy:.3f} without the image"
    return (
        "Does not look: its answers are not shown to be better with the image than without "
        f"({best.cell.accuracy:.3f} at {best.cell.resolution}{without})"
    )


def _unseen(curve: CurveFigures) -> str:
    """Nobody knows which size was seen."""
    cells = curve.sweep.cells
    unseen = [c.resolution for c in cells if c.status == "unattested" or c.unattested]
    if not unseen:
        return ""
    where = "any resolution" if len(unseen) == len(cells) > 1 else ", ".join(unseen)
    return (
        f"Cannot tell which size it saw: nobody saw the grid at {where}, and no resolution is "
        f"recommended ({_best_words(curve)})"
    )


def _single(curve: CurveFigures) -> str:
    if len(curve.cells) > 1:
        return ""
    (only,) = curve.cells
    doubt = f"; {_lower(_doubt(curve))}" if _doubt(curve) else ""
    return f"One resolution is no curve: {only.cell.accuracy:.3f} at {_at(only)}{doubt}"


def _doubt(curve: CurveFigures) -> str:
    """That nobody knows whether it looks; nothing where a blind run says that it does."""
    return "" if curve.looks is not None else "No blind run: cannot tell whether it looks"


def _withheld(curve: CurveFigures) -> str:
    """The curve as a whole cannot be read, for another reason."""
    reason = curve.withheld
    return f"Not a whole curve: {reason}{_failure(curve, 'first failure')}" if reason else ""


RULES: tuple[tuple[Kind, Callable[[CurveFigures], str]], ...] = (
    ("control", _control),
    ("unscored", _unscored),
    ("unreadable", _unreadable),
    ("flat", _flat),
    ("mismatched", _mismatched),
    ("chance", _at_chance),
    ("blind", _blind),
    ("unseen", _unseen),
    ("single", _single),
    ("withheld", _withheld),
)
"""What is asked of a curve: the first sentence that is not empty is told."""
ALONE: frozenset[Kind] = frozenset({"control", "unscored", "unreadable"})
"""What is told with no note beside it."""


def _recommendation(curve: CurveFigures) -> tuple[Kind, str]:
    """Which resolution to use: only what the samples show, with where the curve falls apart."""
    falls, doubt = _falls(curve), _doubt(curve)
    kind, words = _use(curve)
    if falls:
        first, then = (falls, words) if kind == "uncertain" else (words, falls)
        words = f"{first}; {_lower(then)}"
    return kind, f"{doubt}; if it does: {_lower(words)}" if doubt else words


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _use(curve: CurveFigures) -> tuple[Kind, str]:
    cells, best = curve.cells, _best(curve)
    points = f"{100 * curve.margin:g} points"
    chosen = next((each for each in cells if each.cell.resolution == curve.chosen), None)
    if chosen is None or not chosen.above:
        return "uncertain", _too_few(curve, points)
    images = "images of " if _restored(curve) else ""
    use = f"Use {images}{_at(chosen)}"
    if curve.robust:
        every = f"every resolution from {cells[0].cell.resolution} to {cells[-1].cell.resolution}"
        saved = _cost(curve, chosen, cells[-1], of=True)
        return "robust", f"{use}: {every} is within {points} of the best{saved}"
    if chosen is best:
        least = chosen is cells[0]
        beats = "the smallest tried" if least else f"no smaller one is shown to be within {points}"
        saved = _cost(curve, chosen, cells[-1], of=True)
        return "use", f"{use}: its best here, and {beats}{saved}"
    return "use", f"{use}: within {points} of the best ({_at(best)}){_cost(curve, chosen, best)}"


def _too_few(curve: CurveFigures, points: str) -> str:
    choice, cell = curve.choice, _best(curve).cell
    best = f"best at {cell.resolution} ({cell.accuracy:.3f})"
    if isinstance(choice, Unshown):
        return (
            f"Too few samples to choose a resolution: {best}, and {curve.n} samples tell "
            f"{100 * choice.tells:.1f} points apart, where {points} need about {choice.needed:,}"
        )
    return f"No resolution is recommended: {best}, and {getattr(choice, 'reason', 'none is shown')}"


def _restored(curve: CurveFigures) -> bool:
    """Whether the grid stays, so that only the content varies."""
    return curve.sweep.setting[0] == "restore"


def _at(each: CellFigures) -> str:
    """The resolution; native, and µm, with the pixels that it is."""
    cell = each.cell
    if cell.resolution.isdecimal() or cell.source_edge is None:
        return cell.resolution
    return f"{cell.resolution} (about {cell.source_edge:.0f} px)"


def _cost(curve: CurveFigures, chosen: CellFigures, other: CellFigures, *, of: bool = False) -> str:
    """What `chosen` costs against `other` in visual tokens; nothing where nobody counted, or the
    grid does not follow.
    """
    if _restored(curve) or not chosen.tokens or not other.tokens or chosen is other:
        return ""
    share = f"{share_words(chosen.tokens / other.tokens)} of the tokens"
    return f", with {share} that {_at(other)} takes" if of else f" at {share}"


def share_words(share: float) -> str:
    """A share in words.

    Example:
        >>> share_words(0.25), share_words(0.49), share_words(0.07), share_words(1.31)
        ('a quarter', 'half', '7 %', '131 %')
    """
    near = min(SHARES, key=lambda known: abs(share - known) / known)
    return SHARES[near] if abs(share - near) <= NEAR * near else f"{100 * share:.0f} %"


def _falls(curve: CurveFigures) -> str:
    """Beyond which resolution the curve is shown to lose most of what it has above the floor."""
    lost = _collapsed(curve)
    labels = [_at(each) for each in curve.cells]
    low = next((i for i, each in enumerate(lost) if not each), 0)
    high = next((i for i, each in enumerate(reversed(lost)) if not each), 0)
    parts = [f"below {labels[low]}"] if low else []
    parts += [f"above {labels[-1 - high]}"] if high else []
    between = [labels[i] for i in range(low, len(lost) - high) if lost[i]]
    parts += [f"at {', '.join(between)}"] if between else []
    return f"Falls apart {' and '.join(parts)}" if parts else ""


def _collapsed(curve: CurveFigures) -> list[bool]:
    """Per resolution, whether it is shown to lose more than half of the best's gain."""
    columns, best = column_scores(curve.sweep.scores), _best(curve)
    place, level = curve.cells.index(best), 1 - ERROR / len(curve.cells)
    gain = (best.cell.accuracy or 0.0) - curve.floor.value
    collapsed = []
    for index in range(len(curve.cells)):
        pair = columns.pick([index, place])
        loss = difference(pair, level=level) if index != place else None
        collapsed.append(isinstance(loss, Interval) and gain > 0 and loss.low > COLLAPSE * gain)
    return collapsed


def _notes(curve: CurveFigures) -> Iterator[str]:
    """What is to be known beside any sentence."""
    if unread := _unread(curve, NOTED):
        yield f"{unread}."
    worst = max(curve.cells, key=lambda each: each.left_out)
    if worst.left_out:
        yield (
            f"{worst.left_out} samples at {worst.cell.resolution} have no verdict; they are in the "
            "intervals."
        )
    step = curve.sweep.step
    if step in ("predicted", "counted"):
        how = "a rule predicts" if step == "predicted" else "the server's token counts say"
        yield f"Which sizes it saw is what {how}, and not attested."
