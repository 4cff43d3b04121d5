"""What pydantic refuses, said to whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from resolution_eval.ground.errors import suggest

if TYPE_CHECKING:
    from pydantic import ValidationError

_NEEDED = {"tuple_type": "a list", "list_type": "a list", "dict_type": "keys and values"}


def told(error: ValidationError, keys: Iterable[str]) -> list[str]:
    """Each fault in one clause, unknown keys first; `keys` are those that a key could mean."""
    known = list(keys)
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    return [clause(fault, known) for fault in faults]


def clause(fault: Mapping[str, Any], keys: Iterable[str]) -> str:
    """One of pydantic's faults: where, what was found, and what was needed."""
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return f"there is no key {where!r}; {suggest(str(fault['loc'][-1]), keys)}"
    if fault["type"] == "missing":
        return f"{where}: this key is missing"
    said = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in _NEEDED:
        said = f"needs {_NEEDED[fault['type']]}"
    elif fault["type"] == "string_pattern_mismatch":
        said = f"needs the form {fault['ctx']['pattern']}"
    elif fault["type"] == "literal_error" and isinstance(fault["input"], str):
        options = fault["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return f"{where}: there is no {fault['input']!r}; {suggest(fault['input'], options)}"
    if fault["type"] != "value_error" and isinstance(fault["input"], str | int | float):
        said += f", found {str(fault['input'])[:60]!r}"
    return f"{where}: {said}" if where else said
