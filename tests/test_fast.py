"""`--fast` leaves out what takes seconds to import, also where another file of the tests does."""

from __future__ import annotations

from pathlib import Path

import fast
import pytest


@pytest.mark.parametrize(
    ("text", "quick"),
    [
        ("import numpy\nfrom resolution_eval.models.providers import rule\n", True),
        ("def test_a():\n    import torch.nn\n", False),
        ("from resolution_eval.models.families import Family\n", False),
        ("from resolution_eval.host.runs import run\n", False),
        ("from resolution_eval.host import taskfiles\n", True),
        ("from synthetic_runs import line\n", False),
        ("from tiny_families import save\n", False),
        ("# import torch\n", True),
        ("from resolution_eval import cli, images\n", False),
        ("from resolution_eval import images\n", True),
    ],
)
def test_what_a_file_imports_decides(tmp_path: Path, text: str, quick: bool) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(text)
    assert fast.is_fast(file) is quick


def test_a_browser_is_never_fast(tmp_path: Path) -> None:
    file = tmp_path / "test_pages_browser.py"
    file.write_text("")
    assert not fast.is_fast(file)
