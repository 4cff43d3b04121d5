"""Sizes: from a sweep's answers, with what had to be seen in each, to figures by size."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from pydantic import ValidationError

from resolution_eval.analysis.sweeps import Sweep, TaskSweeps
from resolution_eval.evidence.details import Detail
from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.notation import NotationError, unambiguous
from resolution_eval.statistics.bysize import BySize, SizeCell
from resolution_eval.statistics.psychometric import Trials

SEED = 20_261_127
"""Of every resample: the same answers give the same figures."""
TOGETHER = "all together"
"""All kinds but the controls."""
Row = Mapping[str, Any]
FEWEST = 10
"""Fewest images without a finding from which false alarms are counted."""
MOST_ALARMS = 0.95
"""Most false alarms at which a right answer still says something."""


@dataclass(frozen=True, eq=False)
class Sizes:
    """Figures by size of one sweep."""

    name: str
    """Of the sweep."""
    chart: bool
    """Whether the things are optotypes, so that cycles per image have a meaning."""
    side: float | None
    """Edge of the stored images in pixels, where all have the same."""
    kinds: tuple[BySize, ...]
    """All together first, where there are several kinds."""
    controls: frozenset[str]
    """Names of the kinds that are controls."""
    left_out: int
    """Answers whose thing has no known size or no known chance."""
    tiled: bool
    """Whether images were cut into tiles, so that no one scale leads to the encoder."""

    @cached_property
    def main(self) -> BySize:
        """What the figures show: all together, or where that is no one curve at some resolution,
        the kind, no control, that is seen at the most resolutions.
        """
        first = self.kinds[0]
        others = [kind for kind in self.kinds[1:] if kind.kind not in self.controls]
        if not others or all(p >= ONE_CURVE for p in first.misfits.values()):
            return first
        return max(others, key=lambda kind: len(kind.source.fits))


ONE_CURVE = 0.01
"""Least probability of a fit as bad at which all together pass for one curve."""


@lru_cache(maxsize=8)
def task_sizes(task: TaskSweeps) -> tuple[Sizes, ...]:
    """Figures by size of the sweeps whose answers say what had to be seen."""
    return tuple(one for one in map(sizes, task.sweeps) if one is not None)


def sizes(sweep: Sweep) -> Sizes | None:
    """Figures by size; None where no answer says what had to be seen.

    Raises:
        RecordError: a detail breaks its schema.
    """
    details = sweep.record.answers.table.column("detail")
    if details.null_count == len(details):
        return None
    rows = [row for row in _rows(sweep) if row["correct"] is not None]
    known = [(row, _detail(row)) for row in rows if row["detail"]]
    used = _with_alarms(known, [row for row in rows if not row["detail"]])
    if not used:
        return None
    sides = {(row["source_width"], row["source_height"]) for row, _ in used}
    side = next(iter(sides))[0] if len(sides) == 1 else None
    return Sizes(
        name=sweep.name,
        chart=sweep.record.dataset.source == "acuity",
        side=side,
        kinds=tuple(_kinds(sweep, used)),
        controls=frozenset(detail.kind for _, detail in used if detail.control),
        left_out=len(rows) - len(used),
        tiled=any((row["tiles"] or 1) > 1 for row, _ in used),
    )


def _rows(sweep: Sweep) -> list[Row]:
    keys = {cell.key for cell in sweep.cells}
    every = sweep.record.answers.rows()
    groups = sweep.record.answers.groups()
    return [every[i] for key, places in groups.items() if key in keys for i in places]


def _detail(row: Row) -> Detail:
    try:
        return Detail.model_validate_json(unambiguous(row["detail"]))
    except (ValidationError, NotationError) as error:
        raise RecordError(f"sample {row['sample']!r}: its detail breaks the schema") from error


def _with_alarms(
    known: Sequence[tuple[Row, Detail]], others: Sequence[Row]
) -> list[tuple[Row, Detail]]:
    """The answers with what a guess was worth, where the data has images without a finding too.

    Whoever says yes to everything finds everything. So the chance of a right answer about a finding
    is then the share of images without one, at the same resolution, that got the same answer; where
    that is nearly all of them, the answer says nothing of seeing and is left out.

    An image without a known finding whose right answer is that about one of them has a finding too,
    which nobody measured: it is no image without one.
    """
    findings = {row["target"] for row, detail in known if detail.present}
    said: dict[str, Counter[str | None]] = defaultdict(Counter)
    for row in others:
        if row["target"] not in findings:
            said[row["resolution"]][row["prediction"]] += 1
    used = []
    for row, detail in known:
        counts = said.get(row["resolution"], Counter())
        if counts.total() < FEWEST:
            used += [(row, detail)] if detail.chance is not None else []
            continue
        chance = counts[row["target"]] / counts.total()
        if chance <= MOST_ALARMS:
            used.append((row, detail.model_copy(update={"chance": chance})))
    return used


def _kinds(sweep: Sweep, used: Sequence[tuple[Row, Detail]]) -> list[BySize]:
    groups: dict[str, list[tuple[Row, Detail]]] = defaultdict(list)
    for row, detail in used:
        groups[detail.kind].append((row, detail))
    together = [(row, detail) for row, detail in used if not detail.control]
    named = {TOGETHER: together} if together and len(groups) > 1 else {}
    return [
        BySize(kind, _cells(sweep, members), SEED) for kind, members in {**named, **groups}.items()
    ]


def _cells(sweep: Sweep, members: Sequence[tuple[Row, Detail]]) -> list[SizeCell]:
    groups: dict[str, list[tuple[Row, Detail]]] = defaultdict(list)
    for row, detail in members:
        groups[row["resolution"]].append((row, detail))
    return [_cell(name, groups[name]) for name in sweep.resolutions if name in groups]


def _cell(resolution: str, here: Sequence[tuple[Row, Detail]]) -> SizeCell:
    scales = [encoder_scale(row) for row, _ in here]
    limits = [_limit(row) for row, _ in here]
    known = [limit for limit in limits if limit is not None]
    return SizeCell(
        resolution=resolution,
        source=_trials(here, [1.0] * len(here)),
        scale=scales[0] if len(set(scales)) == 1 else None,
        encoder=None if None in scales else _trials(here, [scale or 1.0 for scale in scales]),
        limit=float(np.mean(known)) if len(known) == len(here) else None,
    )


def _trials(here: Sequence[tuple[Row, Detail]], scales: Sequence[float]) -> Trials:
    return Trials(
        size=np.array([one[1].size * scale for one, scale in zip(here, scales, strict=True)]),
        right=np.array([float(row["correct"]) for row, _ in here]),
        chance=np.array([detail.chance for _, detail in here], dtype=float),
        clusters=[row["cluster"] for row, _ in here],
    )


def encoder_scale(row: Row) -> float | None:
    """Pixels at the encoder per pixel of the stored image, from the grid that was read.

    None where nobody read it, where there was no image, and where the image was cut into tiles,
    which overlap or show it twice.
    """
    edges = [row[name] for name in ("grid_width", "grid_height", "source_width", "source_height")]
    if not all(edges) or (row["tiles"] or 1) > 1:
        return None
    grid_width, grid_height, width, height = edges
    return math.sqrt(grid_width * grid_height / (width * height))


def _limit(row: Row) -> float | None:
    """Half of the finest period that content and grid can hold, in pixels of the stored image."""
    scale = encoder_scale(row)
    edges = [row[n] for n in ("information_width", "information_height")]
    if scale is None or not all(edges):
        return None
    content = math.sqrt(edges[0] * edges[1] / (row["source_width"] * row["source_height"]))
    return 1 / min(scale, content)
