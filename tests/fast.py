"""Which test files are fast, read from what they import: see `pytest --fast` in CONTRIBUTING.md."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
HEAVY = re.compile(
    r"^\s*(?:from|import) (?:torch|torchvision|lmms_eval|transformers|peft|accelerate|open_clip"
    r"|open_flamingo|playwright|evaluate|benchmarks|studies|subprocess|http|synthetic_runs"
    r"|resolution_eval\.(?:adapters|training|diagnosis|score|embedded_demo|entrance|robustness|board|report"
    r"|jobs|datasets|commands|cli|installation|host\.(?:runs|fewshot|tasks)"
    r"|models\.(?!providers|arguments)\w+))\b"
    r"|^\s*from resolution_eval import .*\bcli\b",
    re.MULTILINE,
)
"""What takes seconds: torch, lmms-eval, browsers, servers, other processes, files of whole runs,
and our rooms that stand on these.
"""
IMPORTED = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)


@cache
def is_fast(path: Path) -> bool:
    """Whether nothing that this file imports, or that a file of the tests it imports does, is
    `HEAVY`.
    """
    text = path.read_text(encoding="utf-8")
    if HEAVY.search(text) or path.stem.endswith("_browser"):
        return False
    files = (_files().get(name) for name in IMPORTED.findall(text))
    return all(is_fast(file) for file in files if file not in (None, path))


@cache
def _files() -> dict[str, Path]:
    """The files of the tests, by the name under which they import each other."""
    return {path.stem: path for path in TESTS.rglob("*.py")}
