"""A board whose every text tries to act: script, quotes, bidi and control characters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from pydantic import BaseModel

from resolution_eval.board.board_schema import BoardRow, Curve, Point, Refusal
from resolution_eval.board.published_figures import PublishedRow
from resolution_eval.board.rows import Board
from resolution_eval.board.scopes import Scope, dataset_id
from resolution_eval.records import Answers, Record
from resolution_eval.records.answer_table import SCHEMA

HOSTILE = (
    '<script>window.owned=1</script><img src=x onerror="window.owned=1">\'"`--></script>'
    "\u202eright\u2066\x07\x1b[31m\u0000${window.owned=1}{{ 7*7 }}"
)
SHOWN = '<script>window.owned=1</script><img src=x onerror="window.owned=1">\'"`--></script>'
"""What of it a reader sees as it is."""

KEPT = {
    "key",
    "status",
    "scheme",
    "filter",
    "mode",
    "form",
    "answer_mode",
    "resolution",
    "reference",
    "trained",
    "choice",
    "budgets",
}
"""Fields that are not free text: made by us, or of a closed set that the records' schema checks."""
STRUCTURAL = {"resolution", "scheme", "filter", "answer_mode", "form", "status"}
"""Columns of the answers that are of a closed set too."""


def hostile(board: Board) -> Board:
    """The board with `HOSTILE` and a number in place of each text."""
    numbers = iter(range(10**9))
    rows = {row.key: _row(row, numbers) for row in board.rows}
    return Board(
        rows=tuple(rows.values()),
        scopes=tuple(_scope(scope, rows) for scope in board.scopes),
        published=tuple(_changed(row, numbers) for row in board.published),
        refused=(Refusal(HOSTILE, HOSTILE),),
    )


def _scope(scope: Scope, rows: dict[str, BoardRow]) -> Scope:
    """The list with its hostile rows, whose data sets have the identifiers of their names."""
    lines = []
    for line in scope.lines:
        mine = tuple(rows[row.key] for row in line.rows)
        curves = tuple(tuple(_twin(curve, mine) for curve in runs) for runs in line.curves)
        lines.append(replace(line, rows=mine, curves=curves, why=line.why and HOSTILE))
    ids = tuple(dataset_id(runs[0]) for runs in lines[0].curves)
    return replace(scope, label=HOSTILE, datasets=ids, lines=tuple(lines))


def _twin(curve: Curve, rows: tuple[BoardRow, ...]) -> Curve:
    found = (each for row in rows for each in row.curves)
    return next(each for each in found if each.record_sha256.endswith(curve.record_sha256))


def _row(row: BoardRow, numbers: Iterator[int]) -> BoardRow:
    curves = tuple(_curve(curve, numbers) for curve in row.curves)
    facts = _changed(row.facts, numbers).model_copy(
        update={"training_evidence_url": "javascript:window.owned=1"}
    )
    return replace(row, facts=facts, curves=curves, variant=HOSTILE)


def _curve(curve: Curve, numbers: Iterator[int]) -> Curve:
    bare = {
        name: _changed(getattr(curve, name), numbers)
        for name in (f.name for f in fields(curve))
        if name
        not in KEPT | {"record", "record_path", "dataset", "points", "figures", "record_sha256"}
    }
    return replace(
        curve,
        **{**bare, "withheld": HOSTILE, "contaminated": HOSTILE},
        record_sha256=f"{HOSTILE}{curve.record_sha256}",
        points=tuple(_point(point) for point in curve.points),
        dataset=f"{HOSTILE}{curve.dataset}",
        record=hostile_record(curve.record, numbers),
        record_path=curve.record_path.with_name("<b>.record.json"),
    )


def _point(point: Point) -> Point:
    cell = point.cell.model_copy(update={"evidence": (HOSTILE,)})
    blind = point.blind and point.blind.model_copy(update={"kind": HOSTILE})
    return replace(point, cell=cell, blind=blind)


def hostile_record(record: Record, numbers: Iterator[int]) -> Record:
    """The record with `HOSTILE` in place of each text, in its answers too."""
    texts = [f.name for f in SCHEMA if str(f.type) == "string" and f.name not in STRUCTURAL]
    rows = [
        {**row, **{n: f"{HOSTILE}{row[n]}" for n in texts if row[n] is not None}}
        for row in record.answers.rows()
    ]
    changed: Record = _changed(record, numbers)
    return changed.model_copy(update={"answers": Answers.from_rows(rows)})


def _changed(value: Any, numbers: Iterator[int], name: str = "") -> Any:
    if name in KEPT:
        return value
    if isinstance(value, str):
        return f"{HOSTILE}{next(numbers)}"
    if isinstance(value, dict):
        return {f"{HOSTILE}{key}": _changed(each, numbers) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_changed(each, numbers) for each in value)
    if isinstance(value, BaseModel):
        names = [n for n in type(value).model_fields if n not in ("answers", "cells")]
        return value.model_copy(update={n: _changed(getattr(value, n), numbers, n) for n in names})
    if is_dataclass(value) and not isinstance(value, type):
        found = {f.name: _changed(getattr(value, f.name), numbers, f.name) for f in fields(value)}
        return replace(value, **found)
    return value


def published_row() -> PublishedRow:
    """One row of a paper, for boards that have no file of them."""
    return PublishedRow.model_validate(
        {
            "key": "paper-1",
            "model": "classifier",
            "kind": "image classifier",
            "strategy": "native",
            "cells": [
                {
                    "dataset": "PathMNIST",
                    "card": "pathmnist",
                    "resolution": "28",
                    "accuracy_percent": 80.75,
                }
            ],
            "source": {
                "title": "A paper",
                "authors": "Somebody",
                "venue": "Somewhere 2025",
                "url": "https://example.org/paper",
                "note": "Figures for a test.",
            },
        }
    )
