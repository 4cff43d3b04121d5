"""Delimited: the lines of a file of comma-, semicolon- or tab-separated values."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from resolution_eval.data.sources.normal_form import normal
from resolution_eval.data.sources.source import listing
from resolution_eval.ground.errors import DataError, suggest
from resolution_eval.ground.notation import NotationError, json_value, lines_of

MAX_TABLE = 2**28
"""Largest table, in bytes."""
MAX_CELLS = 20_000_000
"""Most cells of a table below its header: each takes about 60 bytes of memory."""
MAX_COLUMNS = 1_000
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t])"?\r?\n')
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}


@dataclass(frozen=True)
class TableRow:
    """One line of a table: its number in the file, and its cells by column."""

    line: int
    cells: dict[str, str]
    more: tuple[str, ...] = ()
    """Names of its images after the one in the cell `file`."""

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "").strip()


def read_table(table: Path) -> bytes:
    """Content of the file `table`.

    Raises:
        DataError: it cannot be read, or is larger than `MAX_TABLE`.
    """
    try:
        with table.open("rb") as file:
            data = file.read(MAX_TABLE + 1)
    except OSError as error:
        raise DataError(
            f"{table} cannot be read: {error.strerror}; it must list the images"
        ) from error
    if len(data) > MAX_TABLE:
        raise DataError(f"{table} is larger than {MAX_TABLE:,} bytes; is it a table of images?")
    return data


def rows_of(data: bytes, table: Path, columns: Sequence[str] = ()) -> Iterator[TableRow]:
    """The lines of the CSV in `data` below its header; `table` names it in errors.

    Where `columns` are named, a header is taken for one of them whatever its case and blanks, and
    the values may be separated by semicolons or tabs: by what makes most of them columns.

    Raises:
        DataError: it is not UTF-8 or not CSV, names a column twice, or a line has more or fewer
            cells than the header.
    """
    delimiter, text, passed = _beginning(utf8_text(data, table), columns)
    reader = csv.reader(
        StringIO(text, newline=""), strict=True, delimiter=delimiter, skipinitialspace=True
    )
    try:
        header = _header(next(reader, []), columns, table)
        total = 0
        for cells in reader:
            if not cells:
                continue
            total += len(cells)
            if total > MAX_CELLS:
                raise DataError(f"{table}: more than {MAX_CELLS:,} cells; is it a table of images?")
            if len(cells) != len(header):
                line = passed + reader.line_num
                raise DataError(_uneven(table, line, cells, header, delimiter))
            named = {name: cell for name, cell in zip(header, cells, strict=True) if name}
            yield TableRow(passed + reader.line_num, named)
    except csv.Error as error:
        raise DataError(f"{table}, line {passed + reader.line_num}: not CSV: {error}") from error


def _beginning(text: str, columns: Sequence[str]) -> tuple[str, str, int]:
    """What parts the columns, the text from its header on, and how many lines stand before that:
    empty ones, and Excel's own that names what parts the columns.
    """
    table = text.lstrip("\r\n")
    delimiter = _delimiter(table, columns)
    if said := _SEPARATOR_LINE.match(table):
        delimiter, table = said[1], table[said.end() :].lstrip("\r\n")
    passed = text[: len(text) - len(table)]
    return delimiter, table, len(passed.splitlines())


def _uneven(
    table: Path, line: int, cells: Sequence[str], header: Sequence[str], delimiter: str
) -> str:
    start = f"{table}, line {line}: {len(cells)} cells, but the header"
    if len(header) == 1:
        return f"{start} is one cell, {header[0]!r}; the first line must name the columns"
    return f"{start} has {len(header)} columns; quote cells that contain {DELIMITERS[delimiter]}s"


def utf8_text(data: bytes, table: Path) -> str:
    """The text of a table.

    Raises:
        DataError: it is not in UTF-8, or holds a NUL byte.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:2]:
        raise DataError(f"{table} is UTF-16; save the table as UTF-8")
    if (place := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, place) + 1
        raise DataError(f"{table}, line {line}: holds a NUL byte; save the table as text in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{table}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x}); "
            "save the table as UTF-8"
        ) from error


def _delimiter(text: str, columns: Sequence[str]) -> str:
    """What parts the columns: a comma, unless another makes more of the header known columns."""
    first = text.partition("\n")[0].strip("\r")
    known = {normal(column) for column in columns}

    def found(delimiter: str) -> int:
        return sum(normal(name.strip('"')) in known for name in first.split(delimiter))

    return max(DELIMITERS, key=found) if known else ","


def _header(names: list[str], columns: Sequence[str], table: Path) -> list[str]:
    """The names of the columns, those of `columns` as they are spelt there."""
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{table}: {len(names):,} columns; at most {MAX_COLUMNS:,}")
    ours = {normal(column): column for column in columns}
    header = [ours.get(normal(name), name.strip()) for name in names]
    counts = Counter(normal(name) for name in header if name)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        places = {
            name: [place for place, each in enumerate(header, 1) if normal(each) == name]
            for name in twice
        }
        told = [f"{name!r} (columns {numbers})" for name, numbers in places.items()]
        several = "; images after the first stand in file_2, file_3, ..." * ("file" in places)
        raise DataError(
            f"{table}: the header names a column twice: {listing(told)}; remove or rename one"
            f"{several}"
        )
    return header


def require_columns(rows: Sequence[TableRow], needed: Sequence[str], table: Path) -> None:
    """Raise where the table has no line, or lacks one of the `needed` columns.

    Raises:
        DataError: it does.
    """
    if not rows:
        raise DataError(f"{table} has no line below its header; it must list the images")
    present = rows[0].cells
    for column in needed:
        if column in present:
            continue
        if len(present) == 1:
            (only,) = present
            raise DataError(
                f"{table} has no column {column!r}, but one column {only!r}; commas, semicolons or "
                "tabs part columns"
            )
        raise DataError(f"{table} has no column {column!r}; {suggest(column, present)}")


def json_rows(data: bytes, table: Path, columns: Sequence[str] = ()) -> Iterator[TableRow]:
    """The lines of a file with one JSON object a line, its values as text; a key is taken for one
    of `columns` whatever its case and blanks.

    Raises:
        DataError: a line is no JSON object, or names a column twice.
    """
    for line, text in enumerate(lines_of(utf8_text(data, table)), start=1):
        if not text.strip():
            continue
        try:
            value = json_value(text)
        except NotationError as error:
            raise DataError(f"{table}, line {line}: not JSON ({error})") from error
        if not isinstance(value, dict):
            raise DataError(f"{table}, line {line}: not a JSON object")
        try:
            keys = _header(list(value), columns, table)
        except DataError as error:
            raise DataError(f"{error} (line {line})") from error
        yield TableRow(line, dict(zip(keys, map(_cell, value.values()), strict=True)))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "|".join(map(_cell, value))
    return value if isinstance(value, str) else json.dumps(value)
