"""`resolution-eval gaps`: gaps of a train x inference table."""

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
    from resolution_eval.statistics.published_curves import gaps_of_file

    gaps = gaps_of_file(known.file)
    rows = {
        f"{model}, {'mean of ' if part == 'means' else ''}{name}": figures
        for model, parts in gaps.items()
        for part, sets in parts.items()
        for name, figures in sets.items()
    }
    print(as_json(gaps) if known.json else aligned("model, data set", rows))
    return 0
