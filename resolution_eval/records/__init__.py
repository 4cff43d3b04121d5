"""Records: one validated document per checkpoint, task and run, made from lmms-eval's output."""

from resolution_eval.records.answer_table import Answers, CellKey, Scores, resolution_order
from resolution_eval.records.host_output import Run, TaskAnswers, read_run
from resolution_eval.records.make import make_records
from resolution_eval.records.schema import (
    SCHEMA_VERSION,
    BlindControl,
    Cell,
    CellCost,
    Checkpoint,
    Controls,
    Dataset,
    Environment,
    FailedSample,
    Grid,
    Record,
    Tokens,
    json_schema,
    publish_schema,
)
from resolution_eval.records.store import read_record, record_name, write_record
from resolution_eval.records.times import timeless

__all__ = [
    "SCHEMA_VERSION",
    "Answers",
    "BlindControl",
    "Cell",
    "CellCost",
    "CellKey",
    "Checkpoint",
    "Controls",
    "Dataset",
    "Environment",
    "FailedSample",
    "Grid",
    "Record",
    "Run",
    "Scores",
    "TaskAnswers",
    "Tokens",
    "json_schema",
    "make_records",
    "publish_schema",
    "read_record",
    "read_run",
    "record_name",
    "resolution_order",
    "timeless",
    "write_record",
]
