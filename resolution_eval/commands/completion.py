"""`resolution-eval completion`: print what makes a shell complete this command by the tab key."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

SHELLS = ("bash", "zsh", "tcsh")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.epilog = (
        'In bash: eval "$(resolution-eval completion bash)"; in zsh, write it to a file '
        "_resolution-eval in a folder of $fpath."
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or tcsh")


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    import shtab

    print(shtab.complete(known.whole, known.shell))
    return 0
