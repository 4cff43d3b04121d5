"""`resolution-eval models`: list checkpoints and their training resolution."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval.checkpoints import listing

    print(listing())
    return 0
