"""`resolution-eval matrix`: score checkpoints by training strategy at every resolution."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.epilog = (
        "A matrix that was stopped goes on where it stopped; the same command again prints it."
    )
    parser.add_argument(
        "--checkpoints",
        required=True,
        nargs="+",
        metavar="STRATEGY=DIR[+DIR...]",
        help="none, low, native, mixed, or a name of your own; DIR+DIR is one per seed",
    )
    parser.add_argument("--task", required=True, help="a task of ours, such as pbc_res")
    parser.add_argument(
        "--infer",
        default="low,native,mixed",
        help="comma-separated: low, native, mixed (half of the samples at each), or pixels",
    )
    parser.add_argument("--low", help="what low is (default: as the low checkpoint declares)")
    parser.add_argument("--native", help="what native is (default: as the native one declares)")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for records and matrix"
    )
    parser.add_argument("--model", help="lmms-eval model (default: as the folders need)")
    parser.add_argument("--model_args", default="", help="its arguments beside pretrained=")
    parser.add_argument("--batch_size", type=int, default=32, help="samples at once (default: 32)")
    parser.add_argument("--limit", type=int, help="score so many samples only, to try it")
    parser.add_argument("--format", default="text", help="text (default), md or csv")


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval.jobs.matrix import matrix_of

    print(matrix_of(known))
    return 0
