"""The train x inference matrix: what the command does, and the files that it leaves."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from resolution_eval.analysis.strategies import MIXED, STRATEGIES, Gap, Matrix, StrategyCell
from resolution_eval.ground.errors import UsageError, output_folder, refuse_misspelled, suggest
from resolution_eval.ground.files import refuse_stranger, replace
from resolution_eval.ground.registry import ADAPTERS
from resolution_eval.ground.tables import FORMATS, as_markdown
from resolution_eval.host.taskfiles import card_files
from resolution_eval.jobs.strategy_plan import (
    named_adapter,
    named_resolution,
    parse_checkpoints,
    strategy_plan,
    strategy_records,
)
from resolution_eval.records import Record
from resolution_eval.report.charts import VEGALITE, drawing
from resolution_eval.report.matrix_tables import POINTS, matrix_tables
from resolution_eval.resolution import PixelResolution, ascending, label, parse_pixels
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.strategy_gaps import INFER

FORMAT = 1
STEP = 88
"""Edge of a square, in pixels."""
WRITTEN = ("matrix.json", "matrix.md", "heatmap.svg", "heatmap.png", "heatmap.html")
MARK = '"mixed_inference"'
"""A key that matrix.json of every version has."""


def matrix_of(given: Namespace) -> str:
    """Score what is not scored yet, write the matrix into `given.output`; its tables as text.

    Raises:
        UsageError: an argument is impossible.
        RecordError: a checkpoint's results cannot be read, or are of other data.
    """
    _check(given)
    checkpoints, infer = parse_checkpoints(given.checkpoints), _infer(given.infer)
    low = named_resolution("low", given.low, checkpoints)
    native = named_resolution("native", given.native, checkpoints)
    plan = strategy_plan(
        checkpoints,
        given.task,
        _scored(infer, low, native),
        given.output,
        model=named_adapter(given.model, checkpoints),
        model_args=given.model_args,
        batch_size=given.batch_size,
        limit=given.limit,
    )
    matrix = Matrix(strategy_records(plan), low, native, infer)
    write_matrix(matrix, given.output)
    return FORMATS[given.format](matrix_tables(matrix))


def _check(given: Namespace) -> None:
    if given.format not in FORMATS:
        raise UsageError(f"no format named {given.format!r}; {suggest(given.format, FORMATS)}")
    if given.task not in (tasks := card_files()):
        raise UsageError(f"no task of ours is named {given.task!r}; {suggest(given.task, tasks)}")
    refuse_misspelled("model", given.model or "resflamingo", ADAPTERS)
    output_folder(given.output)
    refuse_foreign_matrix(given.output)
    for name in ("batch_size", "limit"):
        value = getattr(given, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} is {value}; give 1 or more")


def _infer(text: str) -> tuple[PixelResolution | str, ...]:
    """The columns that `--infer` names, each once, as asked for."""
    columns: list[PixelResolution | str] = []
    for word in (part.strip() for part in text.split(",")):
        try:
            columns.append(word if word in INFER else parse_pixels(word))
        except UsageError as error:
            advice = suggest(word, INFER)
            raise UsageError(f"--infer {word!r} is impossible; {advice}, or give pixels") from error
    return tuple(dict.fromkeys(columns))


def _scored(
    infer: tuple[PixelResolution | str, ...], low: PixelResolution, native: PixelResolution
) -> tuple[PixelResolution, ...]:
    """The resolutions to score, ascending: what the columns stand for, and both ends."""
    if low == native:
        raise UsageError(f"low and native are both {label(low)}; a matrix needs two")
    named = {"low": low, "native": native}
    inner = {named.get(str(at), at) for at in infer if at != MIXED}
    return tuple(sorted({*inner, low, native}, key=ascending))  # type: ignore[arg-type]


def refuse_foreign_matrix(output: Path) -> None:
    """Refuse a folder in which files by the names of a matrix's are somebody else's.

    Raises:
        UsageError: there are such, and beside them no matrix.json that is this program's.
    """
    present = [output / name for name in WRITTEN if (output / name).exists()]
    for path in present[:1]:  # matrix.json, which is written first, or what stands without it
        refuse_stranger(path, MARK)


def write_matrix(matrix: Matrix, output: Path) -> None:
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


def document(matrix: Matrix) -> dict[str, Any]:
    """The matrix as JSON; its `cells` are what `resolution-eval gaps` reads."""
    first = next(iter(matrix.records.values()))[0]
    cells = [_cell(matrix, trained, at, figures) for (trained, at), figures in matrix.cells.items()]
    papers = [one for one in cells if one["train"] in STRATEGIES and one["infer"] in INFER]
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
        "cells": papers,
        "further_cells": [cell for cell in cells if cell not in papers],
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
        "interval_percent": _ends(figures.interval, POINTS),
        "n": figures.interval.n,
        "clusters": figures.interval.clusters,
        "interval_over_seeds_percent": _ends(figures.over_seeds, POINTS),
        "per_seed_percent": [POINTS * value for value in figures.per_seed],
        "visual_tokens": figures.visual_tokens,
    }


def _ends(interval: Interval | None, unit: float = 1.0) -> list[float] | None:
    return None if interval is None else [unit * interval.low, unit * interval.high]


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
        "interval_over_seeds": _ends(figure.over_seeds),
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
