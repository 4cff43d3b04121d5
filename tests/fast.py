"""Which test files are fast, read from what they import: see `pytest --fast` in CONTRIBUTING.md."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
HEAVY = re.compile(
    r"^\s*(?:from|import) (?:torch|torchvision|lmms_eval|transformers|peft|accelerate|open_clip"
    r"|open_flamingo|playwright|evaluate|benchmarks|studies|resolution_eval\.(?:adapters|training"
    r"|diagnosis|score|demo|entrance|robustness|board\.site\.public|host\.(?:runs|fewshot|tasks)"
    r"|models\.(?!providers|arguments)\w+))\b",
    re.MULTILINE,
)
"""Imports that take seconds: torch, lmms-eval, a browser, and our rooms that stand on them."""
COMMANDS = "test_documented_commands"
"""Its tests are no slow imports, but a process for each command of the documentation."""
IMPORTED = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)


@cache
def is_fast(path: Path) -> bool:
    """Whether nothing that this file imports, or that a file of the tests it imports does, is
    `HEAVY`.
    """
    text = path.read_text(encoding="utf-8")
    if HEAVY.search(text) or path.stem.endswith("_browser") or path.stem == COMMANDS:
        return False
    files = (_files().get(name) for name in IMPORTED.findall(text))
    return all(is_fast(file) for file in files if file not in (None, path))


@cache
def _files() -> dict[str, Path]:
    """The files of the tests, by the name under which they import each other."""
    return {path.stem: path for path in TESTS.rglob("*.py")}
