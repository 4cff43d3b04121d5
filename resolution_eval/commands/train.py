"""`resolution-eval train`: train a small Flamingo from scratch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument(
        "--task", required=True, help="a classification task of ours with a train split"
    )
    parser.add_argument("--strategy", required=True, choices=("native", "low", "mixed"))
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="checkpoint folder"
    )
    parser.add_argument("--low", default="56", help="the low training resolution (default: 56)")
    parser.add_argument(
        "--native", default="native", help="what counts as native (default: the source)"
    )
    parser.add_argument(
        "--patch", type=int, default=8, help="edge of the encoder's patch (default: 8)"
    )
    parser.add_argument("--encoder-steps", type=int, default=600, help="first stage (default: 600)")
    parser.add_argument("--joint-steps", type=int, default=300, help="second stage (default: 300)")
    parser.add_argument("--batch", type=int, default=64, help="images per step (default: 64)")
    parser.add_argument("--flips", action="store_true", help="mirror training images at random")
    parser.add_argument("--seed", type=int, default=0)


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval.training.command import train_task

    print(train_task(known))
    return 0
