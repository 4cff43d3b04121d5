"""Frames: figures and answers as tidy pandas tables, one observation a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from resolution_eval.analysis import CurveFigures
from resolution_eval.records.answer_table import SCHEMA
from resolution_eval.report.tidy import cell_row, identity_of

NULLABLE = {pa.string(): "string", pa.int8(): "Int8", pa.int32(): "Int32", pa.int64(): "Int64"}
"""pandas' types of what may be absent: an absent verdict is no 0, an absent text not 'None'."""

CELL_TYPES = {
    **dict.fromkeys(("curve", "checkpoint", "task", "r"), "string"),
    **dict.fromkeys(("scheme", "filter", "answer_mode"), "string"),
    **dict.fromkeys(("accuracy", "low", "high"), "float64"),
    **dict.fromkeys(("n", "failed", "missing"), "int64"),
    "tokens": "float64",
    **dict.fromkeys(("status", "step", "withheld"), "string"),
}
"""Columns of `cell_frame`, and their types."""


def cell_frame(curves: Sequence[CurveFigures]) -> pd.DataFrame:
    """One row for each resolution of each curve.

    `curve` is unique among `curves`; `checkpoint` is the short name of what was scored; `r` is the
    inference resolution as text, since one of them is `native`. `accuracy` is over the `n` samples
    that have a verdict, and `low` to `high` its 95 % interval, in which the `failed` and `missing`
    samples are at their worst. `tokens` is the mean number of visual tokens per sample. `status` is
    the report's: an accuracy that is `mismatched` is of another grid than the one asked for.
    `step` is how the grid is known, whatever else is wrong (attested, counted, predicted, ...).
    `withheld` says why there is no accuracy.
    """
    rows = [cell_row(curve, cell) for curve in curves for cell in curve.cells]
    return pd.DataFrame(rows, columns=list(CELL_TYPES)).astype(CELL_TYPES)


def sample_frame(curves: Sequence[CurveFigures]) -> pd.DataFrame:
    """One row for each answer of each curve.

    `curve`, `checkpoint`, `task` and `r` as in `cell_frame`, and every column of a record's
    answers. `correct` is 1, 0, or absent (`<NA>`) for a sample without a verdict.
    """
    nothing = _frame(SCHEMA.empty_table(), {"curve": "", "checkpoint": "", "task": ""})
    return pd.concat([nothing, *map(_answers, curves)], ignore_index=True)


def _answers(curve: CurveFigures) -> pd.DataFrame:
    answers = curve.sweep.record.answers
    groups = answers.groups()
    numbers = [number for each in curve.cells for number in groups[each.cell.key]]
    return _frame(answers.table.take(numbers), identity_of(curve))


def _frame(table: pa.Table, identity: Mapping[str, str]) -> pd.DataFrame:
    """The answers in pandas' types, with the columns of their curve before them."""
    for place, (name, value) in enumerate(identity.items()):
        column = pa.array([value] * table.num_rows, pa.string())
        table = table.add_column(place, name, column)
    frame: pd.DataFrame = table.to_pandas(types_mapper=_type)
    return frame.rename(columns={"resolution": "r"})


def _type(kind: pa.DataType) -> Any:
    return pd.api.types.pandas_dtype(NULLABLE[kind]) if kind in NULLABLE else None
