"""`resolution-eval completion`: print what makes a shell complete this command by the tab key."""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "tcsh")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        'In bash: eval "$(resolution-eval completion bash)"; in zsh, write it to a file '
        "_resolution-eval in a folder of $fpath."
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or tcsh")


def run(known: argparse.Namespace) -> None:
    import shtab

    print(shtab.complete(known.whole, known.shell))
