"""How commands print: JSON, and aligned rows."""

from __future__ import annotations

from collections.abc import Mapping


def as_json(document: object) -> str:
    """JSON, of dataclasses too, with two spaces of indent; what is not finite is refused."""
    import json
    from dataclasses import asdict

    return json.dumps(document, indent=2, allow_nan=False, default=asdict)


def aligned(heading: str, rows: Mapping[str, Mapping[str, float | None]]) -> str:
    """The rows as an aligned table, four decimals."""
    from tabulate import tabulate

    table = [{heading: name, **figures} for name, figures in rows.items()]
    return tabulate(table, headers="keys", floatfmt=".4f", missingval="-")
