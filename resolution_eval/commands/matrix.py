"""`resolution-eval matrix`: score checkpoints by training strategy at every resolution."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    parser.epilog = (
        "A matrix that was stopped goes on where it stopped; the same command again prints it."
    )
    add(
        "--checkpoints",
        required=True,
        nargs="+",
        metavar="STRATEGY=DIR[+DIR...]",
        help="none, low, native, mixed, or a name of your own; DIR+DIR is one per seed",
    )
    add("--task", required=True, help="a task of ours, such as pbc_res")
    add(
        "--infer",
        default="low,native,mixed",
        help="comma-separated: low, native, mixed (half of the samples at each), or pixels",
    )
    add("--low", help="what low is (default: as the low checkpoint declares)")
    add("--native", help="what native is (default: as the native one declares)")
    add("--output", type=Path, required=True, metavar="DIR", help="folder for records and matrix")
    add("--model", help="lmms-eval model (default: as the folders need)")
    add("--model_args", default="", help="its arguments beside pretrained=")
    add("--batch_size", type=int, default=32, help="samples at once (default: 32)")
    add("--limit", type=int, help="score so many samples only, to try it")
    add("--format", default="text", help="text (default), md or csv")


def run(known: argparse.Namespace) -> None:
    from resolution_eval.jobs.matrix_output import matrix_of

    print(matrix_of(known))
