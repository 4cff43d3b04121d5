"""JSON that strangers wrote: bounded in size and depth, finite numbers only; each refusal is a
`RecordError` that names the file and, where there is one, the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.lines import line_at
from resolution_eval.ground.notation import NotationError, json_value

MAX_DOCUMENT = 64 * 2**20
"""Largest JSON document read, in bytes; lmms-eval's results of a hundred tasks take about 1 %."""
MAX_LINE = 16 * 2**20
"""Longest line of a samples file read, in bytes."""
MAX_LINES = 10_000_000


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


class Document(BaseModel):
    """Frozen; refused are an unknown key, another type, and a number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Form = TypeVar("Form", bound=Document)


def read_as(form: type[Form], path: Path) -> Form:
    """The document in the file `path`, read strictly.

    Raises:
        RecordError: as `read_document`, or breaking the schema of `form`; line and key are named.
    """
    content = read_document(path)
    try:
        return form.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        line = line_at(path.read_text(encoding="utf-8"), fault["loc"])
        raise RecordError(f"{path}, line {line}: {place}: {fault['msg']}") from error


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
    try:
        value = json_value(data)
    except NotationError as error:
        known = first_line is not None and error.line is not None
        place = f", line {error.line}" if known else ""
        place += f", column {error.column}" if error.column is not None else ""
        raise RecordError(f"{where}{place}: {error.message}") from error
    if not isinstance(value, dict):
        raise RecordError(f"{where}: expected a JSON object, found {type(value).__name__}")
    return value
