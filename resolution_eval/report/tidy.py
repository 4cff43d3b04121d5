"""Tidy: one table of all cells, an observation a row, as pandas and other programs read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from resolution_eval.analysis import CurveFigures
from resolution_eval.analysis.curve import CellFigures
from resolution_eval.analysis.headline import headline
from resolution_eval.ground.tables import csv_text, inert
from resolution_eval.report.content import status
from resolution_eval.statistics.curves import Withheld

COLUMNS = (
    *("checkpoint", "task", "r", "scheme", "accuracy", "low", "high", "n", "tokens", "status"),
)
"""`r` is a number of pixels or `native`; `low` and `high` are the ends of the 95 % interval; `n`
are samples with a verdict; `tokens` are the visual tokens of one, on average; what nobody
knows is empty (null)."""


def identity_of(curve: CurveFigures) -> dict[str, str]:
    """The curve's name, unique among those shown together, what was scored, and on what."""
    record = curve.sweep.record
    return {"curve": curve.name, "checkpoint": record.label, "task": record.task}


def cell_row(curve: CurveFigures, figures: CellFigures) -> dict[str, Any]:
    """What is known of a cell, by columns of `frames.cell_frame`; or why there is no accuracy."""
    cell, accuracy = figures.cell, figures.accuracy
    row = {
        **identity_of(curve),
        "r": cell.resolution,
        "scheme": cell.scheme,
        "filter": cell.filter,
        "answer_mode": cell.answer_mode,
        "n": cell.scored,
        "failed": cell.failed,
        "missing": cell.missing,
        "tokens": figures.tokens,
        "status": status(cell),
        "step": cell.step,
    }
    if isinstance(accuracy, Withheld):
        return row | {"withheld": accuracy.reason}
    return row | {"accuracy": accuracy.estimate, "low": accuracy.low, "high": accuracy.high}


def as_tidy_csv(curves: Sequence[CurveFigures]) -> str:
    """The cells as comma-separated values; no text in it is a spreadsheet's formula."""
    lines = [[*map(_safe, row.values())] for row in _rows(curves)]
    return csv_text([COLUMNS, *lines]).rstrip("\n")


def as_tidy_json(curves: Sequence[CurveFigures]) -> str:
    """The cells, and what each curve says."""
    said = [
        {
            "checkpoint": curve.name,
            "task": curve.sweep.record.task,
            "scheme": curve.sweep.setting[0],
            "kind": conclusion.kind,
            "sentence": conclusion.sentence,
            "notes": list(conclusion.notes),
            "chosen": curve.chosen if conclusion.readable else None,
            "floor": curve.floor.value,
        }
        for curve in curves
        for conclusion in [headline(curve)]
    ]
    return json.dumps({"curves": said, "cells": list(_rows(curves))}, indent=2)


def _rows(curves: Sequence[CurveFigures]) -> Iterator[dict[str, Any]]:
    for curve in curves:
        for each in curve.cells:
            row = cell_row(curve, each) | {"checkpoint": curve.name}
            yield {name: row.get(name) for name in COLUMNS}


def _safe(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.10g}"
    return inert(value) if isinstance(value, str) else value


TIDY = {"csv": as_tidy_csv, "json": as_tidy_json}
"""Forms of one tidy table, by name."""
