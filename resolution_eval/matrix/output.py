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
from resolution_eval.records import Record
from resolution_eval.report.charts import VEGALITE, drawing
from resolution_eval.report.matrix_tables import POINTS, matrix_tables
from resolution_eval.resolution import label
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.gaps import INFER

FORMAT = 1
STEP = 88
"""Edge of a square, in pixels."""


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
    cells = [_cell(matrix, trained, at, figures) for (trained, at), figures in matrix.cells.items()]
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


def _cell(
    matrix: Matrix, trained: str, at: str, figures: StrategyCell | Withheld
) -> dict[str, Any]:
    record = matrix.records[trained][0]
    cell: dict[str, Any] = {
        "model": record.checkpoint.adapter or "unknown",
        "dataset": record.task,
        "train": trained,
        "infer": at,
    }
    if isinstance(figures, Withheld):
        return {**cell, "withheld": figures.reason}
    return {
        **cell,
        "accuracy_percent": POINTS * figures.interval.estimate,
        "interval_percent": [POINTS * figures.interval.low, POINTS * figures.interval.high],
        "n": figures.interval.n,
        "clusters": figures.interval.clusters,
        "interval_over_seeds_percent": figures.over_seeds
        and [POINTS * figures.over_seeds.low, POINTS * figures.over_seeds.high],
        "per_seed_percent": [POINTS * value for value in figures.per_seed],
        "visual_tokens": figures.visual_tokens,
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


def heat_map(matrix: Matrix) -> Mapping[str, bytes]:
    """The heat map by kind of file: svg, png, and html, which fetches nothing."""
    import vl_convert

    drawn = specification(matrix)
    closed: dict[str, Any] = {"vl_version": VEGALITE, "allowed_base_urls": []}
    return {
        "svg": vl_convert.vegalite_to_svg(drawn, **closed).encode(),
        "png": vl_convert.vegalite_to_png(drawn, scale=2, **closed),
        "html": vl_convert.vegalite_to_html(drawn, vl_version=VEGALITE, bundle=True).encode(),
    }


def specification(matrix: Matrix) -> dict[str, Any]:
    """The Vega-Lite document; a withheld cell is grey and without a figure."""
    task = next(iter(matrix.records.values()))[0].task
    return drawing(
        "heat",
        rows=[
            _square(trained, matrix.heading(at), cell)
            for (trained, at), cell in matrix.cells.items()
        ],
        across=[matrix.heading(str(at)) for at in matrix.infer],
        down=list(matrix.records),
        width=STEP * len(matrix.infer),
        height=STEP * len(matrix.records) // 2,
        title=f"{task}: accuracy by training and inference resolution",
    )


def _square(trained: str, at: str, cell: object) -> dict[str, Any]:
    row: dict[str, Any] = {"train": trained, "infer": at, "accuracy": None}
    if not isinstance(cell, StrategyCell):
        return row | {"shown": "withheld", "interval": "none"}
    value, low, high = cell.interval.estimate, cell.interval.low, cell.interval.high
    interval = f"{100 * low:.1f} to {100 * high:.1f}"
    return row | {"accuracy": value, "shown": f"{100 * value:.1f}", "interval": interval}
