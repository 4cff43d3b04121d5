"""`python -m benchmarks NAME [--json FILE]`: run one measurement and print its table.

`python -m benchmarks table` writes RESULTS.md, and the README's table, from `results/*.json`.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.result import write

NAMES = {
    "sweep": "one run over all resolutions, against a run per resolution at batch 1",
    "rank": "ranking nine choices, against open_flamingo's class-by-class evaluation",
    "overhead": "an adapter's wall time over a sweep, against its bare forward passes",
    "render": "decoding and resizing for all resolutions, against one decode per resolution",
    "memory": "peak resident memory of many images, against that of few",
    "generate": "reshf's short answers, against lmms-eval's own adapter at its best batch",
    "ranks": "how far apart two processes end that share a sweep",
    "growth": "wall time against visual tokens",
    "gpu": "share of a GPU's bf16 matrix rate in prefill",
}


def main() -> int:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", allow_abbrev=False)
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, help in NAMES.items():
        command = commands.add_parser(name, help=help, description=help)
        command.add_argument("--json", type=Path, metavar="FILE", help="also write the result")
        import_module(f"benchmarks.{name}").arguments(command)
    commands.add_parser("table", help="write RESULTS.md and the README's table from results/")
    known = parser.parse_args()
    if known.name == "table":
        from benchmarks.table import write_tables

        write_tables()
        return 0
    result = import_module(f"benchmarks.{known.name}").measure(known)
    print(result.text())
    if known.json is not None:
        write(result, known.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
