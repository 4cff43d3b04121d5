"""Sizes seen: how small a thing a row still sees, as the pages' data have it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from resolution_eval.board.board_schema import Curve
from resolution_eval.board.site.siblings import DIGITS
from resolution_eval.statistics.intervals import Interval


def seen_sizes(runs: Sequence[Curve]) -> list[dict[str, Any]]:
    """Of every run whose answers say what had to be seen: the kind of thing, and per resolution the
    size in pixels of the stored image, and at the encoder, at which half is seen.
    """
    return [sizes for run in runs if (sizes := _of_run(run)) is not None]


def _of_run(run: Curve) -> dict[str, Any] | None:
    if run.sizes is None:
        return None
    kind = run.sizes.main
    cells = {
        cell.resolution: {
            "said": cell.unseen or _beyond(kind.threshold(cell.resolution)),
            "size": _ends(kind.threshold(cell.resolution)),
            "encoder": _ends(kind.at_encoder(cell.resolution)),
        }
        for cell in kind.cells
    }
    return {"kind": kind.kind, "cells": cells}


def _beyond(size: Interval | None) -> str | None:
    """What stands in place of a size beyond those that were shown."""
    if size is None or 0 < size.estimate < math.inf:
        return None
    return "below the smallest" if size.estimate == 0 else "not reached"


def _ends(size: Interval | None) -> list[float | None] | None:
    """Estimate and interval; None for an end beyond the largest that was shown."""
    if size is None:
        return None
    ends = (size.estimate, size.low, size.high)
    return [round(end, DIGITS) if math.isfinite(end) else None for end in ends]
