"""Siblings: rows that differ in training resolution, as a train x inference matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resolution_eval.board.board_schema import BoardRow, Curve, Estimate, fields
from resolution_eval.board.scopes import dataset_id
from resolution_eval.board.seed_recipes import alike
from resolution_eval.records.answer_table import resolution_order

DIGITS = 4
"""Decimals of a fraction: the fourth is beyond every interval's end, and keeps the files small."""
SIBLINGS = 12
"""Most rows of one train x inference matrix."""

Document = dict[str, Any]


def siblings(row: BoardRow, rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Rows of the same setting, step, base and size, this one included; of models trained from
    scratch, which have no base, those of one submitter.
    """
    kin = [each for each in rows if _kin(each) == _kin(row)]
    return [each for each in kin if alike(each.facts.parameters, row.facts.parameters)][:SIBLINGS]


def _kin(row: BoardRow) -> tuple[object, ...]:
    facts = row.facts
    maker = facts.base or f"from scratch by {facts.submitter}"
    return (maker, row.scheme, row.step, row.filter, row.mode)


def matrices(row: BoardRow, kin: Sequence[BoardRow]) -> list[Document]:
    """Per data set of the row, the siblings' accuracies: training by inference resolution."""
    made = []
    for mine in row.curves:
        curves = [
            (each, curve)
            for each in kin
            for curve in each.curves
            if dataset_id(curve) == dataset_id(mine)
        ]
        if len({curve.training for _, curve in curves}) > 1:
            names = resolutions([curve for _, curve in curves])
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
    return {
        **fields(row, "key", "variant"),
        **fields(row.facts, "title", "strategy"),
        "training": curve.training,
        "cells": [
            {
                "score": rounded(cells[name].accuracy),
                "status": cells[name].cell.status,
                "trained": name in curve.trained,
            }
            if name in cells
            else None
            for name in names
        ],
    }


def resolutions(curves: Sequence[Curve]) -> list[str]:
    """Every resolution of the curves, ascending, native last."""
    names = {point.resolution for curve in curves for point in curve.points}
    return sorted(names, key=resolution_order)


def rounded(estimate: Estimate | None) -> list[float] | None:
    """Value and interval as the pages read them."""
    if estimate is None:
        return None
    return [round(each, DIGITS) for each in (estimate.value, estimate.low, estimate.high)]
