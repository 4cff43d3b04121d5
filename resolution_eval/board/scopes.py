"""Scopes: the lists of the board, over some data sets, one scheme and one step; and their lines."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from resolution_eval.analysis.ranking import Entrant, Place, places
from resolution_eval.analysis.sampling import column_scores
from resolution_eval.analysis.series import over_runs
from resolution_eval.board.board_schema import BoardRow, Budget, Curve, Estimate
from resolution_eval.board.record_scores import estimate
from resolution_eval.board.seed_recipes import Recipe, obstacle, recipes
from resolution_eval.evidence.ladder import Step

Kind = Literal["mean", "modality", "dataset"]


@dataclass(frozen=True, kw_only=True)
class RankLine:
    """One recipe in one list."""

    rows: Recipe
    """Its runs."""
    curves: tuple[tuple[Curve, ...], ...]
    """Per data set of the list, those of the runs."""
    place: int | None
    """1 is the highest score of those that have a rank; null where it has none."""
    rank: tuple[int, int] | None
    """The first and the last rank that these samples leave open, all lines together."""
    why: str | None
    """Why it has no rank; null where it has one."""
    score: Estimate | None
    """Mean over runs, and over data sets, of the gain over the floor; null where withheld."""
    area: Estimate | None
    """The same of the accuracy itself."""
    drop: Estimate | None
    """From the best resolution: the largest of its runs and data sets."""
    budgets: tuple[Budget, ...]
    """Mean over runs; on one data set alone."""
    accuracies: tuple[Estimate | None, ...]
    """At each resolution, mean over runs; on one data set alone."""

    @property
    def key(self) -> str:
        """That of its first run."""
        return self.rows[0].key


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a list is over, and its lines: by score, and after them those without a rank."""

    key: str
    kind: Kind
    label: str
    scheme: str
    step: Step
    """What is known of the resolutions of all its rows."""
    datasets: tuple[str, ...]
    """Identifiers, see `dataset_id`."""
    lines: tuple[RankLine, ...]

    @property
    def setting(self) -> str:
        """Scheme and, where it is not attested, step: of the data set's lists, which one."""
        return setting_of(self.scheme, self.step)

    def line_of(self, row: BoardRow) -> RankLine | None:
        """The line that the row stands in; None where it stands in another list."""
        return next((e for e in self.lines if any(r.key == row.key for r in e.rows)), None)

    @property
    def ranked(self) -> int:
        """Lines that have a rank."""
        return sum(line.rank is not None for line in self.lines)


def setting_of(scheme: str, step: Step) -> str:
    """Name of a list among those of one data set.

    Example:
        >>> setting_of("match", "attested"), setting_of("restore", "counted")
        ('match', 'restore, counted')
    """
    return scheme if step == "attested" else f"{scheme}, {step}"


def dataset_id(curve: Curve) -> str:
    """Identifier of a curve's data set and form, for links and file names; no two are the same."""
    name = slug(curve.dataset)
    return name if curve.form == "closed" else f"{name}-open"


def slug(name: str) -> str:
    """A file name for `name`: itself where it is one, else its letters and a digest.

    Example:
        >>> slug("pbc_blood"), slug("../etc")
        ('pbc_blood', 'etc-f7f9121f')
    """
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")
    return (
        name if plain == name and 0 < len(name) <= 64 else f"{plain[:40] or 'name'}-{digest(name)}"
    )


def digest(text: str) -> str:
    """Eight characters that stand for `text`."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


Group = tuple[Recipe, tuple[tuple[Curve, ...], ...]]
"""A recipe, and per data set its runs' curves."""
Setting = tuple[str, Step]
"""Scheme and step, which all rows of a list share."""


def scopes(rows: Sequence[BoardRow]) -> tuple[Scope, ...]:
    """Every list that rows have; first the one that ranks most, over most data sets.

    `match` and `restore` never share a list: the same weights do better by `restore`. Nor do rows
    of two steps of the ladder: what a server counted is not known as what was attested is.
    """
    lists: list[Scope] = []
    kinds: dict[Setting, list[BoardRow]] = defaultdict(list)
    for row in rows:
        if row.curves:
            kinds[row.scheme, row.step].append(row)
    for setting, same in sorted(kinds.items()):
        mine = recipes(same)
        lists += [*_means(mine, setting), *_single(mine, setting), *_modalities(mine, setting)]
    first = max(lists, key=lambda scope: (scope.ranked, len(scope.datasets)), default=None)
    return tuple(sorted(lists, key=lambda scope: scope is not first))


def _means(every: Sequence[Recipe], setting: Setting) -> list[Scope]:
    """One list per set of two or more data sets that a recipe is scored on."""
    groups: dict[tuple[str, ...], list[Group]] = defaultdict(list)
    for recipe in every:
        scored = _scored(recipe)
        if len(scored) > 1:
            groups[tuple(runs[0].dataset for runs in scored)].append((recipe, scored))
    made = []
    for names, members in groups.items():
        titles = [runs[0].title for runs in members[0][1]]
        label = ", ".join(titles) if len(titles) < 4 else f"{len(titles)} data sets"
        made.append(_scope(f"mean-{digest(' '.join(names))}", "mean", label, setting, members))
    return _told_apart(sorted(made, key=lambda scope: (-len(scope.lines), scope.key)))


def _scored(recipe: Recipe) -> tuple[tuple[Curve, ...], ...]:
    """Per data set that the recipe is scored on, the runs' curves of closed questions."""
    names = sorted({name for row in recipe for name in row.scored_on})
    return tuple(_on(recipe, name, "closed") for name in names)


def _on(recipe: Recipe, name: str, form: str) -> tuple[Curve, ...]:
    return tuple(c for row in recipe for c in row.curves if (c.dataset, c.form) == (name, form))


def _told_apart(lists: list[Scope]) -> list[Scope]:
    """Scopes of one kind, with a digest in the labels that would be the same."""
    counts = Counter(scope.label for scope in lists)
    return [
        replace(scope, label=f"{scope.label} ({scope.key.partition('-')[2][:8]})")
        if counts[scope.label] > 1
        else scope
        for scope in lists
    ]


def _modalities(every: Sequence[Recipe], setting: Setting) -> list[Scope]:
    """One list per modality and set of its data sets that a recipe is scored on."""
    groups: dict[str, dict[tuple[str, ...], list[Group]]] = {}
    for recipe in every:
        scored = _scored(recipe)
        for modality in {runs[0].modality for runs in scored}:
            mine = tuple(runs for runs in scored if runs[0].modality == modality)
            ids = tuple(dataset_id(runs[0]) for runs in mine)
            groups.setdefault(modality, {}).setdefault(ids, []).append((recipe, mine))
    made = []
    for modality, sets in sorted(groups.items()):
        order = sorted(sets.items(), key=lambda item: (-len(item[1]), item[0]))
        for number, (ids, members) in enumerate(order):
            titles = ", ".join(runs[0].title for runs in members[0][1])
            key = f"modality-{slug(modality)}" + (f"-{digest(' '.join(ids))}" if number else "")
            label = modality if len(order) == 1 else f"{modality}: {titles}"
            made.append(_scope(key, "modality", label, setting, members))
    return made


def _single(every: Sequence[Recipe], setting: Setting) -> list[Scope]:
    """One list per data set and form."""
    groups: dict[str, list[Group]] = defaultdict(list)
    for recipe in every:
        for name, form in sorted({(c.dataset, c.form) for row in recipe for c in row.curves}):
            runs = _on(recipe, name, form)
            groups[dataset_id(runs[0])].append((recipe, (runs,)))
    made = []
    for name, members in sorted(groups.items()):
        label = single_title(members[0][1][0][0])
        made.append(_scope(f"dataset-{name}", "dataset", label, setting, members))
    return made


def single_title(curve: Curve) -> str:
    """Of the data set and form of a curve."""
    return curve.title if curve.form == "closed" else f"{curve.title} (open answers)"


def _scope(key: str, kind: Kind, label: str, setting: Setting, members: Sequence[Group]) -> Scope:
    scheme, step = setting
    parts = [key, *([] if scheme == "match" else [slug(scheme)])]
    return Scope(
        key="-".join([*parts, *([] if step == "attested" else [step])]),
        kind=kind,
        label=label if step == "attested" else f"{label} ({step})",
        scheme=scheme,
        step=step,
        datasets=tuple(dataset_id(runs[0]) for runs in members[0][1]),
        lines=tuple(lines(members)),
    )


Standing = tuple[Place, tuple[int, int] | None]
"""A recipe's figures in one list, and the ranks left open; None where it has none."""


def lines(members: Sequence[Group]) -> Iterator[RankLine]:
    """The lines of one list: by score, and after them those without a rank."""
    every = [recipe for recipe, _ in members]
    why = {recipe[0].key: obstacle(recipe, curves, every) for recipe, curves in members}
    scored = ((recipe[0].key, _entrant(curves)) for recipe, curves in members)
    entrants = {key: entrant for key, entrant in scored if entrant}
    ranked = {key: entrant for key, entrant in entrants.items() if why[key] is None}
    standings: dict[str, Standing] = dict(_in_order(places(ranked))) if ranked else {}
    for key in sorted(entrants.keys() - standings.keys()):
        standings[key] = (places({key: entrants[key]})[0], None)
    order = {key: number for number, key in enumerate(standings)}
    by_key = {recipe[0].key: (recipe, curves) for recipe, curves in members}
    for key in sorted(by_key, key=lambda key: (order.get(key, len(order)), key)):
        place, rank = standings.get(key, (None, None))
        yield _line(*by_key[key], place, rank, why[key], order.get(key))


def _entrant(curves: Sequence[Sequence[Curve]]) -> Entrant | None:
    """What a recipe is ranked by; None where a curve of it is withheld, or open."""
    figures = [[c.figures for c in runs if c.form == "closed" and c.figures] for runs in curves]
    whole = all(len(some) == len(runs) > 0 for some, runs in zip(figures, curves, strict=True))
    return figures if whole else None


def _in_order(ranking: Sequence[Place]) -> Iterator[tuple[str, Standing]]:
    """The places in order of score, with ranks that never contradict it: a line's first is at most
    that of any below it, its last at least that of any above, both only wider than before.
    """
    assert all(each.rank is not None for each in ranking)
    ranks = [each.rank for each in ranking if each.rank is not None]
    firsts = np.minimum.accumulate([rank.low for rank in ranks][::-1])[::-1]
    lasts = np.maximum.accumulate([rank.high for rank in ranks])
    for place, first, last in zip(ranking, firsts, lasts, strict=True):
        yield place.model, (place, (int(first), int(last)))


def _line(
    recipe: Recipe,
    curves: tuple[tuple[Curve, ...], ...],
    place: Place | None,
    rank: tuple[int, int] | None,
    why: str | None,
    order: int | None,
) -> RankLine:
    drops = [c.best_drop for runs in curves for c in runs if c.best_drop is not None]
    whole = len(drops) == sum(map(len, curves))
    (runs, *more) = curves
    return RankLine(
        rows=recipe,
        curves=curves,
        place=None if rank is None or order is None else order + 1,
        rank=rank,
        why=why,
        score=None if place is None else estimate(place.score),
        area=None if place is None else estimate(place.area),
        drop=max(drops, key=lambda drop: drop.value) if drops and whole else None,
        budgets=() if more else _budgets(runs),
        accuracies=() if more else _accuracies(runs),
    )


def _budgets(runs: Sequence[Curve]) -> tuple[Budget, ...]:
    """The runs' budgets, where all take the same resolutions for them."""
    if len(runs) == 1:
        return runs[0].budgets
    shared = [{(b.most, b.resolution): b for b in run.budgets} for run in runs]
    return tuple(
        replace(budget, accuracy=mean)
        for key, budget in shared[0].items()
        if all(key in each for each in shared)
        and (mean := _mean_accuracy(runs, budget.resolution)) is not None
    )


def _accuracies(runs: Sequence[Curve]) -> tuple[Estimate | None, ...]:
    if len(runs) == 1:
        return tuple(point.accuracy for point in runs[0].points)
    return tuple(_mean_accuracy(runs, point.resolution) for point in runs[0].points)


def _mean_accuracy(runs: Sequence[Curve], resolution: str) -> Estimate | None:
    """Mean over the runs, its interval that of samples and runs; None where a run lacks it."""
    cells = [
        (run.record, point.cell)
        for run in runs
        for point in run.points
        if point.resolution == resolution and point.accuracy is not None
    ]
    if len(cells) < len(runs):
        return None
    columns = [column_scores(record.answers.scores([cell.key])) for record, cell in cells]
    return estimate(over_runs(columns, [1.0]))


def standing(lists: Sequence[Scope], row: BoardRow) -> tuple[Scope, RankLine] | None:
    """The list that a row stands in first, with its line: over several data sets, else over one."""
    order: Mapping[Kind, int] = {"mean": 0, "dataset": 1, "modality": 2}
    ordered = sorted(lists, key=lambda scope: order[scope.kind])
    return next(((scope, line) for scope in ordered if (line := scope.line_of(row))), None)
