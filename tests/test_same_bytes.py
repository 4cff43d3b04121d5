"""Two checkouts, the same bytes: what the comparison of them finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.same_bytes import JOBS, differences, main

ROOT = Path(__file__).parents[1]


def test_a_byte_a_missing_file_and_a_new_one_are_named(tmp_path: Path) -> None:
    for side, files in (
        ("a", {"same": "1", "one": "2", "gone": "3"}),
        ("b", {"same": "1", "one": "4", "new": "5"}),
    ):
        for name, text in files.items():
            path = tmp_path / side / "folder" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    assert list(differences(tmp_path / "a", tmp_path / "b")) == [
        "folder/gone is made no longer",
        "folder/new is made anew",
        "folder/one differs",
    ]


@pytest.mark.whole
def test_a_checkout_makes_the_same_bytes_twice(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("compare", "matrix", "report as Markdown")
    assert {*names} <= {*JOBS}
    assert main([str(ROOT), str(ROOT), "--only", *names]) == 0
    assert "compare: 1 files, the same bytes" in capsys.readouterr().out
