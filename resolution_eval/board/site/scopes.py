"""Scopes: what a ranking is over (several data sets, one modality, one data set), and its lines."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from resolution_eval.board.means import mean
from resolution_eval.board.rows import rank
from resolution_eval.board.schema import BoardRow, Curve, Estimate

Kind = Literal["mean", "modality", "dataset"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row in one scope."""

    row: BoardRow
    curves: tuple[Curve, ...]
    """What the figures are over, one per data set of the scope."""
    score: Estimate | None
    drop: Estimate | None
    retention: Estimate | None
    rank: int | None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Data sets that a ranking is over, and its lines, best first."""

    key: str
    kind: Kind
    label: str
    datasets: tuple[str, ...]
    """Identifiers, see `dataset_id`."""
    lines: tuple[Line, ...]


def dataset_id(curve: Curve) -> str:
    """Identifier of a curve's data set and form, for links and file names.

    A name that has anything but letters, digits, `_` and `-` gets a digest, so that no two meet.
    """
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


def scopes(rows: Sequence[BoardRow]) -> list[Scope]:
    """Every scope that rows have; first the one that ranks most rows, over most data sets."""
    found = [*_means(rows), *_single(rows), *_modalities(rows)]
    if not found:
        return []
    first = max(found, key=lambda scope: (_ranked(scope), len(scope.datasets)))
    return [first, *(scope for scope in found if scope is not first)]


def _ranked(scope: Scope) -> int:
    return sum(line.rank is not None for line in scope.lines)


def _means(rows: Sequence[BoardRow]) -> list[Scope]:
    """One scope per set of two or more data sets that rows are scored on, ranked as the board."""
    groups: dict[tuple[str, ...], list[BoardRow]] = defaultdict(list)
    for row in rows:
        if len(row.scored_on) > 1:
            groups[row.scored_on].append(row)
    made = []
    for names, mine in groups.items():
        lines = [_mean_line(row, set(names)) for row in mine]
        titles = [curve.title for curve in lines[0].curves]
        label = ", ".join(titles) if len(titles) < 4 else f"{len(titles)} data sets"
        ids = tuple(dataset_id(curve) for curve in lines[0].curves)
        key = f"mean-{digest(' '.join(names))}"
        made.append(_scope(key, "mean", label, ids, lines))
    return _told_apart(sorted(made, key=lambda scope: (-len(scope.lines), scope.key)))


def _told_apart(found: list[Scope]) -> list[Scope]:
    """Scopes of one kind, with a digest in the labels that would be the same."""
    counts = Counter(scope.label for scope in found)
    return [
        replace(scope, label=f"{scope.label} ({scope.key[-8:]})")
        if counts[scope.label] > 1
        else scope
        for scope in found
    ]


def _mean_line(row: BoardRow, names: set[str]) -> Line:
    curves = _closed(row, names)
    return Line(
        row=row,
        curves=curves,
        score=row.score,
        drop=mean(curves, "worst_drop"),
        retention=mean(curves, "retention"),
        rank=row.rank,
    )


def _closed(row: BoardRow, names: set[str]) -> tuple[Curve, ...]:
    return tuple(curve for curve in row.curves if curve.form == "closed" and curve.dataset in names)


def _modalities(rows: Sequence[BoardRow]) -> list[Scope]:
    """One scope per modality and set of its data sets that rows are scored on."""
    groups: dict[str, dict[tuple[str, ...], list[tuple[BoardRow, tuple[Curve, ...]]]]] = {}
    for row in rows:
        scored = _closed(row, set(row.scored_on))
        for modality in {curve.modality for curve in scored}:
            mine = tuple(curve for curve in scored if curve.modality == modality)
            ids = tuple(dataset_id(curve) for curve in mine)
            groups.setdefault(modality, {}).setdefault(ids, []).append((row, mine))
    made = []
    for modality, sets in sorted(groups.items()):
        order = sorted(sets.items(), key=lambda item: (-len(item[1]), item[0]))
        for number, (ids, members) in enumerate(order):
            titles = ", ".join(curve.title for curve in members[0][1])
            key = f"modality-{slug(modality)}" + (f"-{digest(' '.join(ids))}" if number else "")
            label = modality if len(order) == 1 else f"{modality}: {titles}"
            made.append(_scope(key, "modality", label, ids, _placed(members)))
    return made


def _single(rows: Sequence[BoardRow]) -> list[Scope]:
    """One scope per data set and form."""
    groups: dict[str, list[tuple[BoardRow, tuple[Curve, ...]]]] = defaultdict(list)
    for row in rows:
        for curve in row.curves:
            groups[dataset_id(curve)].append((row, (curve,)))
    made = []
    for name, members in sorted(groups.items()):
        (curve,) = members[0][1]
        label = curve.title if curve.form == "closed" else f"{curve.title} (open answers)"
        made.append(_scope(f"dataset-{name}", "dataset", label, (name,), _placed(members)))
    return made


def _placed(members: Sequence[tuple[BoardRow, tuple[Curve, ...]]]) -> list[Line]:
    """Lines of rows over the same data sets, ranked by interval unless their answers are open."""
    scores = [mean(curves, "area") for _, curves in members]
    known = [score for score in scores if score is not None]
    return [
        Line(
            row=row,
            curves=curves,
            score=score,
            drop=mean(curves, "worst_drop"),
            retention=mean(curves, "retention"),
            rank=rank(score, known) if score and curves[0].form == "closed" else None,
        )
        for (row, curves), score in zip(members, scores, strict=True)
    ]


def _scope(
    key: str, kind: Kind, label: str, datasets: tuple[str, ...], lines: Iterable[Line]
) -> Scope:
    return Scope(
        key=key, kind=kind, label=label, datasets=datasets, lines=tuple(sorted(lines, key=_order))
    )


def _order(line: Line) -> tuple[bool, int, float, str]:
    return (
        line.rank is None,
        line.rank or 0,
        -line.score.value if line.score else math.inf,
        line.row.key,
    )
