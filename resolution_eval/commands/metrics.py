"""`resolution-eval metrics`: figures of accuracy-resolution curves."""

from __future__ import annotations

import argparse
from pathlib import Path

from resolution_eval.ground.printing import aligned, as_json


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="JSON; its form is in docs/figures.md")
    add("--json", action="store_true", help="print JSON")


def run(known: argparse.Namespace) -> None:
    from resolution_eval.statistics.published_curves import metrics_of_file

    metrics = metrics_of_file(known.file)
    print(as_json(metrics) if known.json else aligned("name", metrics))
