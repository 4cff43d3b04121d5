"""`resolution-eval metrics`: figures of accuracy-resolution curves."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from resolution_eval.ground.printing import aligned, as_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="JSON; its form is in docs/figures.md"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval.statistics.published_curves import metrics_of_file

    metrics = metrics_of_file(known.file)
    print(as_json(metrics) if known.json else aligned("name", metrics))
    return 0
