"""`resolution-eval doctor`: show a sweep's grids; needs no weights."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from resolution_eval.commands.printing import as_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.epilog = "Exit status 3: the sweep would be flat, mismatched, or is impossible."
    parser.add_argument("--model", required=True, help="reshf, resflamingo or reswrap")
    parser.add_argument(
        "--model_args", default="", metavar="ARGS", help="as for lmms-eval: pretrained=DIR,..."
    )
    parser.add_argument("--sizes", default="28,64,112,224,448,896", help="comma-separated sizes")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from dataclasses import asdict

    from resolution_eval.doctor import diagnose, model_arguments, report
    from resolution_eval.resolution import parse_resolution

    sizes = [parse_resolution(text) for text in known.sizes.split(",")]
    with redirect_stdout(sys.stderr):  # lmms-eval and its models print what they please
        found = diagnose(known.model, model_arguments(known.model_args), sizes)
    print(as_json(asdict(found)) if known.json else report(found))
    return 0 if found.ok else 3
