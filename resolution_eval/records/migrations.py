"""Migrations: documents and answers of older schema versions, turned into those of the present."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from resolution_eval.records.answer_table import SCHEMA

Document = dict[str, Any]

LATER_COLUMNS = (
    ("tiles", "blind", "adapter", "generated_tokens", "seconds", "peak_memory"),
    ("judge", "judge_model", "judged", "judge_failure"),
    ("options",),
    (
        *("sent_width", "sent_height", "sent_format", "sent_bytes", "sent_sha256", "rule"),
        *("predicted_width", "predicted_height", "predicted_least", "predicted_most"),
        *("counted_tokens", "counted_by", "server_model", "server_fingerprint", "attempts"),
    ),
    ("detail",),
    ("images",),
    ("microns_across", "microns_down"),
)
"""Columns that the answers did not have from the start, in the order in which they came: with
version 2, within it, with version 3, and within that: of samples that a server answered, of what
had to be seen, of several images, and of slides in µm per pixel."""


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


def _third(document: Document) -> Document:
    """Version 3 from version 2: the document is the same, its answers lack the options shown."""
    return document


MIGRATIONS: Mapping[int, Callable[[Document], Document]] = {1: _second, 2: _third}
"""From a schema version to a function that turns its document into that of the next version."""


def migrated_answers(table: pa.Table) -> pa.Table:
    """The answers with the columns of the present schema, null where older ones had none."""
    for known in range(len(LATER_COLUMNS)):
        absent = [name for columns in LATER_COLUMNS[known:] for name in columns]
        if table.schema.equals(pa.schema([f for f in SCHEMA if f.name not in absent])):
            for name in absent:
                field = SCHEMA.field(name)
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table
