"""Results of the acuity benchmarks, kept as one file of JSON, a section per command."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resolution_eval.models.flamingo import FlamingoBundle, load_folder
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


def parser_of(said: str | None) -> argparse.ArgumentParser:
    """Arguments of a command that measures one checkpoint and keeps it under a name; `said` is the
    command's docstring.
    """
    parser = argparse.ArgumentParser(description=(said or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--name", required=True)
    return parser


def run(
    section: str, said: str | None, measure: Callable[[FlamingoBundle, int], dict[str, Any]]
) -> None:
    """A whole command of one section, which measures one checkpoint at one grid."""
    parser = parser_of(said)
    parser.add_argument("--grid", type=int, default=64)
    given = parser.parse_args()
    found = measure(load_folder(given.checkpoint), given.grid)
    keep(section, f"{given.name}, {given.grid} px", found)
    print(found)
