"""Bytes, time to make and time to open of a report: 20 records of 10,000 generated samples each.

    python -m benchmarks.report_page [--records 20] [--samples 10000] [--tasks 5] [--output DIR]

The records are generated (no model answered anything) with a fixed seed, at six resolutions, with
nine classes. The page is opened from disk in Chromium, each time in a new context: `loaded` is the
browser's load event, `drawn` the moment at which the chart in view is drawn.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel

from resolution_eval.records import Answers, Record
from resolution_eval.records.answer_table import SCHEMA
from resolution_eval.records.cells import cells
from resolution_eval.records.schema import Checkpoint, Dataset, Environment
from resolution_eval.report import write_page

RESOLUTIONS = (28, 64, 112, 224, 336, 448)
CLASSES = tuple(f"class {number}" for number in range(1, 10))
OPENINGS = 7


def answers(samples: int, seed: int) -> Answers:
    """Generated answers of one checkpoint: better with resolution, images by pairs of a patient."""
    rng = np.random.default_rng(seed)
    hardness, target = rng.random(samples), rng.integers(len(CLASSES), size=samples)
    columns: dict[str, list[Any]] = {field.name: [] for field in SCHEMA}
    for place, edge in enumerate(RESOLUTIONS):
        right = 0.8 * hardness + 0.2 * rng.random(samples) < 0.35 + 0.1 * place - 0.01 * (seed % 9)
        said = np.where(right, target, (target + 1) % len(CLASSES))
        constant = {
            "resolution": str(edge),
            "scheme": "match",
            "filter": "bicubic",
            "answer_mode": "rank",
            "form": "closed",
            "status": "attested",
            "capped": False,
            "evidence": "generated",
            "notes": [],
            "visual_tokens": (edge // 14) ** 2,
            **dict.fromkeys(("source_width", "source_height"), 512),
            **dict.fromkeys(("expected_height", "expected_width"), edge),
            **dict.fromkeys(("grid_height", "grid_width"), edge),
            **dict.fromkeys(("information_width", "information_height"), edge),
        }
        varying = {
            "sample": [f"tile-{i:05}" for i in range(samples)],
            "cluster": [f"patient-{i // 2:05}" for i in range(samples)],
            "target": [CLASSES[i] for i in target],
            "prediction": [CLASSES[i] for i in said],
            "answer": [CLASSES[i] for i in said],
            "correct": [int(one) for one in right],
        }
        for name, column in columns.items():
            column += varying.get(name) or [constant.get(name)] * samples
    return Answers(pa.Table.from_pydict(columns, schema=SCHEMA))


def record(number: int, tasks: int, samples: int) -> Record:
    """The generated record `number`, of one of `tasks` tasks."""
    made = answers(samples, seed=number)
    of_data = {"name": f"generated_{number % tasks}", "classes": CLASSES}
    of_model = {"name": f"generated/model-{number // tasks}", "training": "fixed:224"}
    of_run = {"date": "20260101_000000", "results_file": "none", "results_sha256": "0" * 64}
    return Record.model_validate(
        {
            "task": f"generated_{number % tasks}_res",
            "task_version": "1",
            "shown": "image",
            "checkpoint": _unknown(Checkpoint) | of_model,
            "dataset": _unknown(Dataset) | {"excluded": (), "notes": ()} | of_data,
            "prompt": None,
            "controls": {"chance": 1 / len(CLASSES), "blind": ()},
            "environment": _unknown(Environment) | {"versions": {}, "seeds": {}} | of_run,
            "cells": cells(made),
            "failures": (),
            "unknown": (),
            "answers": made,
        }
    )


def _unknown(model: type[BaseModel]) -> dict[str, Any]:
    return dict.fromkeys(model.model_fields)


def openings(page: Path, count: int) -> list[tuple[float, float]]:
    """Seconds to the load event and to the last chart in view, of `count` openings."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome")
    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for _ in range(count + 1):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            tab = context.new_page()
            start = time.perf_counter()
            tab.goto(page.as_uri(), wait_until="load")
            loaded = time.perf_counter() - start
            tab.locator(".chart[data-drawn]").first.wait_for()
            times.append((loaded, time.perf_counter() - start))
            context.close()
        browser.close()
    return times[1:]


def main() -> None:
    """Make the records and the page, open it, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=20)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=5)
    parser.add_argument("--output", type=Path)
    known = parser.parse_args()
    made = [record(number, known.tasks, known.samples) for number in range(known.records)]
    output = known.output or Path(tempfile.mkdtemp())
    start = time.perf_counter()
    page = write_page(made, output)
    spent = time.perf_counter() - start
    loaded, drawn = zip(*openings(page, OPENINGS), strict=True)
    print(f"{known.records} records x {known.samples:,} samples x {len(RESOLUTIONS)} resolutions")
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"{known.tasks} tasks, {platform.machine()}, Python {platform.python_version()}, {load}")
    print(f"made in {spent:.1f} s, {page.stat().st_size / 1e6:.2f} MB: {page}")
    for name, values in (("loaded", loaded), ("drawn", drawn)):
        print(f"{name}: median {statistics.median(values):.2f} s, worst {max(values):.2f} s")


if __name__ == "__main__":
    main()
