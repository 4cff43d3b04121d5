"""A board whose every text tries to act: script, quotes, bidi and control characters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from pydantic import BaseModel

from resolution_eval.board import Board, BoardRow, Curve, PublishedRow, Refused
from resolution_eval.records import Answers, Record
from resolution_eval.records.answers import SCHEMA

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
}
"""Fields that are not free text: made by us, or of a closed set that the records' schema checks."""
STRUCTURAL = {"resolution", "scheme", "filter", "answer_mode", "form", "status"}
"""Columns of the answers that are of a closed set too."""


def hostile(board: Board) -> Board:
    """The board with `HOSTILE` and a number in place of each text."""
    numbers = iter(range(10**9))
    rows = tuple(_row(row, numbers) for row in board.rows)
    published = tuple(_changed(row, numbers) for row in board.published)
    return Board(rows=rows, published=published, refused=(Refused(HOSTILE, HOSTILE),))


def _row(row: BoardRow, numbers: Iterator[int]) -> BoardRow:
    curves = tuple(_curve(curve, numbers) for curve in row.curves)
    facts = _changed(row.facts, numbers).model_copy(
        update={"training_evidence_url": "javascript:window.owned=1"}
    )
    names = tuple(f"{HOSTILE}{name}" for name in row.scored_on)
    return replace(row, facts=facts, curves=curves, variant=HOSTILE, scored_on=names)


def _curve(curve: Curve, numbers: Iterator[int]) -> Curve:
    bare = {
        name: _changed(getattr(curve, name), numbers)
        for name in (f.name for f in fields(curve))
        if name not in KEPT | {"record", "record_path", "dataset"}
    }
    return replace(
        curve,
        **{**bare, "withheld": HOSTILE, "contaminated": HOSTILE, "hardware": HOSTILE},
        dataset=f"{HOSTILE}{curve.dataset}",
        record=hostile_record(curve.record, numbers),
        record_path=curve.record_path.with_name("<b>.record.json"),
    )


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
