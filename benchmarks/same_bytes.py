"""Whether two checkouts make the same bytes of the committed records: tables, pages, board, matrix.

    python -m benchmarks.same_bytes BEFORE AFTER

runs every command below in both checkouts, with the libraries of the Python that runs it, and
names each file, or printed text, that differs; exit status 1 where one does. It is for changes
that should change nothing: moved modules, a rewritten room.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

RECORDS = "leaderboard/records"
EMBEDDED = [f"{RECORDS}/resolution-eval__embedded-{name}/*" for name in ("low", "native", "mixed")]
SEEDS = [
    f"{RECORDS}/resolution-eval__pbc56-{name}-{seed}/*"
    for name in ("low", "native", "mixed")
    for seed in range(3)
]
MATRIX = """
import sys
from pathlib import Path
from resolution_eval.analysis.strategies import matrix_of_records
try:
    from resolution_eval.jobs.matrix_output import write_matrix
except ImportError:  # where the matrix has a room of its own
    from resolution_eval.matrix.output import write_matrix
import resolution_eval
records = [record for record in resolution_eval.load(*sys.argv[2:]) if record.blind is None]
write_matrix(matrix_of_records(records), Path(sys.argv[1]))
"""
COMMAND = ["-m", "resolution_eval"]
JOBS: dict[str, list[str]] = {
    "report of three checkpoints, with images": [*COMMAND, "report", *EMBEDDED, "--output", "OUT"],
    "report of nine checkpoints as CSV": [
        *(*COMMAND, "report", *SEEDS, "--format", "csv", "--no-images", "--output", "OUT"),
    ],
    "report as Markdown": [
        *(*COMMAND, "report", *EMBEDDED, "--format", "md", "--no-images", "--output", "OUT"),
    ],
    "compare": [*COMMAND, "compare", *SEEDS[:6:3], "--samples"],
    "compare as JSON": [*COMMAND, "compare", *SEEDS[:6:3], "--json"],
    "rank": [*COMMAND, "rank", *SEEDS],
    "rank as JSON": [*COMMAND, "rank", *EMBEDDED, "--json"],
    "matrix": ["-c", MATRIX, "OUT", *EMBEDDED],
    "board": [*COMMAND, "leaderboard", "build", "--output", "OUT/site"],
    "board's export": [*COMMAND, "leaderboard", "export", "--output", "OUT/export"],
    "board's checks": [*COMMAND, "leaderboard", "validate"],
    "data sets": [*COMMAND, "datasets"],
    "checkpoints": [*COMMAND, "models"],
}
"""Arguments of Python by what they make; OUT is the folder for files, /* what a folder holds."""


def made(checkout: Path, arguments: Sequence[str], output: Path) -> None:
    """Run one job in the checkout; what it printed is a file of `output` too.

    Raises:
        RuntimeError: it failed.
    """
    output.mkdir(parents=True)
    given: list[str] = []
    for part in arguments:
        found = sorted(checkout.glob(part)) if part.endswith("/*") else []
        named = [str(path.relative_to(checkout)) for path in found]
        given += named or [part.replace("OUT", str(output), 1)]
    env = {**os.environ, "PYTHONPATH": str(checkout), "RESOLUTION_EVAL_STARTUP": "off"}
    ran = subprocess.run(
        [sys.executable, *given], cwd=checkout, env=env, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise RuntimeError(f"{checkout}: {' '.join(arguments)} failed: {ran.stderr[-2000:]}")
    (output / "printed.txt").write_text(ran.stdout.replace(str(output), "OUT"), encoding="utf-8")


def differences(before: Path, after: Path) -> Iterator[str]:
    """Files of the two folders that differ, or are in one alone; in order."""
    digests = [
        {
            path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (before, after)
    ]
    first, second = digests
    for name in sorted({*first, *second}):
        if name not in second:
            yield f"{name} is made no longer"
        elif name not in first:
            yield f"{name} is made anew"
        elif first[name] != second[name]:
            yield f"{name} differs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all jobs in both, one line each; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_bytes", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS), metavar="JOB")
    given = parser.parse_args(arguments)
    status = 0
    with TemporaryDirectory() as folder:
        for number, name in enumerate(given.only):
            pair = [Path(folder) / f"{number}-{side}" for side in ("before", "after")]
            for checkout, output in zip((given.before, given.after), pair, strict=True):
                made(checkout.resolve(), JOBS[name], output)
            found = list(differences(*pair))
            count = sum(path.is_file() for path in pair[0].rglob("*"))
            print(f"{name}: " + ("; ".join(found) or f"{count} files, the same bytes"), flush=True)
            status |= bool(found)
    return status


if __name__ == "__main__":
    sys.exit(main())
