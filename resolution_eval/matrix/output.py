"""What a matrix leaves behind: matrix.json, a table like the paper's, and a heat map."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from resolution_eval.analysis.strategies import STRATEGIES, Gap, Matrix, StrategyCell
from resolution_eval.ground.files import replace
from resolution_eval.ground.tables import as_markdown
from resolution_eval.matrix.heatmap import heat_map
from resolution_eval.records import Record
from resolution_eval.report.matrix_tables import POINTS, matrix_tables
from resolution_eval.resolution import label
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.gaps import INFER

FORMAT = 1


def write_matrix(matrix: Matrix, output: Path) -> tuple[Path, ...]:
    """Write matrix.json, matrix.md, and the heat map as SVG, PNG and HTML into `output`."""
    output.mkdir(parents=True, exist_ok=True)
    drawn = heat_map(matrix)
    texts: Mapping[str, bytes] = {
        "matrix.json": json.dumps(document(matrix), indent=2, allow_nan=False).encode(),
        "matrix.md": as_markdown(matrix_tables(matrix)).encode(),
        **{f"heatmap.{kind}": content for kind, content in drawn.items()},
    }
    for name, content in texts.items():
        replace(output / name, content + (b"" if name.endswith(".png") else b"\n"))
    return tuple(output / name for name in texts)


def document(matrix: Matrix) -> dict[str, Any]:
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
        "cells": [cell for cell in cells if cell["train"] in STRATEGIES and cell["infer"] in INFER],
        "further_cells": [
            cell for cell in cells if cell["train"] not in STRATEGIES or cell["infer"] not in INFER
        ],
        "gaps": [_gap(gap) for gap in matrix.gaps],
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


def _cell(matrix: Matrix, trained: str, at: str, found: StrategyCell | Withheld) -> dict[str, Any]:
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
        "interval_over_seeds_percent": found.over_seeds
        and [POINTS * found.over_seeds.low, POINTS * found.over_seeds.high],
        "per_seed_percent": [POINTS * value for value in found.per_seed],
        "visual_tokens": found.visual_tokens,
    }


def _gap(figure: Gap) -> dict[str, Any]:
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
        "interval_over_seeds": figure.over_seeds
        and [figure.over_seeds.low, figure.over_seeds.high],
    }
