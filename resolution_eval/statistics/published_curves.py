"""Figures of published tables: what `resolution-eval metrics` and `resolution-eval gaps` show."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from resolution_eval.ground.errors import RecordError, UsageError, suggest
from resolution_eval.ground.notation import NotationError, json_value
from resolution_eval.resolution import LARGEST
from resolution_eval.statistics.curves import FIGURES, Curve, figure
from resolution_eval.statistics.strategy_gaps import (
    IMAGE_DATASETS,
    INFER,
    TRAIN,
    Gaps,
    gaps,
    mean_gaps,
)

CELL = {"model", "dataset", "train", "infer", "accuracy_percent"}


def metrics_of_file(path: str | Path) -> dict[str, dict[str, float | None]]:
    """Per name the figures of its curve: rho, ace, rce, excess_ace, area, worst_drop.

    The file holds `{"resolutions": [...], "accuracy": {name: [...]}}`, percent or fraction (the
    figures have the file's unit; rce and rho have none), the resolutions there or in a `source`
    table. Unsorted resolutions are sorted with their accuracies. The worst drop is against the
    resolution named by an optional key `reference`, else against the largest. Figures are rounded
    to 10 decimals; rho is None where no order exists.

    Raises:
        UsageError: the file cannot be opened.
        RecordError: it is not JSON of this form.
    """
    table = _load(path)
    resolutions = _resolutions(table, path)
    reference = table.get("reference", max(resolutions))
    if reference not in resolutions:
        raise RecordError(f"{path}: reference {reference!r} is not among {resolutions}")
    curves = table.get("accuracy")
    if not isinstance(curves, dict) or not curves:
        raise RecordError(
            f'{path}: needs "accuracy": {{name: [one value per resolution]}}, found {_kind(curves)}'
        )
    by_name = {name: _curve(name, values, resolutions, path) for name, values in curves.items()}
    return {name: _figures(curve, reference) for name, curve in by_name.items()}


def _figures(curve: Curve, reference: int) -> dict[str, float | None]:
    values = {name: round(figure(name, curve, reference=reference), 10) for name in FIGURES}
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def gaps_of_file(path: str | Path) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Per model the gaps of each data set (`datasets`), and their means (`means`).

    The file holds `{"cells": [{model, dataset, train, infer, accuracy_percent}, ...]}`. The means
    are over `image`, the paper's four image data sets, where all are there, and over `all`.

    Raises:
        UsageError: the file cannot be opened.
        RecordError: it is not JSON of this form, a cell is there twice, or a needed one is not.
    """
    cells = _load(path).get("cells")
    if not isinstance(cells, list) or not cells:
        raise RecordError(f'{path}: needs "cells": [...], found {_kind(cells)}')
    tables: dict[str, dict[str, dict[tuple[str, str], float]]] = defaultdict(dict)
    for position, cell in enumerate(cells):
        _check_cell(cell, f"{path}: cell {position}")
        matrix = tables[cell["model"]].setdefault(cell["dataset"], {})
        key = (cell["train"], cell["infer"])
        if key in matrix:
            raise RecordError(
                f"{path}: cell {position} repeats {cell['model']}, {cell['dataset']}, "
                f"{key[0]}->{key[1]}; keep one"
            )
        matrix[key] = cell["accuracy_percent"]
    return {model: _model(model, table, path) for model, table in tables.items()}


def _model(
    model: str, table: Mapping[str, dict[tuple[str, str], float]], path: str | Path
) -> dict[str, dict[str, dict[str, float]]]:
    by_dataset: dict[str, Gaps] = {}
    for dataset, matrix in table.items():
        try:
            by_dataset[dataset] = gaps(matrix)
        except RecordError as error:
            raise RecordError(f"{path}: {model} on {dataset}: {error}") from None
    means = {"all": mean_gaps(list(by_dataset.values()))}
    if set(IMAGE_DATASETS) <= by_dataset.keys():
        means = {"image": mean_gaps([by_dataset[name] for name in IMAGE_DATASETS])} | means
    return {
        "datasets": {name: _rounded(one) for name, one in by_dataset.items()},
        "means": {name: _rounded(one) for name, one in means.items()},
    }


def _rounded(figures: Gaps) -> dict[str, float]:
    return {name: round(value, 10) for name, value in asdict(figures).items()}


def _load(path: str | Path) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror}); name a JSON file") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text; name a JSON file") from error
    try:
        table = json_value(text)
    except NotationError as error:
        raise RecordError(f"{path} is not JSON ({error}); docs/figures.md has its form") from error
    if not isinstance(table, dict):
        raise RecordError(f"{path}: needs a JSON object at the top, found {_kind(table)}")
    return table


def _resolutions(table: dict[str, Any], path: str | Path) -> list[int]:
    source = table.get("source")
    nested = source.get("resolutions") if isinstance(source, dict) else None
    entries = table.get("resolutions", nested)
    whole = [item for item in entries if _whole(item)] if isinstance(entries, list) else []
    if not whole or whole != entries or len(set(whole)) < len(whole):
        raise RecordError(
            f'{path}: needs "resolutions": [...], whole pixels from 1 to {LARGEST} without '
            f"repeats, found {entries!r:.200}"
        )
    return whole


def _curve(name: str, values: object, resolutions: list[int], path: str | Path) -> Curve:
    if not isinstance(values, list) or len(values) != len(resolutions):
        raise RecordError(
            f"{path}: {name!r} needs {len(resolutions)} accuracies, one per resolution, "
            f"found {len(values) if isinstance(values, list) else _kind(values)}"
        )
    if wrong := [value for value in values if not _percent(value)]:
        raise RecordError(
            f"{path}: {name!r} has accuracy {wrong[0]!r}; needs numbers from 0 to 100 (or 0 to 1)"
        )
    return dict(zip(resolutions, values, strict=True))


def _check_cell(cell: object, where: str) -> None:
    if not isinstance(cell, dict) or not cell.keys() >= CELL:
        lacking = sorted(CELL - cell.keys()) if isinstance(cell, dict) else sorted(CELL)
        raise RecordError(f"{where} lacks {lacking}")
    for key in ("model", "dataset", "train", "infer"):
        if not isinstance(cell[key], str) or not cell[key]:
            raise RecordError(f"{where}: {key} must be a name, found {cell[key]!r}")
    for key, names in (("train", TRAIN), ("infer", INFER)):
        if cell[key] not in names:
            raise RecordError(f"{where}: no {key} named {cell[key]!r}; {suggest(cell[key], names)}")
    if not _percent(cell["accuracy_percent"]):
        raise RecordError(
            f"{where}: accuracy_percent must be a number from 0 to 100, "
            f"found {cell['accuracy_percent']!r}"
        )


def _percent(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
