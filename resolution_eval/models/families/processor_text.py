"""A processor written out, to know it again by."""

from __future__ import annotations

from typing import Any


def spelling(processor: Any) -> str:
    """The processor's settings as text.

    A processor whose own text cannot be made, since a method was put among its settings, is spelled
    by its parts' classes and by what of its settings is plain.

    Example:
        >>> class Processor:
        ...     edge = 3
        ...     def __repr__(self) -> str:
        ...         raise TypeError("a method is not JSON serializable")
        >>> made = Processor()
        >>> made.edge = 4
        >>> spelling(made)
        "Processor {'edge': 4}"
    """
    try:
        return repr(processor)
    except TypeError:
        return f"{type(processor).__name__} {_plain(vars(processor))}"


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """What of the settings is no object, and the parts' own."""
    return {
        name: value if isinstance(value, PLAIN) else spelling(value)
        for name, value in sorted(settings.items())
        if not callable(value) or hasattr(value, "to_dict")
    }


PLAIN = (str, int, float, bool, list, tuple, dict, type(None))
