"""Options: arguments that several commands take, and values that they share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Add = Callable[..., object]
"""`add_argument` of a parser or of a group."""


def probe_argument(add: Add) -> None:
    """`--probe`, of a server."""
    add(
        "--probe",
        nargs="?",
        type=_edge,
        const="auto",
        metavar="EDGE",
        help="of a server: before the run and after it, ask what its model sees of images of EDGE "
        "pixels (default: the sweep's largest); some 190 requests each time",
    )


def _edge(text: str) -> str:
    """An edge in pixels, or auto, as it is handed on."""
    if text != "auto" and (not text.isdecimal() or int(text) < 1):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no edge in pixels; give one from 1, or --probe alone, last of all"
        )
    return text


def number_of(what: str) -> Callable[[str], int]:
    """Reads a number of `what`, from 1."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of {what}; give one from 1")
        return int(text)

    return number


def price(text: str) -> float:
    """A number above 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no price; give a number above 0, as 2.5")
    return number
