"""Cells: what the answers at one resolution add up to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from resolution_eval.answers.thinking import is_cut
from resolution_eval.records.answer_table import KEY, Answers, CellKey
from resolution_eval.records.schema import (
    Cell,
    CellCost,
    CellStatus,
    Disagreement,
    FailedSample,
    Grid,
    JudgeCounts,
    Serving,
    Tokens,
)
from resolution_eval.statistics.curves import balanced_accuracy

MAX_GRIDS = 8
MAX_EVIDENCE = 4
MAX_FAILURES = 100
MAX_NAMES = 8
"""Names, and disagreements, that a cell lists of the servers that answered it."""
MAX_CLASSES = 64
"""A task with more different targets is not a classification: it has no per-class figures."""

WEAKEST_FIRST: tuple[CellStatus, ...] = ("unattested", "predicted", "counted")
"""What is known of a cell's grids, by its weakest sample."""

Row = Mapping[str, Any]


def cells(answers: Answers) -> tuple[Cell, ...]:
    """The cells of `answers`, in order of resolution; one cell's rows are in memory at once."""
    groups, names = answers.groups(), answers.column("sample")
    samples: dict[tuple[str, str, str], set[str]] = {}
    for key, numbers in groups.items():
        samples.setdefault(key.setting, set()).update(names[i] for i in numbers)
    return tuple(
        _cell(key, answers.rows(numbers), len(samples[key.setting]))
        for key, numbers in groups.items()
    )


def failures(answers: Answers) -> tuple[FailedSample, ...]:
    """The first hundred samples without a verdict."""
    failed = (row for row in answers.each() if row["correct"] is None)
    return tuple(
        FailedSample(
            sample=row["sample"],
            resolution=row["resolution"],
            kind=row["failure_kind"] or "unknown",
            message=row["failure_message"] or "",
        )
        for row in islice(failed, MAX_FAILURES)
    )


def _cell(key: CellKey, rows: Sequence[Row], samples: int) -> Cell:
    """The cell of `rows`; `samples` are as many as any cell of its setting holds."""
    scored = [row for row in rows if row["correct"] is not None]
    statuses = Counter(row["status"] for row in rows)
    failed = len(rows) - len(scored)
    grids, other = _grids(rows)
    correct = sum(row["correct"] for row in scored)
    return Cell(
        **{name: getattr(key, name) for name in KEY},
        status=_status(statuses, failed + samples - len(rows)),
        n=len(rows),
        correct=correct,
        failed=failed,
        missing=samples - len(rows),
        unparseable=sum(row["prediction"] is None for row in scored),
        cut=sum(any(map(is_cut, row["notes"] or ())) for row in scored),
        **{status: statuses[status] for status in ("mismatched", *WEAKEST_FIRST)},
        capped=sum(row["capped"] for row in rows),
        accuracy=correct / len(scored) if scored else None,
        balanced_accuracy=_balanced(scored),
        f1=_f1(scored),
        judged=_judged(rows),
        source_edge=_source_edge(rows),
        grids=grids,
        other_grids=other,
        visual_tokens=tokens([row["visual_tokens"] for row in rows]),
        generated_tokens=tokens([row["generated_tokens"] for row in rows]),
        cost=cost(rows),
        serving=serving(rows),
        evidence=_evidence(scored),
    )


def cost(rows: Iterable[Row]) -> CellCost | None:
    """What answering `rows` took; None where this run answered none of them itself."""
    timed = [(row["seconds"], row["peak_memory"]) for row in rows if row["seconds"] is not None]
    if not timed:
        return None
    seconds = math.fsum(spent for spent, _ in timed)
    peaks = [peak for _, peak in timed if peak is not None]
    return CellCost(
        timed=len(timed),
        seconds=seconds,
        samples_per_second=len(timed) / seconds if seconds else None,
        peak_memory=max(peaks, default=None),
    )


def _status(statuses: Mapping[str, int], absent: int) -> CellStatus:
    if statuses["mismatched"]:
        return "mismatched"
    if absent:
        return "incomplete"
    for word in WEAKEST_FIRST:
        if statuses[word]:
            return word
    return "complete"


def _f1(scored: Sequence[Row]) -> float | None:
    known = [row["f1"] for row in scored if row["f1"] is not None]
    return min(1.0, math.fsum(known) / len(known)) if known else None


def _judged(rows: Sequence[Row]) -> JudgeCounts | None:
    """What judges said of the answers; None where none was asked."""
    asked = [row for row in rows if row["judge"] is not None]
    if not asked:
        return None
    said = [row["judged"] for row in asked if row["judged"] is not None]
    return JudgeCounts(
        judges=tuple(sorted({row["judge"] for row in asked})),
        models=tuple(sorted({row["judge_model"] for row in asked} - {None})),
        asked=len(asked),
        failed=len(asked) - len(said),
        correct=sum(said),
        accuracy=sum(said) / len(said) if said else None,
    )


def _balanced(scored: Sequence[Row]) -> float | None:
    """Mean recall; what was counted as right is right, whatever the prediction's spelling."""
    targets = [row["target"] for row in scored]
    is_open = any(row["form"] == "open" for row in scored)
    if not targets or is_open or len(set(targets)) > MAX_CLASSES:
        return None
    read = [row["target"] if row["correct"] else None for row in scored]
    return balanced_accuracy(targets, read)


def _source_edge(rows: Sequence[Row]) -> float | None:
    pixels = [
        one["source_width"] * one["source_height"]
        for row in rows
        for one in row["images"] or [row]
        if one["source_width"] is not None
    ]
    return math.sqrt(sum(pixels) / len(pixels)) if any(pixels) else None


def _grids(rows: Sequence[Row]) -> tuple[tuple[Grid, ...], int]:
    """The most frequent grids, and how many samples have another one; failed samples have none."""
    names = ("expected_height", "expected_width", "grid_height", "grid_width")
    each = [tuple(row[name] for name in names) for row in rows if row["correct"] is not None]
    grids = tuple(
        Grid(expected_height=eh, expected_width=ew, height=h, width=w, samples=number)
        for (eh, ew, h, w), number in _frequent(each, MAX_GRIDS)
    )
    return grids, len(each) - sum(grid.samples for grid in grids)


def _frequent(
    values: Iterable[Any], most: int, order: Callable[[Any], Any] = str
) -> list[tuple[Any, int]]:
    """The most frequent of `values` and how often they stand there; of equals in order."""
    counts = Counter(values)
    return sorted(counts.items(), key=lambda item: (-item[1], order(item[0])))[:most]


def _evidence(scored: Sequence[Row]) -> tuple[str, ...]:
    texts = _frequent((row["evidence"] for row in scored), MAX_EVIDENCE)
    return tuple(text[:200] for text, _ in texts)


def serving(rows: Sequence[Row]) -> Serving | None:
    """What the server and the rule say of `rows`; None where no server answered."""
    known = [row for row in rows if row["attempts"] is not None]
    if not known:
        return None
    return Serving(
        rules=_names(known, "rule"),
        counted_by=_names(known, "counted_by"),
        models=_names(known, "server_model"),
        fingerprints=_names(known, "server_fingerprint"),
        predicted_tokens=tokens([row["predicted_most"] for row in known]),
        counted_tokens=tokens([row["counted_tokens"] for row in known]),
        disagreements=_disagreements(known),
        sent_bytes=tokens([row["sent_bytes"] for row in known]),
        retried=sum(row["attempts"] > 1 for row in known),
    )


def tokens(counts: Sequence[int | None]) -> Tokens | None:
    """Least, mean and most of those that are known; None where none is."""
    known = [count for count in counts if count is not None]
    if not known:
        return None
    return Tokens(least=min(known), mean=sum(known) / len(known), most=max(known))


def _names(rows: Sequence[Row], column: str) -> tuple[str, ...]:
    known = (row[column] for row in rows if row[column] is not None)
    return tuple(name for name, _ in _frequent(known, MAX_NAMES))


def _disagreements(rows: Sequence[Row]) -> tuple[Disagreement, ...]:
    each = (
        (row["counted_tokens"], row["predicted_least"], row["predicted_most"])
        for row in rows
        if row["status"] == "mismatched"
        and row["counted_tokens"] is not None
        and row["predicted_least"] is not None
    )
    return tuple(
        Disagreement(counted=counted, least=least, most=most, samples=samples)
        for (counted, least, most), samples in _frequent(each, MAX_NAMES, order=tuple)
    )
