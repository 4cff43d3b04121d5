"""Notation: JSON, TOML and YAML that a stranger may have written, as plain values.

One reader of each, for every file that this package reads. Refused are a key that stands twice in
one table (the last would win in silence), a number that is not finite, nesting beyond `MAX_DEPTH`,
and a text that would become more than its reader allows: counted before anything is built.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator
from typing import Any, NoReturn

BOM = "\ufeff".encode()
"""What some programs write before UTF-8, and JSON has no place for."""
MAX_DEPTH = 64
"""Deepest nesting of lists and tables."""
MAX_TABLES = 1_000_000
"""Most lists and tables of one JSON text: each takes about 100 bytes of memory."""
MAX_VALUES = 8_000_000
"""Most values of one JSON text."""
MAX_CARD = 2**18
"""Longest TOML text, in characters; the longest card has about 6,000."""
MAX_NODES = 100_000
"""Most values of a YAML text, each alias counted as all that it stands for."""
LARGEST = 10**30
"""Largest whole number: a longer one is an error of another kind wherever it is printed, or made a
fraction."""

_LONG = re.compile(r"\d{31}")
_NOT_FINITE = re.compile(r"[:\[,]\s*-?(?:NaN|Infinity)")


class NotationError(ValueError):
    """A text is not in its notation, is ambiguous, or would become too much."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        self.message, self.line, self.column = message, line, column
        place = "" if line is None else f"line {line}: "
        super().__init__(place + message)


def json_value(text: str | bytes) -> Any:
    """The value that the JSON `text` holds.

    Raises:
        NotationError: it is no JSON in UTF-8, has a key twice in one object, a number that is not
            finite or half a character, is nested too deeply, or holds too many values.

    Example:
        >>> json_value('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        resolution_eval.ground.notation.NotationError: line 1: the key 'a' stands twice in one object
    """  # noqa: E501
    text = _decoded(text)
    _refuse_too_many(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_table,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_whole if _LONG.search(text) else None,
        )
    except _RepeatedError as error:
        raise NotationError(str(error), _line_of_second(text, error.key)) from None
    except json.JSONDecodeError as error:
        raise NotationError(f"not JSON ({error.msg})", error.lineno, error.colno) from error
    except RecursionError as error:
        raise NotationError(f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise NotationError(str(error), _line_of_number(text)) from error
    _refuse_depth(text, value)
    return value


def json_table(text: str | bytes) -> dict[str, Any] | None:
    """The object that the JSON `text` holds; None where it holds none, or is no JSON."""
    try:
        value = json_value(text)
    except NotationError:
        return None
    return value if isinstance(value, dict) else None


def lines_of(text: str) -> list[str]:
    """The lines of a text with one JSON value on each: a line ends with a line feed alone, since
    JSON allows within a text what Python also takes for an end (U+2028, U+0085).
    """
    return text.split("\n")


def toml_table(text: str) -> dict[str, Any]:
    """The table that the TOML `text` holds; TOML itself has no key twice.

    Raises:
        NotationError: it is no TOML, too long, holds a number that is not finite or longer than any
            count, or is nested too deeply.
    """
    if len(text) > MAX_CARD:
        raise NotationError(f"longer than {MAX_CARD} characters")
    try:
        table = tomllib.loads(text, parse_float=_finite)
    except ValueError as error:  # one that is no TOMLDecodeError is a number of too many digits
        raise NotationError(f"not TOML: {error}") from error
    except RecursionError as error:
        raise NotationError(f"nested deeper than {MAX_DEPTH} levels") from error
    _refuse_depth(text, table)
    _refuse_numbers(table)
    return table


def yaml_value(text: str | bytes) -> Any:
    """The value that the YAML `text` holds, of plain types alone.

    Raises:
        NotationError: it is no YAML in UTF-8, has a key twice in one mapping or one that is no text
            (`1`, `01` and `true` may be the same), holds a number that is not finite or longer than
            any count, is nested too deeply, or its aliases stand for too much.
    """
    import yaml

    try:
        text = _decoded(text)
        if text.count(",") + text.count("\n") > MAX_NODES:
            raise NotationError(f"stands for more than {MAX_NODES:,} values")
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _refuse_expansion(node)
            document = loader.construct_document(node)
            _refuse_numbers(document)
            return document
        finally:
            loader.dispose()
    except RecursionError as error:
        raise NotationError(f"nested deeper than {MAX_DEPTH} levels") from error
    except NotationError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        # a ValueError is a date, or a number, that is none
        mark = getattr(error, "problem_mark", None)
        said = " ".join(str(error).split())
        raise NotationError(f"not YAML ({said})", mark.line + 1 if mark else None) from error


class _RepeatedError(Exception):
    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the key {key[:80]!r} stands twice in one object")


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a table, in which no key stands twice."""
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedError(key)
            seen.add(key)
    return table


def _decoded(text: str | bytes) -> str:
    """`text` as characters that can also be written again: UTF-8, no lone surrogates."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotationError(f"not UTF-8 at byte {error.start}") from error
    if "\\ud" in text or "\\uD" in text:
        _refuse_surrogates(text)
    return text


def _refuse_surrogates(text: str) -> None:
    high = r"\\u[dD][89abAB][0-9a-fA-F]{2}"
    low = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rest = re.sub(high + low, "", text.replace(r"\\", ""))
    if re.search(f"{high}|{low}", rest):
        raise NotationError("holds half a character (a lone surrogate escape)")


def _refuse_too_many(text: str) -> None:
    """Refuse more brackets or commas than its values may have, those within texts counted too."""
    tables = text.count("[") + text.count("{")
    values = tables + text.count(",")
    if tables > MAX_TABLES or values > MAX_VALUES:
        raise NotationError(
            f"holds {tables:,} lists and tables and {values:,} values; at most {MAX_TABLES:,} and "
            f"{MAX_VALUES:,}"
        )


def _refuse_numbers(value: Any) -> None:
    """Refuse a number anywhere in `value` that is not finite, or longer than any count."""
    waiting, seen = [value], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list | tuple | set):
            if id(one) not in seen:  # an alias is the very thing that it stands for
                seen.add(id(one))
                waiting += one.values() if isinstance(one, dict) else one
        elif isinstance(one, float) and not math.isfinite(one):
            raise NotationError(f"holds {one}, which is not a number")
        elif isinstance(one, int) and abs(one) > LARGEST:
            raise NotationError(f"holds a number above {LARGEST:.0e}")


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) > LARGEST:
        raise ValueError(f"holds a number above {LARGEST:.0e}")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}, which is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"holds {text}, which is too large for a number")
    return number


def _line_of_number(text: str) -> int:
    """Line of the first number that is not finite (1 where it is one that overflows)."""
    match = _NOT_FINITE.search(text)
    return 1 if match is None else text.count("\n", 0, match.end()) + 1


def _line_of_second(text: str, key: str) -> int | None:
    """Line of the key's second mention: where it stands twice, or near it."""
    mentions = [match.end() for match in re.finditer(re.escape(json.dumps(key)) + r"\s*:", text)]
    return text.count("\n", 0, mentions[1]) + 1 if len(mentions) > 1 else None


def _refuse_depth(text: str, value: Any) -> None:
    """Refuse deep nesting; only a text with that many brackets, or dots, is walked."""
    if text.count("[") + text.count("{") + text.count(".") <= MAX_DEPTH:
        return
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise NotationError(f"nested deeper than {MAX_DEPTH} levels")


def _children(value: Any) -> Iterator[Any]:
    inside = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        yield from (child for child in inside if isinstance(child, dict | list))


def _refuse_expansion(root: Any) -> None:
    """Refuse a YAML text whose aliases stand for more than `MAX_NODES` values, or for themselves,
    and a mapping with a key twice.
    """
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Any, depth: int) -> int:
        if id(node) in open_nodes:
            raise NotationError("an alias stands for what it is part of", _line(node))
        if depth > MAX_DEPTH:
            raise NotationError(f"nested deeper than {MAX_DEPTH} levels", _line(node))
        if id(node) not in sizes:
            open_nodes.add(id(node))
            total = 1 + sum(size(child, depth + 1) for child in _nodes_of(node))
            if total > MAX_NODES:
                raise NotationError(f"stands for more than {MAX_NODES:,} values", _line(node))
            open_nodes.discard(id(node))
            sizes[id(node)] = total
        return sizes[id(node)]

    size(root, 0)


def _nodes_of(node: Any) -> Iterator[Any]:
    """What a YAML node holds, keys too; a mapping's keys are looked at on the way."""
    if node.id == "sequence":
        yield from node.value
    if node.id == "mapping":
        seen: set[str] = set()
        for key, value in node.value:
            if key.tag not in _KEYS:
                raise NotationError("a key is no text; put it in quotes", _line(key))
            if key.value in seen:
                raise NotationError(
                    f"the key {key.value!r} stands twice in one mapping", _line(key)
                )
            seen.add(key.value)
            yield key
            yield value


_KEYS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
"""What a key of a YAML mapping may be: a text, or `<<`."""


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def unambiguous(text: str | bytes) -> str:
    """The JSON `text` itself, once `json_value` has read it: for a schema that parses on its own,
    and would let the last of two equal keys win.

    Raises:
        NotationError: as `json_value`.
    """
    text = _decoded(text)
    json_value(text)
    return text
