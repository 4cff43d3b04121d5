"""Boards of synthetic submissions: no model answered any of this, and none is ever published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthetic_runs import sweep, write_run

from resolution_eval.board.submission import FACTS, folder_name
from resolution_eval.records import make_records, write_record

CURVE = {"16": 0.9, "24": 0.5, "32": 0.5, "48": 0.6, "64": 0.7}
"""Accuracies at the resolutions of phantom_res."""


def facts(model: str = "synthetic/one", revision: str = "0" * 40, **changes: Any) -> dict[str, Any]:
    """What a submitter would declare; further keyword arguments change it."""
    return {
        "model": model,
        "revision": revision,
        "title": model.rpartition("/")[2],
        "parameters": 1_000_000,
        "strategy": "low",
        "training": "fixed:64",
        "training_evidence": "synthetic",
        "base": None,
        "trained_on": [],
        "labels": ["synthetic"],
        "licence": "Apache-2.0",
        "submitter": "nobody",
        "submitted": "2026-01-02",
        "pretrained": model,
        **changes,
    }


def submit(
    board: Path,
    declared: Mapping[str, Any],
    curves: Mapping[str, Mapping[str, float]] | None = None,
    **options: Any,
) -> Path:
    """Write a submission with one record per task of `curves`; its folder."""
    folder = board / "records" / folder_name(declared["model"], declared["revision"])
    folder.mkdir(parents=True)
    (folder / FACTS).write_text(json.dumps(declared, indent=1), encoding="utf-8")
    for number, (task, curve) in enumerate((curves or {"phantom_res": CURVE}).items()):
        run = board.parent / "runs" / f"{folder.parent.name}-{folder.name[:7]}-{number}"
        lines = sweep(curve, checkpoint=declared["model"], **options)
        write_run(run, lines, task=task, date=f"20260102_03040{number}")
        for record in make_records(run):
            write_record(record, folder)
    return folder
