"""Tables of docs/study.md from the checkpoints' folders (cost) and from records (sight)."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from resolution_eval.records import read_record

Document = Mapping[str, Any]
Row = list[object]

KEPT = ("seconds", "processor_seconds", "samples_per_second", "versions", "machine", "tokens")
COST_HEADS = ("", "strategy", "r", "visual tokens", "steps", "samples per s", "peak memory (MiB)")
TIMED_HEADS = ("r", "visual tokens", "trained per processor second", "peak memory (MiB)")
BLIND_HEADS = ("checkpoint", "trained", "n", "sighted", "blind", "the image adds")


def trained(folder: Path) -> dict[str, Any]:
    """What the folder STRATEGY-SEED says that training cost."""
    ours = folder / "training.json"
    file = ours if ours.is_file() else folder / "config.json"
    extra = json.loads(file.read_text(encoding="utf-8")).get("extra", {})
    strategy, _, seed = folder.name.rpartition("-")
    names = KEPT if file == ours else (*KEPT, "recipe")
    kept = {name: extra[name] for name in names if extra.get(name) is not None}
    if "cost" in extra:
        kept |= {"cost": extra["cost"], "whole": _whole_passes(folder)}
    return {"strategy": strategy, "seed": int(seed)} | kept


def _whole_passes(folder: Path) -> dict[str, dict[str, Any]]:
    """Per resolution, the batches of whole passes: the steps in which a head alone taught the
    encoder have no answer's loss, and cost less.
    """
    found: dict[str, list[Document]] = {}
    worked: dict[str, list[float]] = {}
    for line in (folder / "steps.jsonl").read_text(encoding="utf-8").splitlines():
        step = json.loads(line)
        for batch in step["batches"]:
            rows = found.setdefault(batch["resolution"], [])
            if "loss" in step:
                rows.append(batch)
        if "loss" in step and "processor_seconds" in step and len(step["batches"]) == 1:
            speed = batch["samples"] / step["processor_seconds"]
            worked.setdefault(batch["resolution"], []).append(speed)
    return {
        resolution: {
            "samples_per_second": statistics.median(r["samples"] / r["seconds"] for r in rows),
            "samples_per_processor_second": _median(worked.get(resolution)),
            "peak_memory": max(row["peak_memory"] for row in rows),
        }
        for resolution, rows in found.items()
        if rows
    }


def _median(values: Sequence[float] | None) -> float | None:
    return statistics.median(values) if values else None


def cost_rows(matrices: Mapping[str, Document]) -> Iterator[Row]:
    """Per strategy and resolution of training: means over seeds of what the folders say."""
    for name, one in matrices.items():
        for strategy in one["matrix"]["checkpoints"]:
            runs = [r for r in one["training"] if r["strategy"] == strategy and "cost" in r]
            resolutions = sorted({at for run in runs for at in run["cost"]["resolutions"]}, key=int)
            for at in resolutions:
                yield [name, strategy, at, *_cost(runs, at)]


def _cost(runs: Sequence[Document], at: str) -> Row:
    mine = [run["cost"]["resolutions"][at] for run in runs]
    whole = [run["whole"][at] for run in runs]
    speeds = [row["samples_per_second"] for row in whole]
    return [
        f"{statistics.fmean(row['visual_tokens'] for row in mine):.0f}",
        f"{statistics.fmean(row['batches'] for row in mine):.0f}",
        f"{statistics.fmean(speeds):.0f} ({min(speeds):.0f} to {max(speeds):.0f})",
        f"{max(row['peak_memory'] for row in whole) / 2**20:.0f}",
    ]


def timed_rows(matrices: Mapping[str, Document]) -> Iterator[Row]:
    """Per resolution, whole steps of a run that was timed in processor seconds."""
    for run in (one["timed"] for one in matrices.values() if "timed" in one):
        for at, found in sorted(run["whole"].items(), key=lambda item: int(item[0])):
            yield [
                at,
                f"{run['cost']['resolutions'][at]['visual_tokens']:.0f}",
                f"{found['samples_per_processor_second']:.0f}",
                f"{found['peak_memory'] / 2**20:.0f}",
            ]


def blind_rows(records: Path, at: str) -> Iterator[Row]:
    """Per record in the folder with a blind control at `at`: accuracy in percent of its ranked
    questions, with the image and without.
    """
    for file in sorted(records.rglob("*.record.json")):
        record = read_record(file)
        blind = [b for b in record.controls.blind if (b.resolution, b.answer_mode) == (at, "rank")]
        cells = [c for c in record.cells if (c.resolution, c.answer_mode) == (at, "rank")]
        for control, cell in zip(blind, cells, strict=False):
            sighted, unseeing = 100 * cell.accuracy, 100 * control.accuracy
            yield [
                record.checkpoint.name, record.checkpoint.training, cell.n,
                f"{sighted:.1f}", f"{unseeing:.1f}", f"{sighted - unseeing:+.1f}",
            ]  # fmt: skip
