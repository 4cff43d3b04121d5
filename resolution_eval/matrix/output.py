"""What a matrix leaves behind: matrix.json, a table like the paper's, and a heat map."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from resolution_eval.files import replace
from resolution_eval.matrix.cells import Matrix, Scored
from resolution_eval.matrix.checkpoints import PAPER
from resolution_eval.matrix.gaps import GapFigure, gap_figures
from resolution_eval.matrix.heatmap import heat_map
from resolution_eval.records import Record
from resolution_eval.report.matrix import GAPS
from resolution_eval.report.tables import Column, Entry, Table, as_markdown, entry
from resolution_eval.report.task_tables import figure_entry
from resolution_eval.resolution import label
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.gaps import INFER

FORMAT = 1
POINTS = 100
"""Percentage points in a whole."""


def write_matrix(matrix: Matrix, output: Path) -> tuple[Path, ...]:
    """Write matrix.json, matrix.md, and the heat map as SVG, PNG and HTML into `output`."""
    output.mkdir(parents=True, exist_ok=True)
    figures = gap_figures(matrix)
    drawn = heat_map(matrix)
    texts: Mapping[str, bytes] = {
        "matrix.json": json.dumps(document(matrix, figures), indent=2, allow_nan=False).encode(),
        "matrix.md": as_markdown(matrix_tables(matrix, figures)).encode(),
        **{f"heatmap.{kind}": content for kind, content in drawn.items()},
    }
    for name, content in texts.items():
        replace(output / name, content + (b"" if name.endswith(".png") else b"\n"))
    return tuple(output / name for name in texts)


def document(matrix: Matrix, figures: Sequence[GapFigure]) -> dict[str, Any]:
    """The matrix as JSON; its `cells` are what `resolution-eval gaps` reads."""
    first = next(iter(matrix.records.values()))[0]
    cells = [_cell(matrix, trained, at, found) for (trained, at), found in matrix.cells.items()]
    return {
        "format": FORMAT,
        "task": first.task,
        "data_fingerprint": first.dataset.fingerprint,
        "low": label(matrix.low),
        "native": label(matrix.native),
        "mixed_inference": "half of the samples at low, by SHA-256 of their id; the rest at native",
        "checkpoints": {
            strategy: [_checkpoint(record) for record in records]
            for strategy, records in matrix.records.items()
        },
        "cells": [cell for cell in cells if cell["train"] in PAPER and cell["infer"] in INFER],
        "further_cells": [
            cell for cell in cells if cell["train"] not in PAPER or cell["infer"] not in INFER
        ],
        "gaps": [_gap(figure) for figure in figures],
    }


def _checkpoint(record: Record) -> dict[str, Any]:
    return {
        "name": record.checkpoint.name,
        "declared": record.checkpoint.training,
        "adapter": record.checkpoint.adapter,
        "date": record.environment.date,
        "versions": record.environment.versions,
        "hardware": record.environment.hardware and record.environment.hardware.summary,
    }


def _cell(matrix: Matrix, trained: str, at: str, found: Scored | Withheld) -> dict[str, Any]:
    record = matrix.records[trained][0]
    cell: dict[str, Any] = {
        "model": record.checkpoint.adapter or "unknown",
        "dataset": record.task,
        "train": trained,
        "infer": at,
    }
    if isinstance(found, Withheld):
        return {**cell, "withheld": found.reason}
    return {
        **cell,
        "accuracy_percent": POINTS * found.interval.estimate,
        "interval_percent": [POINTS * found.interval.low, POINTS * found.interval.high],
        "n": found.interval.n,
        "clusters": found.interval.clusters,
        "per_seed_percent": [POINTS * value for value in found.per_seed],
        "visual_tokens": found.visual_tokens,
    }


def _gap(figure: GapFigure) -> dict[str, Any]:
    (first, second), value = figure.cells, figure.value
    shared = {
        "name": figure.name,
        "strategy": figure.strategy,
        "unit": "ratio" if figure.name == "mixed_retention" else "fraction",
        "cells": ["->".join(first), "->".join(second)],
        "sign": figure.sign,
    }
    if isinstance(value, Withheld):
        return {**shared, "withheld": value.reason}
    return {
        **shared,
        **asdict(value),
        "per_seed": list(figure.per_seed),
        "spread": figure.spread,
    }


def matrix_tables(matrix: Matrix, figures: Sequence[GapFigure]) -> tuple[Table, Table]:
    """The table of cells, as the paper prints it, and that of the gaps."""
    return _cell_table(matrix), _gap_table(figures)


def _cell_table(matrix: Matrix) -> Table:
    heads = [matrix.heading(str(at)) for at in matrix.infer]
    rows = tuple(
        (
            Entry(strategy),
            entry(len(records)),
            entry(", ".join(sorted({record.checkpoint.training for record in records}))),
            *(_cell_entry(matrix.cells[strategy, str(at)]) for at in matrix.infer),
        )
        for strategy, records in matrix.records.items()
    )
    return Table(
        name="train-inference",
        caption="Train × inference: accuracy in percent",
        subject=next(iter(matrix.records.values()))[0].task,
        columns=(
            Column("trained"),
            Column("seeds", numeric=True),
            Column("declared"),
            *(Column(head, numeric=True) for head in heads),
        ),
        rows=rows,
        remark=_remark(matrix),
    )


def _remark(matrix: Matrix) -> str:
    reasons = {found.reason for found in matrix.cells.values() if isinstance(found, Withheld)}
    return (
        "Means over seeds; 95 % intervals over the samples' clusters in brackets, ± standard "
        "deviation between seeds. mixed: half of the samples at low, the others at native."
        + "".join(f" Withheld: {reason}." for reason in sorted(reasons))
    )


def _cell_entry(found: Scored | Withheld) -> Entry:
    if isinstance(found, Withheld):
        return entry(None, mark="withheld")
    spread = "" if found.spread is None else f" ± {POINTS * found.spread:.1f}"
    low, high = POINTS * found.interval.low, POINTS * found.interval.high
    return entry(
        POINTS * found.interval.estimate, digits=1, note=f"[{low:.1f}, {high:.1f}]{spread}"
    )


def _gap_table(figures: Sequence[GapFigure]) -> Table:
    return Table(
        name="gaps",
        caption="Gaps between cells, fractions",
        columns=(
            Column("gap"),
            Column("definition"),
            Column("value", numeric=True),
            Column("by seed"),
            Column("the paper's sign"),
        ),
        rows=tuple(_gap_row(figure) for figure in figures),
        remark="; ".join(
            f"{GAPS[figure.name]} ({figure.strategy}) withheld: {figure.value.reason}"
            for figure in figures
            if isinstance(figure.value, Withheld)
        ),
    )


def _gap_row(figure: GapFigure) -> tuple[Entry, ...]:
    ratio = figure.name == "mixed_retention"
    first, second = ("→".join(cell) for cell in figure.cells)
    shown = [f"{value:.3f}" if ratio else f"{value:+.3f}" for value in figure.per_seed]
    return (
        Entry(GAPS[figure.name]),
        Entry(f"{first} {'/' if ratio else '−'} {second}"),
        figure_entry(figure.value, sign=not ratio),
        Entry(", ".join(shown).replace("-", "−") or "–"),
        Entry("–" if figure.sign == "none" else figure.sign),
    )
