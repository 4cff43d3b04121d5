"""Probes: what the behavioural probes of a record say of each of its cells.

A probe of images of E pixels that found them kept speaks of every cell that sends no larger ones: a
server that keeps E keeps them too. One that found anything else speaks of the cell of E alone: a
server that makes 448 px coarser may well keep 112. A probe is a lower bound, and stands beside what
was predicted and counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from resolution_eval.data.acuity.probe import Outcome, outcome_of
from resolution_eval.records import Cell, Record

WORDS: Mapping[Outcome, str] = {
    "coarser": "probed: coarser than sent",
    "undecided": "probed: undecided",
    "blind": "probed: chart not seen",
    "finer": "probed",
}
"""What a cell is called whose probes found so, the worst first: it has the word of its worst."""
MEANING = (
    "Probed: before the run or after it, the model was seen to tell details apart that images of "
    "that size made coarser cannot hold; a lower bound, and no count."
)
_SENTENCE = re.compile(r"(\d+) px: (.*)", re.DOTALL)


def probed(record: Record, cell: Cell) -> str | None:
    """What the probes that speak of the cell found, in a word; None where none does."""
    own = _edge(cell)
    outcomes = {
        outcome
        for edge, outcome in _probes(record)
        if own == edge or (outcome == "finer" and own < edge)
    }
    return next((word for outcome, word in WORDS.items() if outcome in outcomes), None)


def _probes(record: Record) -> list[tuple[int, Outcome]]:
    """Edge in pixels and outcome of each probe whose sentence says them."""
    probes = []
    for said in record.checkpoint.probes:
        parts = _SENTENCE.fullmatch(said)
        outcome = None if parts is None else outcome_of(parts[2])
        if parts is not None and outcome is not None:
            probes.append((int(parts[1]), outcome))
    return probes


def _edge(cell: Cell) -> float:
    """Edge in pixels of the square of as many pixels as the cell's images have, the largest."""
    if cell.resolution.isdecimal():
        return int(cell.resolution)
    asked = [grid.asked for grid in cell.grids if grid.asked is not None]
    whole = bool(asked) and not cell.other_grids
    return max(math.sqrt(high * wide) for high, wide in asked) if whole else math.inf
