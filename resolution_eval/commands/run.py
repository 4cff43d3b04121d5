"""`resolution-eval run`: run lmms-eval with a sweep of your own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.epilog = "Every other argument goes to lmms-eval as it is; see `lmms-eval eval --help`."
    parser.add_argument("--tasks", default="", help="comma-separated task names")
    parser.add_argument(
        "--resolutions", help='comma-separated pixel edges of the square budget, or "native"'
    )
    parser.add_argument(
        "--scheme", help="match: the grid follows r; restore: the grid stays, the content varies"
    )
    parser.add_argument("--filter", help="bicubic (default), lanczos, bilinear, box or nearest")
    parser.add_argument(
        "--option-order", help="fixed (default), or seeded:N: options shuffled per question"
    )
    parser.add_argument(
        "--judge",
        metavar="PROVIDER:MODEL",
        help="have a language model judge open answers besides, for instance openai:gpt-4.1",
    )
    parser.add_argument(
        "--data", type=Path, metavar="PATH", help="your own folder, for the task folder_res"
    )


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval.errors import UsageError, refuse_misspelled
    from resolution_eval.resolution import parse_resolution
    from resolution_eval.runs import run

    options = [text for action in known.parser._actions for text in action.option_strings]
    for word in rest:
        if word.startswith("--"):
            refuse_misspelled("argument", word.partition("=")[0], options)
    if not known.tasks and not {"--config", "--help", "-h"} & {
        word.partition("=")[0] for word in rest
    }:
        raise UsageError("nothing to run: lmms-eval would need --tasks; name some, phantom_res say")
    resolutions = None
    if known.resolutions is not None:
        resolutions = [parse_resolution(text) for text in known.resolutions.split(",")]
    tasks = [name for name in known.tasks.split(",") if name]
    return run(
        tasks,
        rest,
        resolutions=resolutions,
        filter=known.filter,
        scheme=known.scheme,
        option_order=known.option_order,
        judge=known.judge,
        data=known.data,
    )
