"""Results of the acuity benchmarks, kept as one file of JSON, a section per command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from resolution_eval.statistics.intervals import Interval

FILE = Path(__file__).parent / "acuity.json"
SEED = 20_261_127


def load() -> dict[str, Any]:
    """All sections."""
    return dict(json.loads(FILE.read_text(encoding="utf-8"))) if FILE.is_file() else {}


def keep(section: str, key: str, value: Any) -> None:
    """Put `value` into the file, in place of what stood there."""
    found = load()
    found.setdefault(section, {})[key] = value
    FILE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def ends(interval: Interval) -> dict[str, Any]:
    """A figure with its interval; an infinite one is null, and lies beyond what was shown."""
    found = {name: getattr(interval, name) for name in ("estimate", "low", "high")}
    return {
        **{k: round(v, 4) if math.isfinite(v) else None for k, v in found.items()},
        "n": interval.n,
        "seed": interval.seed,
    }
