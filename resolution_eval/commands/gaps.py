"""`resolution-eval gaps`: gaps of a train x inference table."""

from __future__ import annotations

import argparse
from pathlib import Path

from resolution_eval.ground.printing import aligned, as_json


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="JSON; its form is in docs/figures.md")
    add("--json", action="store_true", help="print JSON")


def run(known: argparse.Namespace) -> None:
    from resolution_eval.statistics.published_curves import gaps_of_file

    gaps = gaps_of_file(known.file)
    rows = {
        f"{model}, {'mean of ' if part == 'means' else ''}{name}": figures
        for model, parts in gaps.items()
        for part, sets in parts.items()
        for name, figures in sets.items()
    }
    print(as_json(gaps) if known.json else aligned("model, data set", rows))
