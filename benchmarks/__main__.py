"""`python -m benchmarks NAME [--json FILE]`: run one measurement and print its table.

`python -m benchmarks table` writes RESULTS.md, and the table of docs/howto/speed.md, from the files
in `results/`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import NAMES
from benchmarks.result import Foreign, write
from benchmarks.table import write_tables


def module(name: str) -> Any:
    """What measures the benchmark `name`."""
    return import_module(f"benchmarks.{name.replace('-', '_')}")


def main() -> int:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", allow_abbrev=False)
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, help in NAMES.items():
        command = commands.add_parser(name, help=help, description=help)
        command.add_argument("--json", type=Path, metavar="FILE", help="also write the result")
        module(name).arguments(command)
    commands.add_parser(
        "table", help="write RESULTS.md and the table in docs/howto/speed.md from results/"
    )
    known = parser.parse_args()
    if known.name == "table":
        write_tables()
        return 0
    others = Foreign()
    result = module(known.name).measure(known)
    if result.foreign is None:
        result = replace(result, foreign=others.share())
    print(result.text())
    if known.json is not None:
        write(result, known.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
