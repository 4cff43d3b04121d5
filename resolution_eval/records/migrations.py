"""Migrations: documents and answers of older schema versions, turned into those of the present."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from resolution_eval.records.answer_table import GENERATIONS

Document = dict[str, Any]


def _second(document: Document) -> Document:
    """Version 2 from version 1: what version 1 did not say is null, and named in `unknown`."""
    checkpoint, dataset = _part(document, "checkpoint"), _part(document, "dataset")
    environment, controls = _part(document, "environment"), _part(document, "controls")
    parts = {
        "checkpoint": {
            **dict.fromkeys(("revision", "training_declared", "training_overridden")),
            **dict.fromkeys(("strategy", "training_data", "dtype")),
            **checkpoint,
        },
        "dataset": {
            **dict.fromkeys(("source", "revision_found", "loaded", "excluded_total")),
            "excluded": [],
            "notes": [],
            **dataset,
        },
        "controls": {**controls, "blind": []},
        "environment": {
            **dict.fromkeys(("platform", "processes", "peak_memory_of")),
            **environment,
            **dict.fromkeys(("hardware", "peak_memory", "samples_per_second")),
        },
    }
    return {
        **document,
        **parts,
        "shown": None,
        "cells": [{**cell, "generated_tokens": None, "cost": None} for cell in _cells(document)],
        "unknown": _unknown(parts),
    }


def _part(document: Document, name: str) -> Document:
    """An object of the document; of anything else an empty one, which the schema then refuses."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _cells(document: Document) -> list[Document]:
    value = document.get("cells")
    return [cell for cell in value if isinstance(cell, dict)] if isinstance(value, list) else []


def _unknown(parts: Mapping[str, Document]) -> list[str]:
    names = [
        f"{part}.{name}"
        for part, fields in parts.items()
        for name, value in fields.items()
        if (value is None or value == "unknown") and (part, name) != ("environment", "limit")
    ]
    return ["shown", *names, "controls.blind"]


MIGRATIONS: Mapping[int, Callable[[Document], Document]] = {1: _second, 2: dict}
"""From a schema version to a function that turns its document into that of the next version. That
of version 3 is the same as of version 2, whose answers lack the options shown."""


def migrated_answers(table: pa.Table) -> pa.Table:
    """The answers with the columns of the present schema, null where older ones had none."""
    for known in range(1, len(GENERATIONS)):
        if table.schema.equals(pa.schema([f for columns in GENERATIONS[:known] for f in columns])):
            for field in (f for columns in GENERATIONS[known:] for f in columns):
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table
