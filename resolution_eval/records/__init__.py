"""Records: one validated document per checkpoint, task and run, made from lmms-eval's output."""

from resolution_eval.records.answer_table import Answers, CellKey, Scores, resolution_order
from resolution_eval.records.host_output import read_run
from resolution_eval.records.make import make_records
from resolution_eval.records.schema import (
    BlindControl,
    Cell,
    Checkpoint,
    Dataset,
    Environment,
    Record,
    json_schema,
    publish_schema,
)
from resolution_eval.records.store import read_record, write_record
from resolution_eval.records.times import timeless

__all__ = [
    "Answers",
    "BlindControl",
    "Cell",
    "CellKey",
    "Checkpoint",
    "Dataset",
    "Environment",
    "Record",
    "Scores",
    "json_schema",
    "make_records",
    "publish_schema",
    "read_record",
    "read_run",
    "resolution_order",
    "timeless",
    "write_record",
]
