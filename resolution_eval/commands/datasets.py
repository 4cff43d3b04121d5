"""`resolution-eval datasets`: list the data sets, or show one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from resolution_eval.ground.printing import as_json

STATES = (
    *("at hand", "downloaded when run", "to be brought", "registration needed"),
    *("damaged", "refused"),
)
"""How far a data set is from being run on this machine."""


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="of a data set, or of its task")
    add("--sheet", type=Path, metavar="PNG", help="write a contact sheet of NAME")
    add("--modality", metavar="TEXT", help="list those whose modality holds it")
    add("--state", choices=STATES, help="list those of this state")
    add(
        "--overlap",
        type=Path,
        metavar="TABLE",
        help="compare the pixels of all sets at hand, test images with other sets' train images, "
        "and write TABLE (tasks/image_overlap.toml is the one shown)",
    )
    add(
        "--copy",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="for --overlap: a folder in the local layout that holds images of the set NAME",
    )
    add("--json", action="store_true", help="print JSON")


def _overlap(known: argparse.Namespace) -> None:
    from resolution_eval.datasets.image_overlap import overlaps, write_overlaps
    from resolution_eval.ground.errors import UsageError

    if known.name is not None:
        raise UsageError("--overlap compares all data sets at hand; leave the NAME out")
    copies = dict(word.partition("=")[::2] for word in known.copy)
    for word, folder in copies.items():
        if not Path(folder).is_dir() or not folder:
            raise UsageError(f"--copy {word}={folder}: write NAME=FOLDER, and FOLDER is a folder")
    pairs = overlaps({name: Path(folder) for name, folder in copies.items()})
    write_overlaps(pairs, known.overlap)
    rows = [
        {"test images of": one.test, "in train of": one.train, "share": one.told} for one in pairs
    ]
    from tabulate import tabulate

    print(as_json(rows) if known.json else tabulate(rows, headers="keys"))


def run(known: argparse.Namespace) -> None:
    from resolution_eval import datasets
    from resolution_eval.ground.errors import UsageError

    if known.overlap is not None:
        _overlap(known)
        return
    if known.copy:
        raise UsageError("--copy goes with --overlap TABLE; give both")
    if known.name is None:
        if known.sheet is not None:
            raise UsageError("--sheet needs the NAME of a data set")
        rows = datasets.entries(modality=known.modality, state=known.state)
        print(as_json(rows) if known.json else datasets.list_datasets(rows))
        return
    card = datasets.find_card(known.name)
    print(as_json(card.model_dump(mode="json")) if known.json else datasets.describe(card))
    if known.sheet is not None:
        print(f"\ncontact sheet: {datasets.contact_sheet(card, known.sheet)}", file=sys.stderr)
