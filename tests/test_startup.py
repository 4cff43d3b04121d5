"""What this package costs every start of Python: little, and never a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resolution_eval import startup

ROOT = Path(__file__).parents[1]
LINE = (ROOT / "resolution_eval.pth").read_text(encoding="utf-8")
MEASURED = (
    "import os, sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules)\n"
    "exec(sys.argv[2])\n"
    "print(sorted(set(sys.modules) - before), any(f.__module__ == 'resolution_eval.startup'"
    " for f in sys.meta_path if isinstance(f, type)))"
)


def _start(package: Path, **variables: str) -> tuple[str, str]:
    """What a bare Python prints once it read our line, and what it complains of."""
    ran = subprocess.run(
        [sys.executable, "-E", "-S", "-c", MEASURED, str(package), LINE],
        capture_output=True,
        text=True,
        cwd=package,
        env={**os.environ, **variables},
        timeout=60,
        check=True,
    )
    return ran.stdout.strip(), ran.stderr


def test_a_start_loads_at_most_three_modules() -> None:
    printed, complaint = _start(ROOT)
    assert printed == "['resolution_eval', 'resolution_eval.startup'] True"
    assert not complaint


def test_the_switch_turns_it_off() -> None:
    printed, complaint = _start(ROOT, RESOLUTION_EVAL_STARTUP="off")
    assert printed.endswith("False")
    assert not complaint


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"__init__.py": ""},
        {"__init__.py": "import resolution_eval.gone"},
        {"__init__.py": "", "startup.py": ""},
        {"__init__.py": "", "startup.py": "def watch(:"},
        {"__init__.py": "", "startup.py": "def watch(): raise RuntimeError('planted')"},
        {"__init__.py": "", "startup.py": "\0"},
    ],
    ids=["gone", "half gone", "import fails", "empty", "cut", "raises", "not text"],
)
def test_it_is_silent_in_every_broken_state(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = tmp_path / "resolution_eval" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    printed, complaint = _start(tmp_path)
    assert printed.endswith("False")
    assert not complaint


def test_the_line_is_one_that_python_runs() -> None:
    assert LINE.startswith("import ") and LINE.count("\n") == 1


def test_watching_twice_looks_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    startup.watch()
    startup.watch()
    assert sys.meta_path.count(startup.LookOut) == 1


def test_the_look_out_finds_nothing_but_the_hosts_tasks() -> None:
    assert startup.LookOut.find_spec("json") is None
