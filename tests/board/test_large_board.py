"""A board of 2,000 generated records: checked and built in bounded memory. No model answered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_board import facts, new_board, submit, vouch

RECORDS = int(os.environ.get("RESOLUTION_EVAL_LARGE_BOARD", "2000"))
"""A score and a blind control of each submission."""
MOST = 2_000
"""MiB that checking, or building, may take in all."""
RUN = """
import sys
from pathlib import Path
from resolution_eval.cli import main
status = main(sys.argv[1:])
told = Path("/proc/self/status").read_text().split("VmHWM:")[1]
print(status, int(told.split()[0]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_thousand_records_are_checked_and_built_in_bounded_memory(tmp_path: Path) -> None:
    board = new_board(tmp_path)
    for number in range(RECORDS // 2):
        submit(board, facts(f"generated/model-{number:04}"))
    vouch(board, 24)
    for command in (["validate"], ["build", "--output", str(tmp_path / "site")]):
        done = subprocess.run(
            [sys.executable, "-c", RUN, "leaderboard", *command, "--board", str(board)],
            capture_output=True,
            text=True,
            check=True,
        )
        status, peak = map(int, done.stdout.splitlines()[-1].split())
        print(command[0], RECORDS, "records", peak, "MiB")
        assert status == 0 and peak < MOST
