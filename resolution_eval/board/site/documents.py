"""Documents: the board as the JSON that the pages read, split so that the first page is small."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import takewhile
from typing import Any

from resolution_eval.board.board_schema import STATUSES, BoardRow, Budget, Curve, Point, fields
from resolution_eval.board.published_figures import PublishedRow
from resolution_eval.board.record_scores import BUDGETS
from resolution_eval.board.rows import Board
from resolution_eval.board.scopes import (
    RankLine,
    Scope,
    dataset_id,
    setting_of,
    single_title,
    standing,
)
from resolution_eval.board.site.answer_files import Sheet, sheet
from resolution_eval.board.site.siblings import DIGITS, matrices, resolutions, rounded, siblings
from resolution_eval.evidence.ladder import STEPS
from resolution_eval.resolution import NATIVE
from resolution_eval.statistics.intervals import Interval

FORMAT = 2
"""Of the data: another number where a reader of it would have to change."""
Document = dict[str, Any]


def documents(board: Board, generated: str | None) -> Iterator[tuple[str, Any]]:
    """Every document, by its path under `data/`."""
    yield "board.json", _board(board, generated)
    for scope in board.scopes:
        yield _file(scope), _ranking(scope)
    for row in board.rows:
        read = tuple(sheet(row, curve) for curve in row.curves)
        yield f"models/{row.key}.json", _model(row, read, siblings(row, board.rows))
        for answers in read:
            yield from answers.pages()


def _file(scope: Scope) -> str:
    """A data set's list is its page's document too."""
    folder = "datasets" if scope.kind == "dataset" else "scopes"
    return f"{folder}/{scope.key.removeprefix('dataset-')}.json"


def _board(board: Board, generated: str | None) -> Document:
    return {
        "format": FORMAT,
        "version": version("resolution-eval"),
        "generated": generated,
        "statuses": list(STATUSES),
        "meanings": STATUSES,
        "steps": STEPS,
        "budgets": list(BUDGETS),
        "scopes": [
            {
                **fields(scope, "key", "kind", "label", "scheme", "step"),
                "file": _file(scope),
                "about": _about(scope),
            }
            for scope in board.scopes
        ],
        "datasets": _datasets(board.scopes),
        "rows": [_row(row, board.scopes) for row in board.rows],
        "published": [_published(row) for row in board.published],
        "refused": [fields(each, "folder", "reason") for each in board.refused],
    }


def _about(scope: Scope) -> str:
    if scope.lines[0].curves[0][0].form == "open":
        return "Open answers, exact match: shown and not ranked."
    count = len(scope.datasets)
    over = "" if count == 1 else f", mean over {count} data sets"
    weights = "" if count == 1 else "; they weigh the same in a modality, then the modalities do"
    return (
        "Score: the part of what can be gained by looking that is gained, mean over the "
        f"resolutions{over}{weights}. 0 is what is scored without the image, 1 is all right."
    )


def _datasets(lists: Sequence[Scope]) -> list[Document]:
    """One entry per data set and form, with its list under each scheme and step."""
    made: dict[str, Document] = {}
    for scope in lists:
        if scope.kind != "dataset":
            continue
        curves = [curve for line in scope.lines for curve in line.curves[0]]
        entry = made.setdefault(scope.datasets[0], _dataset(scope, curves))
        entry["lists"].append([scope.setting, _file(scope), scope.key])
        entry["n"] = sorted({*entry["n"], *(curve.n for curve in curves)})
        entry["rows"] += len(curves)
    return list(made.values())


def _dataset(scope: Scope, curves: Sequence[Curve]) -> Document:
    first = curves[0]
    return {
        "id": scope.datasets[0],
        "lists": [],
        "title": single_title(first),
        **fields(first, "modality", "licence", "citation"),
        "chance": _figure(first.chance),
        "n": [],
        "resolutions": resolutions(curves),
        "native": next(
            (p.edge for curve in curves for p in curve.points if p.resolution == NATIVE), None
        ),
        "rows": 0,
        "revision": first.record.dataset.revision,
    }


def _row(row: BoardRow, lists: Sequence[Scope]) -> Document:
    facts = row.facts
    contaminated = {dataset_id(curve) for curve in row.curves if curve.contaminated}
    unseen = {dataset_id(curve) for curve in row.curves if curve.looks is False}
    return {
        **fields(row, "key", "variant", "status", "scheme", "step", "filter", "mode"),
        **fields(facts, "title", "model", "revision", "base", "parameters", "strategy"),
        **fields(facts, "training", "recipe", "labels", "licence", "submitter"),
        "list": setting_of(row.scheme, row.step),
        "standing": _standing(row, lists),
        "contaminated": sorted(contaminated),
        "blind_like": sorted(unseen),
        "claims": [
            [claim.task, claim.scheme, claim.resolution, _figure(claim.accuracy), claim.source]
            for claim in facts.claims
        ],
        "measured": bool(row.curves),
    }


def _standing(row: BoardRow, lists: Sequence[Scope]) -> Document | None:
    """Where the row stands first, and the other runs that stand there with it."""
    place = standing(lists, row)
    if place is None:
        return None
    scope, line = place
    return {
        "scope": scope.key,
        "label": scope.label,
        "of": scope.ranked,
        **fields(line, "rank", "why"),
        "score": rounded(line.score),
        "runs": [each.key for each in line.rows],
    }


def _published(row: PublishedRow) -> Document:
    cells = [
        {**fields(cell, "dataset", "card", "resolution"), "accuracy": _figure(cell.accuracy)}
        for cell in row.cells
    ]
    return {
        **fields(row, "key", "model", "kind", "strategy"),
        "cells": cells,
        "source": row.source.model_dump(),
    }


def _ranking(scope: Scope) -> Document:
    single = scope.kind == "dataset"
    every = [curve for line in scope.lines for curve in line.curves[0]]
    return {
        "key": scope.key,
        "datasets": list(scope.datasets),
        "chance": _figure(every[0].chance) if single else None,
        "resolutions": resolutions(every) if single else [],
        "rows": [_line(line, single) for line in scope.lines],
    }


def _line(line: RankLine, single: bool) -> Document:
    every = [curve for runs in line.curves for curve in runs]
    tokens = [point.tokens for curve in every for point in curve.points]
    known = [value for value in tokens if value is not None]
    document: Document = {
        "key": line.key,
        "title": shared_title([row.facts.title for row in line.rows]),
        "runs": [row.key for row in line.rows],
        "status": min((row.status for row in line.rows), key=list(STATUSES).index),
        **fields(line, "place", "rank", "why"),
        **{name: rounded(getattr(line, name)) for name in ("score", "area", "drop")},
        "tokens": round(sum(known) / len(known), 1)
        if known and len(known) == len(tokens)
        else None,
        "failed": max(curve.failed for curve in every),
    }
    return document | _alone(line) if single else document


def shared_title(titles: Sequence[str]) -> str:
    """What the titles begin with alike, up to what counts the runs; of one, the title.

    Example:
        >>> shared_title(["cells, mixed, seed 0", "cells, mixed, seed 1"])
        'cells, mixed'
    """
    if len(titles) == 1:
        return titles[0]
    letters = takewhile(lambda each: len(set(each)) == 1, zip(*titles, strict=False))
    alike = "".join(each[0] for each in letters).rstrip(" ,;:-–·(")
    return re.sub(r"[\s,;:·(–-]*\b(seed|run)$", "", alike, flags=re.IGNORECASE) or titles[0]


def _alone(line: RankLine) -> Document:
    """What a line has on one data set."""
    runs = line.curves[0]
    first, speeds = runs[0], [speed for each in runs if (speed := each.run.samples_per_second)]
    points = zip(first.points, line.accuracies, strict=True)
    return {
        **fields(first, "reference", "trained", "floor"),
        "speed": _rounded(sum(speeds) / len(speeds)) if len(speeds) == len(runs) else None,
        "hardware": _hardware(runs),
        "claimed": _overclaim([point for run in runs for point in run.points]),
        "budgets": [_budget(each) for each in line.budgets],
        **_choice(runs),
        "seen": seen_sizes(runs),
        "cells": [{**_cell(point), "score": rounded(mean)} for point, mean in points],
    }


def seen_sizes(runs: Sequence[Curve]) -> list[dict[str, Any]]:
    """Of every run whose answers say what had to be seen: the kind of thing, and per resolution the
    size in pixels of the stored image, and at the encoder, at which half is seen.
    """
    return [sizes for run in runs if (sizes := _of_run(run)) is not None]


def _of_run(run: Curve) -> dict[str, Any] | None:
    if run.sizes is None:
        return None
    kind = run.sizes.main
    cells = {
        cell.resolution: {
            "said": cell.unseen or _beyond(kind.threshold(cell.resolution)),
            "size": _ends(kind.threshold(cell.resolution)),
            "encoder": _ends(kind.at_encoder(cell.resolution)),
        }
        for cell in kind.cells
    }
    return {"kind": kind.kind, "cells": cells}


def _beyond(size: Interval | None) -> str | None:
    """What stands in place of a size beyond those that were shown."""
    if size is None or 0 < size.estimate < math.inf:
        return None
    return "below the smallest" if size.estimate == 0 else "not reached"


def _ends(size: Interval | None) -> list[float | None] | None:
    """Estimate and interval; None for an end beyond the largest that was shown."""
    if size is None:
        return None
    ends = (size.estimate, size.low, size.high)
    return [round(end, DIGITS) if math.isfinite(end) else None for end in ends]


def _hardware(runs: Sequence[Curve]) -> str | None:
    """What all runs ran on; None where that is unknown or differs."""
    summaries = {run.run.hardware.summary if run.run.hardware else None for run in runs}
    return summaries.pop() if len(summaries) == 1 else None


def _budget(budget: Budget) -> list[Any]:
    return [budget.most, budget.resolution, round(budget.tokens), rounded(budget.accuracy)]


def _choice(runs: Sequence[Curve]) -> Document:
    """The resolution that is enough for every run; none where one run shows none."""
    order = [point.resolution for point in runs[0].points]
    unshown = next((run for run in runs if run.choice is None), None)
    if unshown is not None:
        return {"choice": None, "choice_why": unshown.choice_why, "robust": False}
    largest = max(runs, key=lambda run: order.index(run.choice or ""))
    return {
        "choice": largest.choice,
        "choice_why": largest.choice_why,
        "robust": all(run.robust for run in runs),
    }


def _overclaim(points: Sequence[Point]) -> float | None:
    """Claimed minus measured accuracy, where they are farthest apart; None without a claim."""
    differences = [
        point.claimed - point.accuracy.value
        for point in points
        if point.claimed is not None and point.accuracy is not None
    ]
    return _figure(max(differences, key=abs, default=None))


def _cell(point: Point) -> Document:
    blind = point.blind
    return {
        "r": point.resolution,
        "edge": point.edge,
        "score": rounded(point.accuracy),
        **fields(point.cell, "scored", "status", "step"),
        "probed": point.probed,
        "tokens": _rounded(point.tokens),
        "speed": _rounded(point.throughput),
        "blind": blind and [_figure(blind.accuracy), blind.n - blind.failed, blind.kind],
    }


def _full_cell(point: Point) -> Document:
    cell = point.cell
    return {
        **_cell(point),
        **fields(cell, "n", "failed", "missing", "mismatched"),
        **fields(cell, "counted", "predicted", "unattested", "capped", "evidence"),
        "asked": point.expected_grid,
        "grid": point.grid,
        "grids": len(cell.grids),
        "claimed": _figure(point.claimed),
        "repeat": point.repeat
        and [
            point.repeat.n,
            point.repeat.agreeing,
            _figure(point.repeat.accuracy),
            _figure(point.repeat.flips.within),
        ],
    }


def _model(row: BoardRow, read: Sequence[Sheet], kin: Sequence[BoardRow]) -> Document:
    facts = row.facts
    return {
        "key": row.key,
        **fields(facts, "training_evidence", "training_evidence_url"),
        **fields(facts, "trained_on", "base_trained_on"),
        "submitted": facts.submitted.isoformat(),
        "curves": [_curve(curve, answers) for curve, answers in zip(row.curves, read, strict=True)],
        "matrices": matrices(row, kin),
    }


def _curve(curve: Curve, answers: Sheet) -> Document:
    return {
        "id": dataset_id(curve),
        "dataset": dataset_id(curve),
        "dataset_file": f"{dataset_id(curve)}.json",
        "title": single_title(curve),
        **fields(curve, "modality", "task", "form", "reference", "trained", "floor"),
        **fields(
            curve, "contaminated", "withheld", "said", "looks", "n", "clusters", "record_sha256"
        ),
        **fields(curve.run, "peak_memory", "date"),
        "hardware": curve.run.hardware and curve.run.hardware.summary,
        "versions": sorted(curve.run.versions.items()),
        "chance": _figure(curve.chance),
        **{name: rounded(getattr(curve, name)) for name in ("score", "area", "retention")},
        "drop": rounded(curve.best_drop),
        "worst": rounded(curve.worst_drop),
        "budgets": [_budget(each) for each in curve.budgets],
        **_choice([curve]),
        "speed": _rounded(curve.run.samples_per_second),
        "record": "/".join(curve.record_path.parts[-3:]),
        "cells": [_full_cell(point) for point in curve.points],
        "answers": answers.summary(),
    }


def _figure(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _rounded(value: float | None) -> float | None:
    """Two decimals, and of a small number three digits: a slow model does not stand still."""
    return None if value is None else float(f"{value:.3g}") if value < 1 else round(value, 2)
