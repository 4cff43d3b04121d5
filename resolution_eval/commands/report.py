"""`resolution-eval report`: print and draw lmms-eval's results."""

from __future__ import annotations

import argparse
from pathlib import Path

from resolution_eval.ground.errors import UsageError


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("results", nargs="+", type=Path, metavar="DIR", help="lmms-eval's output folder")
    add(
        "--output",
        type=Path,
        metavar="SITE",
        help="folder for index.html, or a file NAME.html (default: DIR)",
    )
    add(
        "--format",
        choices=("text", "md", "csv", "json", "tables"),
        default="text",
        help="of what is printed: csv and json are one tidy table of all cells, tables every "
        "table as comma-separated values with the ends of each interval",
    )
    add(
        "--no-images",
        dest="images",
        action="store_false",
        help="embed no image; else the page shows samples whose answer changes, where their data "
        "is on this machine",
    )
    add(
        "--margin",
        type=float,
        default=2.0,
        metavar="POINTS",
        help="loss of accuracy, in percentage points, that counts as none (default: 2)",
    )
    add("--data", type=Path, metavar="FOLDER", help="your own data, of results on folder_res")


def run(known: argparse.Namespace) -> None:
    from resolution_eval.preflight import refuse_absent

    refuse_absent(*known.results)
    if not 0 < known.margin <= 100:
        raise UsageError(f"--margin is {known.margin:g}; give points above 0 and at most 100")
    from resolution_eval.report import report

    print(
        report(
            known.results,
            known.output or known.results[0],
            format=known.format,
            images=known.images,
            data=known.data,
            margin=known.margin / 100,
        )
    )
