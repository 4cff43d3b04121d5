"""`resolution-eval report`: print and draw lmms-eval's results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="DIR", help="lmms-eval's output folder"
    )
    parser.add_argument(
        "--output", type=Path, metavar="SITE", help="folder for index.html (default: DIR)"
    )
    parser.add_argument(
        "--format", choices=("text", "md", "csv"), default="text", help="of what is printed"
    )
    parser.add_argument(
        "--no-images",
        dest="images",
        action="store_false",
        help="embed no image; else the page shows samples whose answer changes, where their data "
        "is on this machine",
    )
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="your own data, of results on folder_res"
    )


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval.report import report

    print(
        report(
            known.results,
            known.output or known.results[0],
            format=known.format,
            images=known.images,
            data=known.data,
        )
    )
    return 0
