"""`resolution-eval record`: make records from lmms-eval's results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument("results", type=Path, metavar="DIR", help="lmms-eval's output folder")
    parser.add_argument(
        "--output", type=Path, metavar="RECORDS", help="folder for the records (default: DIR)"
    )
    parser.add_argument(
        "--blind",
        type=Path,
        metavar="DIR",
        help="lmms-eval's output of a blind run, where it is not in DIR too",
    )


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval.preflight import refuse_absent

    refuse_absent([known.results, *([known.blind] if known.blind else [])])
    from resolution_eval.records import make_records, write_record

    for record in make_records(known.results, blind=known.blind):
        print(write_record(record, known.output or known.results))
    return 0
