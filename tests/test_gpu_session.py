"""The one command for a card: every part has a limit, and what it found lies in files."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from benchmarks import NAMES, gpu_overhead, gpu_session
from benchmarks.device import Clock, clocked, slowed
from benchmarks.gpu_session import Part
from benchmarks.host import Kept
from resolution_eval.evidence.run_ledger import LEDGER, SampleKey
from resolution_eval.evidence.verdict import Failure
from resolution_eval.models.transfer import Transfer


def _given(output: Path) -> argparse.Namespace:
    return argparse.Namespace(output=output, size="rehearsal")


def test_every_part_is_a_benchmark_the_tests_or_the_cost_and_all_fit_the_time() -> None:
    parts = gpu_session.parts(Path("out"), "2b")
    named = {part.name for part in parts} - {"model", "tests", "cost"}
    assert named == {name for name in NAMES if name.startswith("gpu")}
    assert sum(part.seconds for part in parts) <= 12 * 60 + 60
    assert all("--size" in part.command for part in gpu_session.parts(Path("o"), "rehearsal")[2:8])


def test_a_part_that_takes_too_long_is_cut_and_the_row_says_so(tmp_path: Path) -> None:
    part = Part("slow", (sys.executable, "-c", "import time; time.sleep(60)"), 0.3)
    row = gpu_session._run(part, _given(tmp_path), time.monotonic() + 100)
    assert row["ended"].startswith("cut after") and row["ratio"] is None


def test_no_part_is_begun_without_time(tmp_path: Path) -> None:
    part = Part("late", (sys.executable, "-c", "raise SystemExit(3)"), 10)
    row = gpu_session._run(part, _given(tmp_path), time.monotonic() + 1)
    assert row["ended"] == "not begun: no time left"
    assert not (tmp_path / "late.log").exists()


def test_a_part_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    part = Part("bad", (sys.executable, "-c", "raise SystemExit('no card')"), 30)
    row = gpu_session._run(part, _given(tmp_path), time.monotonic() + 100)
    assert (row["ended"], row["said"]) == ("status 1", "no card")


def test_what_a_part_wrote_is_in_its_row_and_it_is_given_the_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    written = {"ratio": 1.04, "target": 1.1, "detail": {"sense": "at most", "note": "as said"}}
    (tmp_path / "one.json").write_text(json.dumps(written))
    script = "import sys; print(sys.argv[1:])"
    part = Part("one", (sys.executable, "-c", script), 30, checkpoint=True)
    row = gpu_session._run(part, _given(tmp_path), time.monotonic() + 100)
    assert (row["ended"], row["ratio"], row["must"]) == ("well", 1.04, "at most 1.1")
    assert str(tmp_path / "model") in (tmp_path / "one.log").read_text()


class _Model:
    def work(self, count: int) -> int:
        return 2 * count


def test_a_device_of_known_length_takes_it_and_the_clock_sees_it() -> None:
    model, clock = _Model(), Clock()
    with slowed(model, "work", lambda count: 0.02 * count), clocked(model, "work", clock):
        assert [model.work(1), model.work(2)] == [2, 4]
    assert len(clock.seconds) == 2 and clock.total >= 0.06
    assert "work" not in vars(model)


def test_what_was_replaced_comes_back() -> None:
    model = _Model()
    model.work = 5  # type: ignore[method-assign,assignment]
    with patch.object(model, "work", 6):
        assert vars(model)["work"] == 6
    assert vars(model)["work"] == 5


def test_tensors_are_sent_in_the_type_asked_for_and_the_rest_goes_beside() -> None:
    values = {"ids": torch.tensor([1, 2]), "pixels": torch.ones(2), "sizes": [[1, 2]]}
    found = Transfer(torch.device("cpu")).send(values, torch.float64).arrived()
    assert found["pixels"].dtype == torch.float64 and found["ids"].dtype == torch.int64
    assert found["sizes"] == [[1, 2]] and set(found) == set(values)


@pytest.mark.parametrize("name", ["nonsense", "gpu,nonsense"])
def test_an_unknown_part_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_session", "--output", str(tmp_path), "--parts", name])
    with pytest.raises(SystemExit):
        gpu_session.main()
    assert "no part nonsense; choose from model, tests" in capsys.readouterr().err


class _Failing:
    """An adapter one of whose samples fails."""

    def generate_until(self, requests: list[str]) -> list[str]:
        if "bad" in requests:
            LEDGER.failures[SampleKey("d", "s1", "56")] = Failure(kind="ValueError", message="no")
        return requests


def test_a_sweep_one_of_whose_samples_failed_is_no_time() -> None:
    kept = Kept(_Failing(), ["good", "bad"])
    with pytest.raises(RuntimeError, match="1 samples failed, the first s1 at 56 with ValueError"):
        kept.seconds()
    assert kept.seconds(["good"]) >= 0.0


class _Adapter:
    overlaps = True

    def prepared(self, views: str) -> str:
        return f"{views} prepared"

    def _with_prepared(self, views: str) -> tuple[str, str]:
        return views, self.prepared(views)


def test_batches_made_in_turn_are_still_made() -> None:
    adapter = _Adapter()
    with gpu_overhead.made_in_turn(adapter):
        assert not adapter.overlaps and adapter._with_prepared("v") == ("v", None)
        assert adapter.prepared("v") == "v prepared"
    assert adapter.overlaps and adapter._with_prepared("v") == ("v", "v prepared")


def test_the_cost_by_resolution_is_told_with_its_law() -> None:
    law = {"fixed": 0.5, "factor": 0.25, "exponent": 1.5, "low": 1.4, "high": 1.6}
    measured = {"edge": 28, "visual_tokens": 4, "peak_memory": 2**21}
    document = {
        "hardware": "Card X",
        "laws": {"training": law},
        "measured": [measured | {"train_joules": None, "answer_joules": 0.5}],
        "samples_per_second": {"28": [2.0, 4.0]},
    }
    found = gpu_session._costs(document)
    assert found["rows"] == [
        {
            "r": 28,
            "visual tokens": 4,
            "trained/s": 2.0,
            "answered/s": 4.0,
            "peak MiB": 2.0,
            "J trained": None,
            "J answered": 0.5,
        }
    ]
    assert "tokens^1.50 (exponent 95 % [1.40, 1.60])" in found["said"]


def _ended_well(output: Path, *more: str) -> dict[str, str]:
    """How each part of a rehearsal in `output` ended."""
    command = [sys.executable, "-m", "benchmarks.gpu_session", "--output", str(output)]
    command += ["--size", "rehearsal", "--minutes", "40", *more]
    subprocess.run(command, cwd=Path(__file__).parents[1], check=True, timeout=3000)
    session = json.loads((output / "session.json").read_text())
    return {row["part"]: row["ended"] for row in session["parts"]}


@pytest.mark.whole
def test_memory_can_be_played(tmp_path: Path) -> None:
    assert set(_ended_well(tmp_path, "--parts", "gpu-batch").values()) == {"well"}


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_every_part_can_be_rehearsed(tmp_path: Path) -> None:
    ended = _ended_well(tmp_path)
    assert set(ended) == {part.name for part in gpu_session.parts(tmp_path, "rehearsal")}
    assert set(ended.values()) == {"well"}
