"""What classes that we did not write raise when they cannot take what they are given."""

from __future__ import annotations

from huggingface_hub.errors import StrictDataclassError
from jinja2 import TemplateError

from resolution_eval.ground.errors import ModelError

FOREIGN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    ModelError,
    NameError,
    RuntimeError,
    StrictDataclassError,
    TemplateError,
    TypeError,
    ValueError,
)
"""Errors of an unknown processor, model or chat template that mean "not this way", and ours of what
they made. Others (a disk that is full, an interruption) say nothing of the way that was tried.
"""
LONGEST = 160
"""Characters of an error that are told."""


def reason_of(error: Exception) -> str:
    """An error in one clause.

    Example:
        >>> reason_of(KeyError("input_ids"))
        "KeyError: 'input_ids'"
    """
    said = " ".join(str(error).split())
    kind = "" if isinstance(error, ModelError) else f"{type(error).__name__}: "
    return f"{kind}{said[:LONGEST]}"
