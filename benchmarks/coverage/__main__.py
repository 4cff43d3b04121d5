"""The command: `python -m benchmarks.coverage`."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy

from benchmarks import coverage
from benchmarks.coverage import boards, margins, nulls, scores, sweeps
from benchmarks.coverage.page import page
from benchmarks.coverage.tally import Case, carry_out

STUDIES: dict[str, tuple[Callable[[int], list[Case]], float]] = {
    "sweeps": (sweeps.cases, 1.0),
    "floored": (sweeps.floor_cases, 1.0),
    "scores": (scores.cases, 1.0),
    "margins": (margins.cases, 1.0),
    "boards": (boards.cases, 1.0),
    "tests": (nulls.cases, 1.0),
}
"""The cases of every study, and its part of the repetitions."""


def main() -> None:
    """Simulate, keep, and write the page."""
    parser = argparse.ArgumentParser(
        description=coverage.__doc__,
        prog="python -m benchmarks.coverage",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--study", choices=STUDIES, action="append", help="only this one, anew")
    parser.add_argument("--page", action="store_true", help="write the page from what is kept")
    parser.add_argument("--repetitions", type=int, default=1000, help="per row (1000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--output", type=Path, default=Path("docs/coverage.md"))
    arguments = parser.parse_args()
    versions = (
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
    )
    for name in () if arguments.page else arguments.study or STUDIES:
        cases, part = STUDIES[name]
        repetitions = max(int(arguments.repetitions * part), 1)
        study = carry_out(name, cases(repetitions), arguments.seed, arguments.jobs)
        study.facts |= {"repetitions": repetitions, "versions": versions}
        study.keep()
    arguments.output.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
