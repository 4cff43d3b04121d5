"""Soundness: what a cell must be for its accuracy to enter a figure; one table for every view."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Literal

from resolution_eval.records import Cell
from resolution_eval.statistics.resampling import FAILED_SHARE

Use = Literal["accuracy", "figure", "curve", "comparison"]
"""What a cell's accuracy is wanted for: itself, a figure of any kind, one over the axis of
resolutions, or one against another record's cell."""


def lacking(cell: Cell) -> int:
    """Samples without a verdict: failed, or absent though other cells of the curve have them."""
    return cell.failed + cell.missing


@dataclass(frozen=True)
class Invariant:
    """One thing that must hold of a cell, and for what."""

    broken: Callable[[Cell], str | None]
    """Why it does not hold, in words; None where it does."""
    uses: Set[Use]


def _unscored(cell: Cell) -> str | None:
    return None if cell.scored else f"no sample at {cell.resolution} has a verdict"


def _lacking(cell: Cell) -> str | None:
    without, wanted = lacking(cell), cell.n + cell.missing
    if without <= FAILED_SHARE * wanted:
        return None
    return (
        f"{without} of {wanted} samples at {cell.resolution} have no verdict, "
        f"more than {FAILED_SHARE:.0%}"
    )


def _mismatched(cell: Cell) -> str | None:
    return f"accuracy at {cell.resolution} is mismatched" if cell.status == "mismatched" else None


def _unseen(cell: Cell) -> str | None:
    seen = cell.status != "unattested" and not cell.unattested
    return None if seen else f"accuracy at {cell.resolution} is unattested"


def _unplaced(cell: Cell) -> str | None:
    if cell.resolution.isdecimal() or cell.source_edge is not None:
        return None
    return f"the size of the sources is not known, so {cell.resolution} has no place on the axis"


INVARIANTS = (
    Invariant(_unscored, {"accuracy", "figure", "curve", "comparison"}),
    Invariant(_lacking, {"accuracy", "figure", "curve", "comparison"}),
    Invariant(_mismatched, {"figure", "curve", "comparison"}),
    Invariant(_unplaced, {"curve"}),
    Invariant(_unseen, {"comparison"}),
)
"""A mismatched cell's own accuracy is shown, marked and off its line; it enters nothing else.

A cell that a rule predicted, or a server counted, is sound, and marked: what is known says that the
model saw the size asked for. It is compared with a cell of another step only where that is asked.
"""


def flaw(cell: Cell, use: Use) -> str | None:
    """Why the cell's accuracy is not used for `use`, in words; None where it is sound."""
    reasons = (each.broken(cell) for each in INVARIANTS if use in each.uses)
    return next((reason for reason in reasons if reason is not None), None)
