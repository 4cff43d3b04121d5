"""`resolution-eval demo`: sweep the embedded checkpoints over phantoms; an eye chart at the end."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the results, index.html and acuity/index.html",
    )


def run(known: argparse.Namespace) -> None:
    from resolution_eval.embedded_demo import demo, eye_chart

    print(f"open {demo(known.output)}")
    print(f"and its eye chart, {eye_chart(known.output)}")
    print(f"and, on real tissue, {known.output / 'tissue' / 'index.html'}")
