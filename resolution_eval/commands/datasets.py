"""`resolution-eval datasets`: list the data sets, or show one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="of a data set, or of its task")
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="contact sheet (default: NAME.png, here)"
    )


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval import datasets
    from resolution_eval.sources import at_hand

    if known.name is None:
        print(datasets.list_datasets())
        return 0
    card = datasets.find_card(known.name)
    print(datasets.describe(card))
    if at_hand(card) is not None:
        sheet = datasets.contact_sheet(card, known.sheet or Path(f"{card.name}.png"))
        print(f"\ncontact sheet: {sheet}")
    return 0
