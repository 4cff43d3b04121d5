"""The headline: what one curve says in one plain sentence, before any figure of it is read.

What forbids to read the curve comes first: nothing scored, answers that cannot be read, sizes that
the encoder did not receive, an accuracy at the floor, answers that do not need the image. Only a
curve that none of it is true of is told to use a resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from resolution_eval.analysis.curve import ERROR, CellFigures, CurveFigures
from resolution_eval.analysis.sampling import accuracy, column_scores, difference
from resolution_eval.records import Cell
from resolution_eval.records.schema import Grid
from resolution_eval.statistics import floors
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.margin import Choice, Unshown

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
    said = _Case(curve)
    for rule in RULES:
        conclusion = rule(said)
        if conclusion is not None:
            return conclusion
    return said.recommendation


@dataclass(frozen=True, eq=False)
class _Case:
    """A curve, and what several rules ask of it."""

    curve: CurveFigures

    @property
    def cells(self) -> Sequence[CellFigures]:
        return self.curve.cells

    @property
    def plain(self) -> list[Cell]:
        return [each.cell for each in self.cells]

    @property
    def restored(self) -> bool:
        """Whether the grid stays, so that only the content varies."""
        return self.curve.sweep.setting[0] == "restore"

    @cached_property
    def best(self) -> CellFigures:
        """Of the highest accuracy, of equals the lowest resolution."""
        scored = [each for each in self.cells if each.cell.accuracy is not None]
        return max(scored, key=lambda each: each.cell.accuracy or 0.0)

    @cached_property
    def guess(self) -> tuple[float, str]:
        """The best that needs neither image nor model, and what it is."""
        scores = self.curve.sweep.scores
        targets = dict(zip(scores.samples, scores.targets, strict=True))
        chance = self.curve.sweep.chance or 0.0
        best = max(
            ((sum(each.values()) / len(each), a) for a, each in floors.constants(targets).items()),
            key=lambda each: each[0],  # of equals the first, as the floor names it
            default=(0.0, ""),
        )
        if best[0] > chance:
            return best[0], f"“{_plain(best[1])}” to every question"
        return chance, "chance"

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What is to be known beside any sentence."""
        return tuple(_notes(self))

    @property
    def doubt(self) -> str:
        """That nobody knows whether it looks; nothing where a blind run says that it does."""
        if self.curve.looks is not None:
            return ""
        return "No blind run: cannot tell whether it looks"

    @property
    def recommendation(self) -> Headline:
        return _recommendation(self)


def _plain(text: str) -> str:
    """An answer on one line, shortened."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _control(said: _Case) -> Headline | None:
    kind = said.curve.sweep.record.blind
    if kind is None:
        return None
    return Headline("control", f"A run without the image ({kind}): a control, and no score.")


def _unscored(said: _Case) -> Headline | None:
    if any(cell.scored for cell in said.plain):
        return None
    asked = sum(cell.n for cell in said.plain)
    failures = said.curve.sweep.record.failures
    first = f"; the first: {_plain(failures[0].message)}" if failures else ""
    return Headline("unscored", f"Nothing was scored: {asked} of {asked} samples failed{first}.")


def _unreadable(said: _Case) -> Headline | None:
    unread, scored = _unread(said)
    if unread <= UNREADABLE * scored:
        return None
    return Headline("unreadable", f"{_unread_words(said, unread, scored)}.")


def _unread(said: _Case) -> tuple[int, int]:
    """Answers that could not be read, and all."""
    return sum(c.unparseable for c in said.plain), sum(c.scored for c in said.plain)


def _unread_words(said: _Case, unread: int, scored: int) -> str:
    """How many, and what the first were."""
    sweep = said.curve.sweep
    groups, answers = sweep.record.answers.groups, sweep.record.answers
    said_words, read = answers.column("answer"), answers.column("prediction")
    verdicts = answers.column("correct")
    rows = (number for cell in sweep.cells for number in groups[cell.key])
    lost = [n for n in rows if verdicts[n] is not None and read[n] is None]
    words = list(dict.fromkeys(_plain(said_words[n] or "") for n in lost))[:EXAMPLES]
    first = f"; the first {_number(len(words))}: {', '.join(f'“{w}”' for w in words)}"
    return f"{unread} of {scored} answers could not be read{first if words else ''}"


def _number(count: int) -> str:
    return ("none", "one", "two", "three")[count]


def _seen(grid: Grid) -> tuple[int, int] | None:
    return None if grid.height is None or grid.width is None else (grid.height, grid.width)


def _asked(grid: Grid) -> tuple[int | None, int | None]:
    return grid.expected_height, grid.expected_width


def _mismatched(said: _Case) -> Headline | None:
    """Some encoder received another size; all of them one size: a flat sweep."""
    wrong = [cell for cell in said.plain if cell.status == "mismatched"]
    if not wrong:
        return None
    one = _one_size(said)
    if one:
        return Headline("flat", f"Flat by its processor: {one}, whatever was asked.", said.notes)
    where = ", ".join(cell.resolution for cell in wrong)
    instead = next((text for cell in wrong for text in _instead(cell)), "")
    sentence = f"Do not trust this: mismatched at {where}, where the model saw another size"
    return Headline("mismatched", f"{sentence}{instead}.", said.notes)


def _one_size(said: _Case) -> str:
    """The one size that entered at every resolution, in words; nothing where there is none."""
    labels = [cell.resolution for cell in said.plain]
    where = f"every size from {labels[0]} to {labels[-1]}"
    grids = [grid for cell in said.plain for grid in cell.grids]
    received, asked = set(map(_seen, grids)) - {None}, set(map(_asked, grids))
    if len(received) == 1 and len(asked) > 1:
        ((height, width),) = filter(None, received)
        return f"{where} reached the encoder as {height}x{width}"
    counts = [None if c.serving is None else c.serving.counted_tokens for c in said.plain]
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


def _at_chance(said: _Case) -> Headline | None:
    """No accuracy of the curve is shown to be above a guess, all of them together."""
    level, name = said.guess
    columns, strict = column_scores(said.curve.sweep.scores), 1 - ERROR / len(said.cells)
    shown = [accuracy(columns.pick([index]), level=strict) for index in range(len(said.cells))]
    known = [each for each in shown if isinstance(each, Interval)]
    if not known or any(each.low > level for each in known):
        return None
    best = said.best
    score = f"{best.cell.accuracy:.3f} at best, at {best.cell.resolution}"
    words = "at chance" if name == "chance" else f"no better than {name}"
    return Headline(
        "chance", f"Do not trust this: {words} ({score}, against {level:.3f}).", said.notes
    )


def _blind(said: _Case) -> Headline | None:
    """The image is not shown to add anything."""
    if said.curve.looks is not False:
        return None
    best = said.best
    unseen = next((each.look for each in said.cells if each is best), None)
    without = "" if unseen is None else f", {unseen.accuracy:.3f} without the image"
    return Headline(
        "blind",
        "Does not look: its answers are not shown to be better with the image than without "
        f"({best.cell.accuracy:.3f} at {best.cell.resolution}{without}).",
        said.notes,
    )


def _unseen(said: _Case) -> Headline | None:
    """Nobody knows which size was seen."""
    unseen = [c for c in said.plain if c.status == "unattested" or c.unattested]
    if not unseen:
        return None
    where = _all_or(said, [cell.resolution for cell in unseen])
    return Headline(
        "unseen",
        f"Cannot tell which size it saw: nobody saw the grid at {where}, and no resolution is "
        f"recommended ({_best_words(said)}).",
        said.notes,
    )


def _all_or(said: _Case, names: Sequence[str]) -> str:
    every = len(names) == len(said.cells) and len(names) > 1
    return "any resolution" if every else ", ".join(names)


def _best_words(said: _Case) -> str:
    return f"{said.best.cell.accuracy:.3f} at best, at {said.best.cell.resolution}"


def _withheld(said: _Case) -> Headline | None:
    """The curve as a whole cannot be read, for another reason."""
    if len(said.cells) == 1:
        return _single(said)
    reason = said.curve.withheld
    if reason is None:
        return None
    failures = said.curve.sweep.record.failures
    first = f"; the first failure: {_plain(failures[0].message)}" if failures else ""
    return Headline("withheld", f"Not a whole curve: {reason}{first}.", said.notes)


def _single(said: _Case) -> Headline:
    sentence = f"One resolution is no curve: {said.best.cell.accuracy:.3f} at {_at(said.best)}"
    doubt = f"; {_lower(said.doubt)}" if said.doubt else ""
    return Headline("single", f"{sentence}{doubt}.", said.notes)


RULES: tuple[Callable[[_Case], Headline | None], ...] = (
    _control,
    _unscored,
    _unreadable,
    _mismatched,
    _at_chance,
    _blind,
    _unseen,
    _withheld,
)
"""What is asked of a curve, the first that holds is told."""


def _recommendation(said: _Case) -> Headline:
    """Which resolution to use: only what the samples show, with where the curve falls apart."""
    falls = _falls(said)
    kind, words = _use(said)
    if kind == "uncertain" and falls:
        words = f"{falls}; {_lower(words)}"
    elif falls:
        words = f"{words}; {_lower(falls)}"
    if said.doubt:
        words = f"{said.doubt}; if it does: {_lower(words)}"
    return Headline(kind, f"{words}.", said.notes)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _use(said: _Case) -> tuple[Kind, str]:
    curve, choice = said.curve, said.curve.choice
    points = f"{100 * curve.margin:g} points"
    chosen = next((e for e in said.cells if e.cell.resolution == curve.chosen), None)
    if not isinstance(choice, Choice) or chosen is None or not chosen.above:
        return "uncertain", _too_few(said, points)
    if curve.robust:
        ends = f"{said.plain[0].resolution} to {said.plain[-1].resolution}"
        saved = _cost(said, chosen, said.cells[-1], of=True)
        sentence = f"every resolution from {ends} is within {points} of the best"
        return "robust", f"Use {_name(said, chosen)}: {sentence}{saved}"
    if chosen is said.best:
        larger = said.cells[-1]
        smaller = "the smallest tried" if chosen is said.cells[0] else ""
        beats = f"its best here, and {smaller or f'no smaller one is shown to be within {points}'}"
        saved = "" if larger is chosen else _cost(said, chosen, larger, of=True)
        return "use", f"Use {_name(said, chosen)}: {beats}{saved}"
    saved = _cost(said, chosen, said.best)
    return (
        "use",
        f"Use {_name(said, chosen)}: within {points} of the best ({_at(said.best)}){saved}",
    )


def _too_few(said: _Case, points: str) -> str:
    choice = said.curve.choice
    best = f"best at {said.best.cell.resolution} ({said.best.cell.accuracy:.3f})"
    if isinstance(choice, Unshown):
        return (
            f"Too few samples to choose a resolution: {best}, and {said.curve.n} samples tell "
            f"{100 * choice.tells:.1f} points apart, where {points} need about {choice.needed:,}"
        )
    return f"No resolution is recommended: {best}, and {getattr(choice, 'reason', 'none is shown')}"


def _name(said: _Case, each: CellFigures) -> str:
    return f"images of {_at(each)}" if said.restored else _at(each)


def _at(each: CellFigures) -> str:
    """The resolution; native, and µm, with the pixels that it is."""
    cell = each.cell
    if cell.resolution.isdecimal() or cell.source_edge is None:
        return cell.resolution
    return f"{cell.resolution} (about {cell.source_edge:.0f} px)"


def _cost(said: _Case, chosen: CellFigures, other: CellFigures, *, of: bool = False) -> str:
    """What `chosen` costs against `other` in visual tokens; nothing where nobody counted, or the
    grid does not follow.
    """
    if said.restored or not chosen.tokens or not other.tokens or chosen is other:
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


def _falls(said: _Case) -> str:
    """Beyond which resolution the curve is shown to lose most of what it has above the floor."""
    lost = _collapsed(said)
    labels = [_at(each) for each in said.cells]
    low = next((i for i, each in enumerate(lost) if not each), 0)
    high = next((i for i, each in enumerate(reversed(lost)) if not each), 0)
    parts = [f"below {labels[low]}"] if low else []
    parts += [f"above {labels[-1 - high]}"] if high else []
    between = [labels[i] for i in range(low, len(lost) - high) if lost[i]]
    parts += [f"at {', '.join(between)}"] if between else []
    return f"Falls apart {' and '.join(parts)}" if parts else ""


def _collapsed(said: _Case) -> list[bool]:
    """Per resolution, whether it is shown to lose more than half of the best's gain."""
    columns = column_scores(said.curve.sweep.scores)
    best = next(i for i, each in enumerate(said.cells) if each is said.best)
    gain = (said.best.cell.accuracy or 0.0) - said.curve.floor.value
    collapsed = []
    for index in range(len(said.cells)):
        pair = columns.pick([index, best])
        loss = difference(pair, level=1 - ERROR / len(said.cells)) if index != best else None
        collapsed.append(isinstance(loss, Interval) and gain > 0 and loss.low > COLLAPSE * gain)
    return collapsed


def _notes(said: _Case) -> Iterator[str]:
    unread, scored = _unread(said)
    if unread > NOTED * scored:
        yield f"{_unread_words(said, unread, scored)}."
    left = [each for each in said.cells if each.left_out]
    if left:
        worst = max(left, key=lambda each: each.left_out)
        yield (
            f"{worst.left_out} samples at {worst.cell.resolution} have no verdict; they are in the "
            "intervals."
        )
    step = said.curve.sweep.step
    if step in ("predicted", "counted"):
        how = "a rule predicts" if step == "predicted" else "the server's token counts say"
        yield f"Which sizes it saw is what {how}, and not attested."
