"""Records on disk: a JSON document and, beside it, a compressed columnar file with every answer."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from resolution_eval.evidence.attestation import Status
from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.files import replace
from resolution_eval.records.answer_table import SCHEMA, Answers
from resolution_eval.records.blind import controlled
from resolution_eval.records.bounded import read_document
from resolution_eval.records.cells import cells, failures
from resolution_eval.records.make import make_records
from resolution_eval.records.migrations import MIGRATIONS, migrated_answers
from resolution_eval.records.record_pages import PageError, pages
from resolution_eval.records.schema import SCHEMA_VERSION, AnswersFile, Record

SUFFIX = ".record.json"
ANSWERS_SUFFIX = ".answers.parquet"
MAX_ANSWERS = 2 * 2**30
"""Largest answers file, and largest uncompressed content of one, in bytes."""
MAX_ROWS = 10_000_000
TEXT_OF_A_ROW = 8_192
"""Most bytes of text of an answer, on average over a record."""
LEAST_TEXT = 64 * 2**20
"""Bytes of text that any record may have."""
SIDES = ("width", "height")
MAX_LISTED = 300
"""Most elements of a list column, per row on average: options, their scores, notes."""


def write_record(record: Record, folder: Path) -> Path:
    """Write the record and its answers into `folder`; the path of the JSON document.

    Each file appears whole or not at all, the document last. The name follows from the content:
    writing a record again replaces it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    answers = parquet(record.answers.table)
    digest = hashlib.sha256(answers).hexdigest()
    name = record_name(record)
    file = AnswersFile(name=name + ANSWERS_SUFFIX, sha256=digest, rows=len(record.answers))
    document = record.model_copy(update={"answers_file": file}).model_dump_json(indent=2)
    replace(folder / file.name, answers)
    replace(folder / (name + SUFFIX), document.encode() + b"\n")
    return folder / (name + SUFFIX)


def record_name(record: Record) -> str:
    """File name, without ending, of a record: task, checkpoint, date, digest of its identity."""
    checkpoint, run = record.checkpoint, record.environment
    identity = [record.task, checkpoint.name, checkpoint.adapter, run.date, run.results_sha256]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    parts = (record.task, record.label, run.date)
    return "-".join([*(_slug(part) for part in parts), digest])


def answers_of(path: Path) -> Path:
    """The file with the answers of the record `path`."""
    return path.with_name(path.name.removesuffix(SUFFIX) + ANSWERS_SUFFIX)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")[:60] or "unnamed"


def parquet(table: pa.Table) -> bytes:
    """A file's content."""
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def load(paths: Sequence[Path]) -> list[Record]:
    """The records in `paths`: lmms-eval's output folders, records, or folders of records.

    A blind run in any of them is the control of the records that it fits.

    Raises:
        RecordError: a path holds neither, or a file in it cannot be read.
    """
    records = [record for path in paths for record in _load(path)]
    return [controlled(record, records) for record in records]


def _load(path: Path) -> list[Record]:
    if path.name.endswith(SUFFIX):
        return [read_record(path)]
    written = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else []
    return [read_record(file) for file in written] or make_records(path)


def read_record(path: Path, *, most: int | None = None) -> Record:
    """The record whose JSON document is `path`, with its answers, checked against each other; of
    more than `most` answers, where that is given, none is read.

    Raises:
        RecordError: unreadable, of an unknown schema version, breaking its schema, without its
            answers, or with cells that do not follow from them.
    """
    document = _migrated(read_document(path), path)
    answers = _read_answers(document, path, MAX_ROWS if most is None else most)
    try:
        record = Record.model_validate({**document, "answers": answers})
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise RecordError(f"{path}: {place}: {fault['msg']}") from error
    if not _follows(record, path):
        raise RecordError(
            f"{path}: its cells or failures do not follow from its answers; "
            "make the record again from lmms-eval's output"
        )
    return record


def _follows(record: Record, path: Path) -> bool:
    """Whether cells and failures are those of the answers.

    Raises:
        RecordError: the answers add up to nothing that a record could hold.
    """
    answers = record.answers
    rows = Counter(zip(answers.column("sample"), answers.column("resolution"), strict=True))
    (sample, resolution), count = next(iter(rows.most_common(1)), (("", ""), 0))
    if count > 1:
        raise RecordError(f"{path}: sample {sample!r} at {resolution}: answered {count} times")
    try:
        counted = cells(answers)
        failed = failures(answers)
    except ValueError as error:
        first = str(error).splitlines()[0]
        raise RecordError(f"{path}: its answers contradict themselves ({first})") from None
    same = [_rounded(cell.model_dump()) for cell in counted]
    return [_rounded(cell.model_dump()) for cell in record.cells] == same and (
        record.failures == failed
    )


def _rounded(value: Any) -> Any:
    """The fields of a cell, fractions in nine digits: the last ones follow the order of a sum."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return f"{value:.9g}" if isinstance(value, float) else value


def _migrated(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The document in the present schema version."""
    version = document.get("schema_version")
    if type(version) is not int or version < 1:
        raise RecordError(
            f"{path}: schema_version is {version!r}; a record has a whole number from 1"
        )
    if version > SCHEMA_VERSION:
        raise RecordError(
            f"{path}: schema version {version}, and this program knows up to {SCHEMA_VERSION}; "
            "upgrade resolution-eval"
        )
    while version < SCHEMA_VERSION:
        if version not in MIGRATIONS:
            raise RecordError(
                f"{path}: schema version {version} cannot be read any more (present: "
                f"{SCHEMA_VERSION}); make the record again from lmms-eval's output"
            )
        document = {**MIGRATIONS[version](document), "schema_version": version + 1}
        version += 1
    return document


def _read_answers(document: Mapping[str, Any], path: Path, most: int) -> Answers:
    try:
        file = AnswersFile.model_validate(document.get("answers_file"))
    except ValidationError as error:
        raise RecordError(f"{path}: answers_file: {error.errors()[0]['msg']}") from error
    beside = answers_of(path)
    if file.name != beside.name:
        raise RecordError(
            f"{path}: its answers are to lie beside it under its name, not {file.name!r}"
        )
    if file.rows > most:
        raise RecordError(f"{path}: {file.rows} answers; at most {most} can be its samples'")
    if not beside.is_file():
        raise RecordError(f"{path}: its answers ({file.name}) are missing; copy both files")
    if beside.stat().st_size > MAX_ANSWERS:
        raise RecordError(f"{beside}: larger than {MAX_ANSWERS} bytes")
    data = beside.read_bytes()
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise RecordError(f"{beside}: not the answers that {path.name} was written with (sha256)")
    return Answers(_table(data, beside, file.rows))


def _table(data: bytes, path: Path, rows: int) -> pa.Table:
    try:
        file = pq.ParquetFile(BytesIO(data))
        groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
        content = sum(group.total_byte_size for group in groups)
        if file.metadata.num_rows != rows or rows > MAX_ROWS or content > MAX_ANSWERS:
            raise RecordError(
                f"{path}: {file.metadata.num_rows} rows, {content} bytes; expected {rows} rows"
            )
        _check_lists(file, data, path)
        if not migrated_answers(file.schema_arrow.empty_table()).schema.equals(SCHEMA):
            raise RecordError(f"{path}: its columns are not those of a record's answers")
        table = migrated_answers(_spelled_out(data, file.schema, path).cast(file.schema_arrow))
        table.validate(full=True)
        _check_sizes(table, path)
        _check_sizes(_images(table), path)
        _check_verdicts(table, path)
    except MemoryError as error:
        raise RecordError(f"{path}: takes more memory to read than there is") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError, PageError) as error:
        raise RecordError(f"{path}: not a readable parquet file ({error})") from error
    return table


def _check_lists(file: pq.ParquetFile, data: bytes, path: Path) -> None:
    """Refuse columns that would become far more than they take in the file: the same element a
    million times compresses to nothing. What the pages say is counted beside what the footer says.
    """
    rows, content = file.metadata.num_rows, 0
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            first = column.dictionary_page_offset
            start = column.data_page_offset if first is None else first
            column_pages = list(pages(data, start, column.total_compressed_size))
            content += sum(page.uncompressed for page in column_pages)
            values = max(column.num_values, sum(page.values for page in column_pages))
            # a dictionary's own values stand beside those that refer to it
            if values > 2 * MAX_LISTED * (rows + 1) or content > MAX_ANSWERS:
                raise RecordError(
                    f"{path}: {values} elements of {column.path_in_schema} in {rows} rows, "
                    f"{content} bytes so far; at most {MAX_LISTED} a row and {MAX_ANSWERS} bytes"
                )


def _spelled_out(data: bytes, schema: pq.ParquetSchema, path: Path) -> pa.Table:
    """The table with every text as a reference to one of the different ones: a file of some
    kilobytes can hold a long text a million times, which is refused before it is copied as often.
    """
    columns = (schema.column(i) for i in range(len(schema)))
    texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    table = pq.ParquetFile(BytesIO(data), read_dictionary=texts).read()
    size = sum(_length(chunk) for column in table.columns for chunk in column.chunks)
    most = min(MAX_ANSWERS, max(LEAST_TEXT, TEXT_OF_A_ROW * len(table)))
    if size > most:
        raise RecordError(f"{path}: {size} bytes of text; at most {most}")
    return table


def _length(chunk: pa.Array) -> int:
    """Bytes of the texts of `chunk`, each as often as it stands there; 0 of anything else."""
    values = chunk.flatten() if pa.types.is_list(chunk.type) else chunk
    if not pa.types.is_dictionary(values.type):
        return 0
    lengths = pc.take(pc.binary_length(values.dictionary), values.indices)
    return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0)


def _images(table: pa.Table) -> pa.Table:
    """A line for each of several images, with the number of its answer's row."""
    lists = table["images"].combine_chunks()
    each = pa.Table.from_struct_array(pc.list_flatten(lists))
    return each.append_column("row", pc.list_parent_indices(lists))


def _check_sizes(table: pa.Table, path: Path) -> None:
    """Refuse half a size, and sizes and counts below zero."""
    for name in ("source", "information", "expected", "grid"):
        width, height = (table.column(f"{name}_{side}") for side in SIDES)
        if not pc.all(pc.equal(pc.is_null(width), pc.is_null(height)), min_count=0).as_py():
            raise RecordError(f"{path}: a sample's {name} has a width or a height, not both")
        if any((pc.min(side).as_py() or 0) < 0 for side in (width, height)):
            raise RecordError(f"{path}: a sample's {name} is smaller than nothing")


def _check_verdicts(table: pa.Table, path: Path) -> None:
    """Refuse an answer whose status, verdict and grid cannot be true together."""
    for wrong, said in _contradictions(table):
        number = pc.index(wrong, True).as_py()
        if number >= 0:
            row = table.slice(number, 1).to_pylist()[0]
            raise RecordError(
                f"{path}: sample {row['sample']!r} at {row['resolution']}: {said} (status "
                f"{row['status']!r}, correct {row['correct']}, judged {row['judged']}, grid "
                f"{row['grid_height']}x{row['grid_width']}); make the record again from "
                "lmms-eval's output"
            )


def _contradictions(table: pa.Table) -> Iterator[tuple[pa.ChunkedArray, str]]:
    """Which answers are wrong, and how; as `host` finds it in lmms-eval's lines."""
    status, correct = table["status"], table["correct"]
    known = pa.array(get_args(Status))
    yield pc.invert(pc.is_in(status, value_set=known)), "its status is none that we know"
    for name in ("correct", "judged"):
        verdict = pa.array([0, 1, None], pa.int8())
        yield pc.invert(pc.is_in(table[name], value_set=verdict)), f"{name} is neither 0 nor 1"
    failed = pc.not_equal(pc.equal(status, "failed"), pc.is_null(correct))
    yield failed, "a failed sample has no verdict, and any other has one"
    each = _images(table)
    agree = _without(table, each.filter(pc.invert(_as_asked(each)))["row"])
    agree = pc.and_(_as_asked(table), agree)
    other = pc.and_(pc.equal(status, "attested"), pc.invert(agree))
    yield other, "attested, but the encoder received no grid, or another than was asked for"
    yield pc.invert(_images_add_up(table)), "its images are not those that its own fields sum up"
    lengths = [pc.list_value_length(table[name]) for name in ("choice_scores", "options")]
    apart = pc.fill_null(pc.not_equal(*lengths), False)
    yield apart, "its options are not as many as their scores"
    for word, needed in (("counted", "counted_tokens"), ("predicted", "rule")):
        bare = pc.and_(pc.equal(status, word), pc.is_null(table[needed]))
        yield bare, f"{word}, but {needed} is null"
    seconds = pc.fill_null(pc.less(table["seconds"], 0.0), False)
    yield seconds, "its seconds are below 0"


def _as_asked(table: pa.Table) -> pa.ChunkedArray:
    """Per row, whether its grid is known, and the one that was asked for."""
    same = [pc.equal(table[f"grid_{side}"], table[f"expected_{side}"]) for side in SIDES]
    return pc.fill_null(pc.and_(*same), False)


def _images_add_up(table: pa.Table) -> pa.Array:
    """Per answer, whether several images, where it has them, make its visual tokens."""
    known = pc.ScalarAggregateOptions(skip_nulls=False)
    sums = _images(table).group_by("row").aggregate([("visual_tokens", "sum", known)])
    total, own = sums["visual_tokens_sum"], table["visual_tokens"].take(sums["row"])
    other = pc.and_(pc.is_valid(total), pc.fill_null(pc.not_equal(total, own), True))
    few = pc.fill_null(pc.less(pc.list_value_length(table["images"]), 2), False)
    return pc.and_(_without(table, sums["row"].filter(other)), pc.invert(few))


def _without(table: pa.Table, rows: pa.ChunkedArray) -> pa.Array:
    """Per answer, whether it is none of `rows`."""
    places = pa.array(range(table.num_rows), pa.int64())
    return pc.invert(pc.is_in(places, value_set=rows.combine_chunks().cast(pa.int64())))
