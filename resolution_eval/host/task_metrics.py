"""The rows of the table that lmms-eval prints: one function per figure, over all samples of a task.

A cell is the samples of one resolution. Where a cell is not what was asked for, its row says so in
words instead of showing a number that could be taken for it, and figures that would use it are
withheld.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.host.tally import TOLD
from resolution_eval.resolution import (
    NATIVE,
    MicronsPerPixel,
    Resolution,
    TrainingResolution,
    ascending,
    label,
    parse_resolution,
)
from resolution_eval.statistics import curves

Item = Mapping[str, Any]


def accuracy(cell: Sequence[Item]) -> float | str:
    """Mean score of one cell (accuracy; exact match or F1 of open questions), or what is wrong.

    Example:
        >>> accuracy([{"score": 1.0, "status": "attested"}, {"score": 0.0, "status": "attested"}])
        0.5
        >>> accuracy([{"score": 1.0, "status": "mismatched"}])
        '1.0000 mismatched'
        >>> accuracy([{"score": 1.0, "status": "attested"}, {"status": "failed"}])
        '1.0000 incomplete (1 of 2 failed)'
    """
    scores = [item["score"] for item in cell if "score" in item]
    if not scores:
        return f"no sample scored ({len(cell)} failed)"
    mean = sum(scores) / len(scores)
    flaw = _flaw(cell, len(cell) - len(scores))
    return f"{mean:.4f} {flaw}" if flaw else mean


def _flaw(cell: Sequence[Item], failed: int) -> str:
    """What keeps a cell's accuracy from being what was asked for; empty where nothing does."""
    if any(item["status"] == "mismatched" for item in cell):
        return "mismatched"
    return f"incomplete ({failed} of {len(cell)} failed)" if failed else ""


def area(items: Sequence[Item]) -> float | str:
    """Mean accuracy over the resolutions, trapezoid in log2 r, of the samples that have all.

    `native` has no place on the axis, since it differs from image to image: it is left out. Of µm
    per pixel, r is as their inverse: what is shown of a slide is the same at all of them.
    """
    curve = _curve([item for item in items if item["resolution"] != NATIVE])
    if isinstance(curve, str):
        return curve
    return curves.figure("area", {_place(r): accuracy for r, accuracy in curve.items()})


def _place(r: Resolution) -> int:
    """Where a resolution stands on the axis: its edge in pixels, or pixels in a metre."""
    return round(1e6 / r.value) if isinstance(r, MicronsPerPixel) else int(r)


def worst_drop(items: Sequence[Item]) -> float | str:
    """Largest fall of the accuracy below that at the training resolution (fraction of 1)."""
    curve = _curve(items)
    reference = _reference(items)
    if isinstance(curve, str):
        return curve
    return reference if isinstance(reference, _Absent) else curve[reference] - min(curve.values())


def balanced_accuracy(items: Sequence[Item]) -> float | str:
    """Mean recall over the classes, at the training resolution."""
    reference = _reference(items)
    if isinstance(reference, _Absent):
        return reference
    cell = [item for item in items if parse_resolution(item["resolution"]) == reference]
    scored = [item for item in cell if item["correct"] is not None]
    flaw = _flaw(cell, len(cell) - len(scored))
    if flaw:
        return f"withheld: acc@{label(reference)} is {flaw}"
    return curves.balanced_accuracy(
        [item["target"] for item in scored], [item["prediction"] for item in scored]
    )


def count(items: Iterable[Item]) -> int | str:
    """How many samples, over all resolutions, are so; in words where a limit made some of them.

    Example:
        >>> count([{"count": 1}, {"count": 0}])
        1
        >>> count([{"count": 1, "cut": "cut while thinking at max_new_tokens=64"}, {"count": 1}])
        '2 (1 cut while thinking at max_new_tokens=64)'
    """
    counted = list(items)
    total = sum(item["count"] for item in counted)
    cut = [item["cut"] for item in counted if item.get("cut")]
    return f"{total} ({len(cut)} {cut[0]})" if cut else total


def attestation_summary(attestations: Sequence[Item]) -> str:
    """How many samples have which status.

    Example:
        >>> attestation_summary([{"status": "attested"}, {"status": "failed"}])
        '1 attested, 1 failed'
    """
    TOLD.attestations(attestations)
    statuses = Counter(item["status"] for item in attestations)
    for item in attestations[:1]:
        outcome = (len(attestations), statuses["failed"])
        LEDGER.outcomes[str(item.get("fingerprint"))] = outcome
    return ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))


def data_summary(items: Sequence[Item]) -> str:
    """What was loaded and what was excluded, as the task's source says it of the whole data set.

    Where processes of one run found other data, that is all that is said.
    """
    prints = {item.get("fingerprint") for item in items}
    if len(prints) > 1:
        return f"no one data set: the processes of this run found {len(prints)} versions; repeat it"
    return "; ".join(sorted({item["data"] for item in items}))


def verdict_summary(verdicts: Sequence[Item]) -> str:
    """How many samples stand at how many resolutions."""
    TOLD.verdicts(verdicts)
    samples = {item["sample"] for item in verdicts}
    resolutions = {item["resolution"] for item in verdicts}
    return f"{len(samples)} samples at {len(resolutions)} resolutions"


def _curve(items: Sequence[Item]) -> dict[Any, float] | str:
    """Accuracy at each resolution over the samples scored at all of them, or why there is none."""
    scores: dict[Any, dict[str, float]] = defaultdict(dict)
    for item in items:
        if item["status"] == "mismatched":
            return f"withheld: acc@{item['resolution']} is mismatched"
        if item["correct"] is None:
            return f"withheld: acc@{item['resolution']} is incomplete"
        scores[parse_resolution(item["resolution"])][item["sample"]] = item["correct"]
    shared = set.intersection(*map(set, scores.values())) if scores else set()
    if len(scores) < 2 or not shared:
        return f"needs one sample at two resolutions, found {len(scores)} resolutions"
    return {
        resolution: sum(cell[sample] for sample in shared) / len(shared)
        for resolution, cell in sorted(scores.items(), key=lambda pair: ascending(pair[0]))
    }


class _Absent(str):
    """A sentence saying why there is no training resolution in the sweep."""


def _reference(items: Sequence[Item]) -> Resolution | _Absent:
    """The training resolution's place in the sweep, or why it has none."""
    declared = next((item["training"] for item in items if item["correct"] is not None), "unknown")
    sweep = {parse_resolution(item["resolution"]) for item in items}
    reference = TrainingResolution.parse(declared).reference(sorted(sweep, key=ascending))
    if reference is None:
        return _Absent(f"no resolution of the sweep is the training one ({declared})")
    return reference
