"""`resolution-eval record`: make records from lmms-eval's results."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("results", type=Path, metavar="DIR", help="lmms-eval's output folder")
    add("--output", type=Path, metavar="RECORDS", help="folder for the records (default: DIR)")
    add(
        "--blind",
        type=Path,
        metavar="DIR",
        help="lmms-eval's output of a blind run, where it is not in DIR too",
    )


def run(known: argparse.Namespace) -> None:
    from resolution_eval.preflight import refuse_absent

    refuse_absent(known.results, known.blind)
    from resolution_eval.records import make_records, write_record

    for record in make_records(known.results, blind=known.blind):
        print(write_record(record, known.output or known.results))
