"""Documents: the board as the JSON that the pages read, split so that the first page is small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from resolution_eval import __version__
from resolution_eval.board.means import chance_of
from resolution_eval.board.published import PublishedRow
from resolution_eval.board.rows import Board
from resolution_eval.board.schema import STATUSES, BoardRow, Curve, Estimate, Point
from resolution_eval.board.site.answers import Sheet, sheet
from resolution_eval.board.site.scopes import Line, Scope, dataset_id, scopes
from resolution_eval.resolution import (
    TrainingResolution,
    ascending,
    label,
    parse_resolution,
)

FORMAT = 1
"""Of the data: another number where a reader of it would have to change."""
DIGITS = 4
"""Decimals of a fraction: the fourth is beyond every interval's end, and keeps the files small."""
SIBLINGS = 12
"""Most rows of one train x inference matrix."""
ALIKE = 1.05
"""Largest ratio of two siblings' numbers of parameters."""

Document = dict[str, Any]


def documents(board: Board, generated: str | None) -> Iterator[tuple[str, Any]]:
    """Every document, by its path under `data/`."""
    found = scopes(board.rows)
    yield "board.json", _board(board, found, generated)
    for scope in found:
        yield _file(scope), _ranking(scope)
    for row in board.rows:
        read = tuple(sheet(row, curve) for curve in row.curves)
        yield f"models/{row.key}.json", _model(row, read, _siblings(row, board.rows))
        for answers in read:
            yield from answers.pages()


def _file(scope: Scope) -> str:
    """A data set's ranking is its page's document too."""
    if scope.kind == "dataset":
        return f"datasets/{scope.datasets[0]}.json"
    return f"scopes/{scope.key}.json"


def _board(board: Board, found: Sequence[Scope], generated: str | None) -> Document:
    among = dict.fromkeys((row.scored_on for row in board.rows), 0)
    for row in board.rows:
        among[row.scored_on] += row.score is not None
    return {
        "format": FORMAT,
        "version": __version__,
        "generated": generated,
        "statuses": list(STATUSES),
        "meanings": STATUSES,
        "scopes": [
            {
                "key": scope.key,
                "kind": scope.kind,
                "label": scope.label,
                "file": _file(scope),
                "about": _about(scope),
            }
            for scope in found
        ],
        "datasets": [_dataset(scope) for scope in found if scope.kind == "dataset"],
        "rows": [{**_row(row), "among": among[row.scored_on]} for row in board.rows],
        "published": [_published(row) for row in board.published],
        "refused": [{"folder": each.folder, "reason": each.reason} for each in board.refused],
    }


def _about(scope: Scope) -> str:
    if scope.kind == "dataset":
        if scope.lines[0].curves[0].form == "open":
            return "Open answers, exact match: shown and not ranked."
        return "Score: mean accuracy over the data set's resolutions."
    count = len(scope.datasets)
    over = "1 data set" if count == 1 else f"{count} data sets"
    weights = "" if count == 1 else "; they weigh the same in a modality, then the modalities do"
    return f"Score: mean accuracy over the resolutions, over {over}{weights}."


def _dataset(scope: Scope) -> Document:
    curves = [line.curves[0] for line in scope.lines]
    first = curves[0]
    return {
        "id": scope.datasets[0],
        "file": _file(scope),
        "title": scope.label,
        "modality": first.modality,
        "chance": _figure(first.chance),
        "n": sorted({curve.n for curve in curves}),
        "resolutions": _resolutions(curves),
        "rows": len(curves),
        "licence": first.licence,
        "revision": first.record.dataset.revision,
        "citation": first.citation,
    }


def _resolutions(curves: Sequence[Curve]) -> list[str]:
    names = {point.resolution for curve in curves for point in curve.points}
    return sorted(names, key=lambda name: ascending(parse_resolution(name)))


def _row(row: BoardRow) -> Document:
    facts = row.facts
    contaminated = {dataset_id(curve) for curve in row.curves if curve.contaminated}
    unseen = {dataset_id(curve) for curve in row.curves if _unseen(curve)}
    return {
        "key": row.key,
        "title": facts.title,
        "variant": row.variant,
        "model": facts.model,
        "revision": facts.revision,
        "base": facts.base,
        "parameters": facts.parameters,
        "strategy": facts.strategy,
        "training": facts.training,
        "labels": list(facts.labels),
        "licence": facts.licence,
        "submitter": facts.submitter,
        "status": row.status,
        "scheme": row.scheme,
        "filter": row.filter,
        "mode": row.mode,
        "score": _estimate(row.score),
        "scored_on": list(row.scored_on),
        "rank": row.rank,
        "contaminated": sorted(contaminated),
        "blind_like": sorted(unseen),
        "claims": [
            [claim.task, claim.scheme, claim.resolution, _figure(claim.accuracy), claim.source]
            for claim in facts.claims
        ],
        "measured": bool(row.curves),
    }


def _unseen(curve: Curve) -> bool:
    """Whether the whole curve lies on the blind score: every interval holds it."""
    return bool(curve.points) and all(
        point.blind is not None
        and point.accuracy is not None
        and point.accuracy.low <= point.blind.accuracy <= point.accuracy.high
        for point in curve.points
    )


def _published(row: PublishedRow) -> Document:
    source = row.source
    return {
        "key": row.key,
        "model": row.model,
        "kind": row.kind,
        "strategy": row.strategy,
        "cells": [
            {
                "dataset": cell.dataset,
                "card": cell.card,
                "resolution": cell.resolution,
                "accuracy": _figure(cell.accuracy),
            }
            for cell in row.cells
        ],
        "source": {
            "title": source.title,
            "authors": source.authors,
            "venue": source.venue,
            "url": source.url,
            "note": source.note,
        },
    }


def _ranking(scope: Scope) -> Document:
    first = scope.lines[0].curves
    single = scope.kind == "dataset"
    return {
        "key": scope.key,
        "datasets": list(scope.datasets),
        "chance": _figure(chance_of(first)),
        "resolutions": _resolutions([line.curves[0] for line in scope.lines]) if single else [],
        "rows": [_line(line, single) for line in scope.lines],
    }


def _line(line: Line, single: bool) -> Document:
    tokens = [point.tokens for curve in line.curves for point in curve.points]
    known = [value for value in tokens if value is not None]
    found: Document = {
        "key": line.row.key,
        "rank": line.rank,
        "score": _estimate(line.score),
        "drop": _estimate(line.drop),
        "retention": _estimate(line.retention),
        "tokens": round(sum(known) / len(known), 1)
        if known and len(known) == len(tokens)
        else None,
        "withheld": "; ".join(curve.withheld for curve in line.curves if curve.withheld) or None,
    }
    if single:
        (curve,) = line.curves
        found |= {
            "reference": curve.reference,
            "speed": _rounded(curve.throughput),
            "claimed": _overclaim(curve.points),
            "cells": [_cell(point) for point in curve.points],
        }
    return found


def _overclaim(points: Sequence[Point]) -> float | None:
    """Claimed minus measured accuracy, where they are farthest apart; None without a claim."""
    differences = [
        point.claimed - point.accuracy.value
        for point in points
        if point.claimed is not None and point.accuracy is not None
    ]
    return _figure(max(differences, key=abs, default=None))


def _cell(point: Point) -> Document:
    return {
        "r": point.resolution,
        "edge": point.edge,
        "score": _estimate(point.accuracy),
        "scored": point.scored,
        "status": point.status,
        "tokens": _rounded(point.tokens),
        "speed": _rounded(point.throughput),
        "blind": point.blind and [_figure(point.blind.accuracy), point.blind.n, point.blind.kind],
    }


def _full_cell(point: Point) -> Document:
    return {
        **_cell(point),
        "n": point.n,
        "failed": point.failed,
        "missing": point.missing,
        "mismatched": point.mismatched,
        "unattested": point.unattested,
        "capped": point.capped,
        "asked": point.expected_grid,
        "grid": point.grid,
        "grids": point.grids,
        "claimed": _figure(point.claimed),
        "repeat": point.repeat
        and [point.repeat.n, point.repeat.agreeing, _figure(point.repeat.accuracy)],
        "evidence": list(point.evidence),
    }


def _model(row: BoardRow, read: Sequence[Sheet], siblings: Sequence[BoardRow]) -> Document:
    facts = row.facts
    return {
        "key": row.key,
        "training_evidence": facts.training_evidence,
        "training_evidence_url": facts.training_evidence_url,
        "trained_on": list(facts.trained_on),
        "base_trained_on": list(facts.base_trained_on),
        "submitted": facts.submitted.isoformat(),
        "curves": [_curve(curve, answers) for curve, answers in zip(row.curves, read, strict=True)],
        "matrices": _matrices(row, siblings),
    }


def _curve(curve: Curve, answers: Sheet) -> Document:
    return {
        "id": dataset_id(curve),
        "dataset": dataset_id(curve),
        "dataset_file": f"{dataset_id(curve)}.json",
        "title": curve.title if curve.form == "closed" else f"{curve.title} (open answers)",
        "modality": curve.modality,
        "task": curve.task,
        "form": curve.form,
        "reference": curve.reference,
        "chance": _figure(curve.chance),
        "contaminated": curve.contaminated,
        "withheld": curve.withheld,
        "area": _estimate(curve.area),
        "drop": _estimate(curve.worst_drop),
        "retention": _estimate(curve.retention),
        "n": curve.n,
        "clusters": curve.clusters,
        "hardware": curve.hardware,
        "peak_memory": curve.peak_memory,
        "speed": _rounded(curve.throughput),
        "versions": [list(pair) for pair in curve.versions],
        "date": curve.date,
        "record": "/".join(curve.record_path.parts[-3:]),
        "record_sha256": curve.record_sha256,
        "cells": [_full_cell(point) for point in curve.points],
        "answers": answers.summary(),
    }


def _siblings(row: BoardRow, rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Rows of the same setting and base and of its size, this one included.

    Models trained from scratch have no base: their submitter is to be the same. A position table
    for another grid makes a few parameters more or less.
    """
    kin = [each for each in rows if _kin(each) == _kin(row)]
    return [each for each in kin if _alike(each.facts.parameters, row.facts.parameters)][:SIBLINGS]


def _kin(row: BoardRow) -> tuple[object, ...]:
    facts = row.facts
    maker = facts.base or f"from scratch by {facts.submitter}"
    return (maker, row.scheme, row.filter, row.mode)


def _alike(one: int | None, other: int | None) -> bool:
    if one is None or other is None:
        return one is other
    return max(one, other) <= ALIKE * min(one, other)


def _matrices(row: BoardRow, siblings: Sequence[BoardRow]) -> list[Document]:
    """Per data set of the row, the siblings' accuracies: training by inference resolution."""
    made = []
    for mine in row.curves:
        curves = [
            (each, curve)
            for each in siblings
            for curve in each.curves
            if dataset_id(curve) == dataset_id(mine)
        ]
        if len({curve.training for _, curve in curves}) > 1:
            names = _resolutions([curve for _, curve in curves])
            made.append(
                {
                    "title": mine.title,
                    "resolutions": names,
                    "rows": [_matrix_row(each, curve, names) for each, curve in curves],
                }
            )
    return made


def _matrix_row(row: BoardRow, curve: Curve, names: Sequence[str]) -> Document:
    cells = {point.resolution: point for point in curve.points}
    trained = {label(member) for member in TrainingResolution.parse(curve.training).members}
    return {
        "key": row.key,
        "title": row.facts.title,
        "variant": row.variant,
        "training": curve.training,
        "strategy": row.facts.strategy,
        "cells": [
            {
                "score": _estimate(cells[name].accuracy),
                "status": cells[name].status,
                "trained": name == curve.reference or name in trained,
            }
            if name in cells
            else None
            for name in names
        ],
    }


def _estimate(estimate: Estimate | None) -> list[float] | None:
    if estimate is None:
        return None
    return [round(each, DIGITS) for each in (estimate.value, estimate.low, estimate.high)]


def _figure(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _rounded(value: float | None) -> float | None:
    """Two decimals, and of a small number three digits: a slow model does not stand still."""
    return None if value is None else float(f"{value:.3g}") if value < 1 else round(value, 2)
