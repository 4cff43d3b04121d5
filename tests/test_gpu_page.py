"""docs/gpu.md says what the kept sessions say, and has every row that was asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import NAMES, gpu_page, gpu_session

ROOT = Path(__file__).parents[1]


def _session(size: str = "rehearsal", ratio: float | None = None) -> dict[str, Any]:
    versions = ("resolution-eval", "lmms-eval", "torch", "transformers", "open-flamingo")
    found = {"gpus": ["Card X"], "driver": "1.2", "cuda": "13", "cpu": "P", "cores": 2}
    card = {**found, "versions": dict.fromkeys(versions, "9")}
    part = {**gpu_session.NOTHING, "part": "gpu-rank", "ended": "well", "seconds": 1.0}
    field = "rehearsed" if size == "rehearsal" else "ratio"
    part |= {field: ratio, "rounds": [1.0, 1.25, 2.0], "foreign": 0.1}
    return {"size": size, "date": "2026-01-02", "card": card, "parts": [part]}


def test_the_page_is_made_from_the_kept_sessions() -> None:
    found = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    assert found == gpu_page.page(), "run python -m benchmarks.gpu_page"


def test_every_part_with_a_mark_was_rehearsed_whole_and_the_page_tells_its_figure() -> None:
    session = gpu_page.kept("rehearsal")
    assert session is not None
    parts = {part["part"]: part for part in session["parts"]}
    assert {name: part["ended"] for name, part in parts.items()} == dict.fromkeys(
        (part.name for part in gpu_session.parts(Path(), "rehearsal")), "well"
    )
    page = gpu_page.page()
    for name, (_, must) in gpu_page.MARKS.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {name} "))
        assert parts[name]["must"] == must and must in row
        assert f"{parts[name]['rehearsed']:.2f}" in row and f"--parts {name}`" in row


def test_every_benchmark_of_a_gpu_has_a_row_and_says_what_its_rehearsal_is() -> None:
    named = {name for name in NAMES if name.startswith("gpu")}
    assert named == set(gpu_page.MARKS) == set(gpu_page.REHEARSED)


def test_a_card_that_nobody_had_is_said_not_to_have_been_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu_page, "KEPT", tmp_path)
    gpu_page.keep(_session(ratio=1.25))
    page = gpu_page.page()
    (row,) = (line for line in page.splitlines() if line.startswith("| gpu-rank "))
    assert "not measured: no card" in row and "1.25 [1.00, 2.00], n = 3" in row
    assert "**No card was at hand" in page and "Measured on" not in page


def test_a_session_on_a_card_takes_its_own_column(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu_page, "KEPT", tmp_path)
    gpu_page.keep(_session("2b", ratio=1.31))
    page = gpu_page.page()
    (row,) = (line for line in page.splitlines() if line.startswith("| gpu-rank "))
    assert "1.31 [1.00, 2.00], n = 3" in row and "not rehearsed" in row
    assert "Measured on Card X, driver 1.2, CUDA 13, on 2026-01-02" in page


def test_a_part_measured_again_replaces_itself_alone_and_another_card_begins_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu_page, "KEPT", tmp_path)
    first, second = _session("2b", ratio=1.2), _session("2b", ratio=1.4)
    first["parts"].append({**first["parts"][0], "part": "gpu-batch"})
    gpu_page.keep(first)
    both = json.loads(gpu_page.keep(second).read_text())
    assert {part["part"]: part["ratio"] for part in both["parts"]} == {
        "gpu-rank": 1.4,
        "gpu-batch": 1.2,
    }
    second["card"]["gpus"] = ["Card Y"]
    alone = json.loads(gpu_page.keep(second).read_text())
    assert [part["part"] for part in alone["parts"]] == ["gpu-rank"]
