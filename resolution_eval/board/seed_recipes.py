"""Recipes: rows that differ in seed alone, and what a recipe needs to have a rank."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from resolution_eval.board.board_schema import BoardRow, Curve

Recipe = tuple[BoardRow, ...]
"""Runs of one recipe in one setting, by name."""
ALIKE = 1.05
"""Largest ratio of the numbers of parameters of two runs, or siblings: a position table for another
grid makes a few more or less."""
REPEATED = ("re-run", "verified")
PREFERRED = ("bicubic", "generate")
"""Filter and answers by which a recipe is ranked where it has several, settled beforehand: what a
user gets."""


def recipes(rows: Sequence[BoardRow]) -> list[Recipe]:
    """The rows by recipe, in order of name: runs of which the submitter declares the same (base,
    strategy, training resolution and data, `recipe`), with as many parameters, within 5 %.
    """
    groups: dict[tuple[object, ...], list[BoardRow]] = defaultdict(list)
    for row in rows:
        groups[_declared(row)].append(row)
    return sorted(
        (recipe for group in groups.values() for recipe in _of_a_size(group)),
        key=lambda recipe: recipe[0].key,
    )


def _declared(row: BoardRow) -> tuple[object, ...]:
    facts = row.facts
    return (
        *(facts.submitter.casefold(), facts.base, facts.strategy, facts.training, facts.recipe),
        *(frozenset(facts.trained_on), frozenset(facts.base_trained_on)),
        *(row.scheme, row.filter, row.mode),
    )


def _of_a_size(rows: Sequence[BoardRow]) -> list[Recipe]:
    """`rows` in groups whose numbers of parameters follow within `ALIKE`; unknown ones together."""
    groups: list[list[BoardRow]] = []
    for row in sorted(rows, key=lambda row: (row.facts.parameters or 0, row.key)):
        if groups and alike(groups[-1][-1].facts.parameters, row.facts.parameters):
            groups[-1].append(row)
        else:
            groups.append([row])
    return [tuple(sorted(group, key=lambda row: row.key)) for group in groups]


def alike(one: int | None, other: int | None) -> bool:
    """Whether two models are of a size; of two unknown sizes, yes."""
    if one is None or other is None:
        return one is other
    return max(one, other) <= ALIKE * min(one, other)


def obstacle(
    recipe: Recipe, curves: Sequence[Sequence[Curve]], others: Sequence[Recipe]
) -> str | None:
    """Why the recipe has no rank by `curves`, those of its runs per data set, among the `others` of
    the list; None where it has.
    """
    every = [curve for runs in curves for curve in runs]
    if any(curve.form == "open" for curve in every):
        return "open answers are shown and not ranked"
    withheld = next((curve.withheld for curve in every if curve.withheld), None)
    if withheld is not None:
        return withheld
    if any(len(runs) < len(recipe) for runs in curves):
        return f"not all of its {len(recipe)} runs are scored on these data sets"
    if any(row.status not in REPEATED for row in recipe):
        return "not repeated by the maintainers: nobody but the submitter has seen it answer"
    if any(curve.looks is None for curve in every):
        return "no blind run: nobody can tell whether it looks at the image"
    if not any(all(curve.looks for curve in runs) for runs in curves):
        return "does not look: not shown to score more with the image than without it"
    return _ranked_otherwise(recipe, others)


def _ranked_otherwise(recipe: Recipe, others: Sequence[Recipe]) -> str | None:
    """Whether the same runs stand in the list by other answers or another filter, which count."""
    mine = set(map(_weights, recipe))
    same = [each for each in others if mine & set(map(_weights, each))]
    first = min(same, key=_preference, default=recipe)
    if first is recipe:
        return None
    return f"ranked by its other answers ({first[0].filter}, {first[0].mode})"


def _weights(row: BoardRow) -> tuple[str, str]:
    return row.facts.model, row.facts.revision


def _preference(recipe: Recipe) -> tuple[bool, str, bool, str]:
    row = recipe[0]
    filter, mode = PREFERRED
    return row.filter != filter, row.filter, row.mode != mode, row.mode
