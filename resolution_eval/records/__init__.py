"""Records: one validated document per checkpoint, task and run, made from lmms-eval's output."""

from resolution_eval.records.answer_table import Answers
from resolution_eval.records.make import make_records
from resolution_eval.records.schema import Cell, Record
from resolution_eval.records.store import read_record, write_record

__all__ = ["Answers", "Cell", "Record", "make_records", "read_record", "write_record"]
