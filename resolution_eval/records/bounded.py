"""Reading JSON that strangers wrote: bounded in size and depth, finite numbers only.

Every refusal is a `RecordError` that names the file and, where there is one, the line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from resolution_eval.errors import RecordError

MAX_DOCUMENT = 64 * 2**20
"""Largest JSON document read, in bytes; lmms-eval's results of a hundred tasks take about 1 %."""
MAX_LINE = 16 * 2**20
"""Longest line of a samples file read, in bytes."""
MAX_LINES = 10_000_000
MAX_DEPTH = 64
"""Deepest nesting of lists and objects."""

_NOT_FINITE = re.compile(r"[:\[,]\s*-?(?:NaN|Infinity)")


def read_document(path: Path) -> dict[str, Any]:
    """The JSON object in the file `path`.

    Raises:
        RecordError: not a regular file, too large, not JSON, nested too deeply, not an object, or
            with a number that is not finite.
    """
    with _opened(path) as file:
        data = file.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise RecordError(f"{path}: larger than {MAX_DOCUMENT} bytes, too large for a results file")
    return _object(data, str(path), 1)


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number (from 1) and JSON object of every line of `path`; empty lines are passed over.

    Raises:
        RecordError: as `read_document`, with the line's number.
    """
    with _opened(path) as file:
        for number in range(1, MAX_LINES + 2):
            line = file.readline(MAX_LINE + 1)
            if not line:
                return
            if len(line) > MAX_LINE:
                raise RecordError(f"{path}, line {number}: longer than {MAX_LINE} bytes")
            if line.strip():
                yield number, _object(line.rstrip(b"\r\n"), f"{path}, line {number}", None)
    raise RecordError(f"{path}: more than {MAX_LINES} lines")


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise RecordError(f"{path}: not a regular file; pass what lmms-eval wrote")
    try:
        return path.open("rb")
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror})") from error


def _object(data: bytes, where: str, first_line: int | None) -> dict[str, Any]:
    text = _text(data, where)
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        line = "" if first_line is None else f", line {error.lineno}"
        raise RecordError(f"{where}{line}, column {error.colno}: not JSON ({error.msg})") from error
    except RecursionError as error:
        raise RecordError(f"{where}: nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        line = "" if first_line is None else f", line {_line_of(text)}"
        raise RecordError(f"{where}{line}: {error}") from error
    _check_depth(data, value, where)
    if not isinstance(value, dict):
        raise RecordError(f"{where}: expected a JSON object, found {type(value).__name__}")
    return value


def _text(data: bytes, where: str) -> str:
    """`data` as text that can also be written again: UTF-8, no lone surrogates in its escapes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"{where}: not UTF-8 at byte {error.start}") from error
    if "\\ud" in text or "\\uD" in text:
        _check_surrogates(text, where)
    return text


def _check_surrogates(text: str, where: str) -> None:
    high = r"\\u[dD][89abAB][0-9a-fA-F]{2}"
    low = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rest = re.sub(high + low, "", text.replace(r"\\", ""))
    if re.search(f"{high}|{low}", rest):
        raise RecordError(f"{where}: holds half a character (a lone surrogate escape)")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}, which is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"holds {text}, which is too large for a number")
    return number


def _line_of(text: str) -> int:
    """Line of the first number that is not finite (1 where it is one that overflows)."""
    match = _NOT_FINITE.search(text)
    return 1 if match is None else text.count("\n", 0, match.end()) + 1


def _check_depth(data: bytes, value: Any, where: str) -> None:
    """Refuse deep nesting; only data with that many brackets are walked."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise RecordError(f"{where}: nested deeper than {MAX_DEPTH} levels")


def _children(value: Any) -> list[Any]:
    children = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    return [child for child in children if isinstance(child, dict | list)]
