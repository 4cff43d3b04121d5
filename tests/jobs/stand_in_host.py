"""Stands in for lmms-eval where only the running of jobs is tested: writes a synthetic run.

`model_args` says how it behaves: `fail=N` ends with status 3 in the first N attempts, `kill=N` with
SIGKILL to itself, `failed=N` leaves a sample without a verdict in the first N attempts.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from synthetic_runs import line, write_run


def value(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def main() -> None:
    results, task = Path(value("--output_path")), value("--tasks")
    said = dict(part.split("=") for part in value("--model_args").split(","))
    if "api_key" in said:
        print(*sys.argv)  # as lmms-eval prints its arguments
    attempt = int(results.name.removeprefix("attempt-"))
    checkpoint = f"synthetic/{results.parts[-3]}"
    lines = [line(f"tile-{i}", r, checkpoint=checkpoint) for i in range(4) for r in ("28", "64")]
    if attempt <= int(said.get("kill", 0)):
        write_run(results, lines, task=task)
        next(results.glob("*_results.json")).unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if attempt <= int(said.get("fail", 0)):
        print("the model's weights are missing", file=sys.stderr)
        sys.exit(3)
    if attempt <= int(said.get("failed", 0)):
        lines[0] = line("tile-0", "28", correct=None, checkpoint=checkpoint)
    write_run(results, lines, task=task)


if __name__ == "__main__":
    main()
