"""Peak resident memory of a run on many images, against one on few.

The run on many is the soak's: that one is read, and only the few are run.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks import soak
from benchmarks.result import Result

TARGET = 1.2
LONG_RUN = Path(__file__).parent / "results" / "soak.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--few", type=int, default=200)
    parser.add_argument("--soak", type=Path, default=LONG_RUN, help="result of the run on many")


def measure(given: argparse.Namespace) -> Result:
    """One whole run of lmms-eval beside the soak's, of the same model, resolutions and batch."""
    many = json.loads(given.soak.read_text(encoding="utf-8"))["detail"]
    if any("peak MiB" not in row for row in many["rows"]):
        raise SystemExit(
            f"{given.soak} was kept by an earlier soak, which did not know its highest memory; "
            f"make it again: python -m benchmarks soak --json {given.soak}"
        )
    sizes = {**many["sizes"], "images": given.few}
    few = soak.measure(argparse.Namespace(**sizes)).rows
    peaks = [max(row["peak MiB"] for row in rows) for rows in (few, many["rows"])]
    added = many["rows"][-1]["answers"] - few[-1]["answers"]
    parts = zip(_parts(few), _parts(many["rows"]), strict=True)
    first, during, behind = (1024 * (large - small) / added for small, large in parts)
    counts = (given.few, many["sizes"]["images"])
    return Result(
        name="memory",
        ratio=peaks[1] / peaks[0],
        target=TARGET,
        sense="at most",
        rows=[
            {
                "images": count,
                **{f"{row['when']}, MiB": row["resident MiB"] for row in rows[1:]},
                "peak, MiB": peak,
            }
            for count, rows, peak in zip(counts, (few, many["rows"]), peaks, strict=True)
        ],
        sizes={**sizes, "images": many["sizes"]["images"], "few": given.few, "json": None},
        note="The most that the whole process ever held, lmms-eval's own lists included: "
        f"{2**20 * (peaks[1] - peaks[0]) / added:,.0f} bytes for each further request. Each "
        f"further request adds {first:.2f} KiB before the first answer, {during:.2f} KiB while "
        f"answering and {behind:.2f} KiB after the last.",
    )


def _parts(rows: Any) -> tuple[float, float, float]:
    """MiB held at the first percent, added until the last answer, and added after it."""
    held = {row["when"]: row["resident MiB"] for row in rows}
    return held["1 %"], held["100 %"] - held["1 %"], held["written"] - held["100 %"]
