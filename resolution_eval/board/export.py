"""Export: the board as tables, and each row in the forms that model cards hold.

    board.csv, board.parquet                      one line per point of every curve
    MODEL-CARDS/ROW/model-index.yaml              for the head of a model's README.md
    MODEL-CARDS/ROW/.eval_results/resolution-eval.yaml   one task id per resolution

Sources: https://huggingface.co/docs/hub/model-cards (model-index) and
https://huggingface.co/docs/hub/eval-results (.eval_results).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from resolution_eval.board.board_schema import BoardRow, Curve, Estimate, Point, fields
from resolution_eval.board.rows import Board
from resolution_eval.board.scopes import dataset_id
from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.files import renewed_folder
from resolution_eval.ground.tables import csv_text, inert
from resolution_eval.records.store import parquet

DATASET = "resolution-eval/records"
"""Hub data set that holds the records, and whose tasks the `.eval_results` name."""
CARDS = "model-cards"

Line = dict[str, Any]


def export(board: Board, output: Path, dataset: str = DATASET) -> list[Path]:
    """Write every form into `output`, a new folder or an earlier export; the files.

    Raises:
        RecordError: the board has no row.
        UsageError: `output` holds something else.
    """
    lines = list(table(board))
    if not lines:
        raise RecordError("the board has no measured row; there is nothing to export")
    files = {"board.csv": csv_bytes(lines), "board.parquet": parquet_bytes(lines)}
    for row in board.rows:
        if row.curves:
            home = f"{CARDS}/{row.key}"
            files[f"{home}/model-index.yaml"] = model_index(row)
            files[f"{home}/.eval_results/resolution-eval.yaml"] = eval_results(row, dataset)
    with renewed_folder(output) as fresh:
        for name, data in files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return [output / name for name in files]


def table(board: Board) -> Iterator[Line]:
    """One line per point of every curve of every row, in the board's order."""
    for row in board.rows:
        for curve in row.curves:
            place = _of_line(board, row, curve)
            for point in curve.points:
                yield {**_of_row(row), **place, **_of_curve(curve), **_of_point(point)}


def _of_row(row: BoardRow) -> Line:
    return {
        "row": row.key,
        **fields(row.facts, "model", "revision", "title", "strategy", "parameters", "base"),
        **fields(row.facts, "licence", "submitter"),
        "labels": "; ".join(row.facts.labels),
        **fields(row, "status", "scheme", "filter", "step"),
    }


def _of_line(board: Board, row: BoardRow, curve: Curve) -> Line:
    """Where the row stands in its data set's list, with the other runs of its recipe."""
    (line,) = (
        line
        for scope in board.scopes
        if (scope.kind, scope.scheme, scope.step) == ("dataset", row.scheme, row.step)
        if scope.datasets == (dataset_id(curve),)
        if (line := scope.line_of(row))
    )
    first, last = line.rank or (None, None)
    return {
        "line": line.key,
        "runs": len(line.rows),
        "rank_first": first,
        "rank_last": last,
        "not_ranked": line.why,
        **_estimate("line_score", line.score),
    }


def _of_curve(curve: Curve) -> Line:
    return {
        **fields(curve, "dataset", "modality", "form", "answer_mode", "training", "chance"),
        **fields(curve, "floor", "looks", "record_sha256"),
        "trained_on": curve.contaminated,
        **_estimate("score", curve.score),
        **_estimate("area", curve.area),
        **_estimate("drop_from_best", curve.best_drop),
        "enough": curve.choice,
    }


def _of_point(point: Point) -> Line:
    blind, repeat, cell = point.blind, point.repeat, point.cell
    return {
        "resolution": point.resolution,
        "cell_status": cell.status,
        "cell_step": cell.step,
        "cell_probed": point.probed,
        **_estimate("accuracy", point.accuracy),
        **fields(cell, "balanced_accuracy", "f1", "n", "failed"),
        **fields(cell, "mismatched", "counted", "predicted", "unattested"),
        "grid_height": point.grid[0] if point.grid else None,
        "grid_width": point.grid[1] if point.grid else None,
        "visual_tokens": point.tokens,
        "samples_per_second": point.throughput,
        "blind_accuracy": blind.accuracy if blind else None,
        "claimed": point.claimed,
        "repeated": repeat.n if repeat else None,
        "repeated_accuracy": repeat.accuracy if repeat else None,
    }


def _estimate(name: str, figure: Estimate | None) -> Line:
    if figure is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}


def csv_bytes(lines: list[Line]) -> bytes:
    """`lines` as CSV; a text that a spreadsheet would run begins with an apostrophe."""
    texts = [
        [inert(value) if isinstance(value, str) else value for value in line.values()]
        for line in lines
    ]
    return csv_text([list(lines[0]), *texts]).encode()


def parquet_bytes(lines: list[Line]) -> bytes:
    """`lines` as parquet."""
    return parquet(pa.Table.from_pylist(lines))


def model_index(row: BoardRow) -> bytes:
    """The row as `model-index`, one result per data set and resolution."""
    results = [
        {
            "task": {"type": "image-text-to-text"},
            "dataset": {
                "name": curve.title,
                "type": curve.dataset,
                "split": "test",
                "revision": curve.record.dataset.revision,
            },
            "metrics": [_metric(row, curve, point) for point in _scored(curve)],
        }
        for curve in row.curves
    ]
    return _yaml({"model-index": [{"name": row.facts.title, "results": results}]})


def _metric(row: BoardRow, curve: Curve, point: Point) -> Line:
    name = "exact match" if curve.form == "open" else "accuracy"
    return {
        "type": "exact_match" if curve.form == "open" else "accuracy",
        "name": f"{name} at {point.resolution}, {_setting(row, curve)}",
        "value": point.accuracy.value if point.accuracy else None,
        "verified": False,
    }


def eval_results(row: BoardRow, dataset: str = DATASET) -> bytes:
    """The row as `.eval_results`: one task id per resolution, the rest in the notes."""
    return _yaml(
        [
            {
                "dataset": {"id": dataset, "task_id": task_id(curve, point)},
                "value": point.accuracy.value if point.accuracy else None,
                "date": _iso(curve.run.date),
                "notes": _notes(row, curve, point),
            }
            for curve in row.curves
            for point in _scored(curve)
        ]
    )


def _scored(curve: Curve) -> list[Point]:
    """Points whose cell is what was asked for: no other has a field to say that it is not."""
    return [p for p in curve.points if p.accuracy is not None and p.cell.status == "complete"]


def task_id(curve: Curve, point: Point) -> str:
    """Name of one cell's task: `phantom_res@64`, and `vqa_rad_res-open@224` of open questions."""
    form = "-open" if curve.form == "open" else ""
    return f"{curve.task}{form}@{point.resolution}"


def _setting(row: BoardRow, curve: Curve) -> str:
    return f"scheme {row.scheme}, filter {row.filter}, {curve.answer_mode}"


def _notes(row: BoardRow, curve: Curve, point: Point) -> str:
    accuracy = point.accuracy
    parts = [
        f"95 % interval [{accuracy.low:.4f}, {accuracy.high:.4f}]" if accuracy else "",
        f"n {point.cell.scored}",
        f"trained at {curve.training}",
        f"grid {point.grid[0]}x{point.grid[1]} px" if point.grid else "grid not attested",
        _setting(row, curve),
        f"status {row.status}",
        curve.contaminated or "",
    ]
    return "; ".join(part for part in parts if part)


def _iso(date: str) -> str | None:
    """lmms-eval's `20260102_030405`, which is in UTC+8, in ISO 8601; None for another form."""
    digits = date.replace("_", "")
    if len(digits) != 14 or not digits.isdecimal():
        return None
    day, time = digits[:8], digits[8:]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}+08:00"


def _yaml(content: Any) -> bytes:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True)).encode()
