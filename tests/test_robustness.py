"""The metric of the `evaluate` library, loaded from its folder: a record's figures, offline."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import resolution_eval
from resolution_eval.ground.errors import UsageError
from resolution_eval.robustness import robustness
from resolution_eval.statistics.intervals import Interval

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[1]
FOLDER = Path(robustness.__file__).parent
RECORDS = ROOT / "leaderboard" / "records"


@pytest.fixture(scope="module")
def metric() -> Any:
    return robustness.ResolutionRobustness()


def _inputs(record: Any) -> dict[str, list[Any]]:
    rows = record.answers.rows()
    return {
        "predictions": [row["prediction"] for row in rows],
        "references": [row["target"] for row in rows],
        "resolutions": [int(row["resolution"]) for row in rows],
        "samples": [row["sample"] for row in rows],
        "clusters": [row["cluster"] for row in rows],
    }


@pytest.fixture(scope="module")
def mixed() -> Any:
    folders = sorted(RECORDS.glob("resolution-eval__embedded-mixed/*"))
    return resolution_eval.load(*folders).only


def test_the_figures_are_those_of_the_records_curve(metric: Any, mixed: Any) -> None:
    found, curve = metric.compute(**_inputs(mixed)), resolution_eval.curve(mixed)
    for name in robustness.FIGURES:
        assert isinstance(curve.figures[name], Interval)
        assert found[name] == asdict(curve.figures[name])
    assert found["accuracy"] == {
        int(cell.cell.resolution): asdict(cell.accuracy) for cell in curve.cells
    }


def test_without_names_the_order_pairs_the_samples(metric: Any, mixed: Any) -> None:
    inputs = _inputs(mixed)
    named = metric.compute(**inputs)
    alone = {name: inputs[name] for name in ("predictions", "references", "resolutions")}
    found = metric.compute(**alone)
    assert found["area"]["estimate"] == pytest.approx(named["area"]["estimate"])
    rows = list(zip(*alone.values(), strict=True))
    random.Random(3).shuffle(rows)
    with pytest.raises(UsageError, match="name the samples"):
        metric.compute(**dict(zip(alone, map(list, zip(*rows, strict=True)), strict=True)))


def test_what_cannot_be_paired_is_refused(metric: Any) -> None:
    three = {"predictions": ["a"] * 3, "references": ["a"] * 3, "resolutions": [28, 28, 56]}
    with pytest.raises(UsageError, match="different numbers"):
        metric.compute(**three)
    with pytest.raises(UsageError, match="twice at 28"):
        metric.compute(**three, samples=["x", "x", "x"])


def test_a_gap_widens_and_one_resolution_has_no_curve(metric: Any) -> None:
    names = [f"s{i}" for i in range(40)]
    full = {
        "predictions": ["a"] * 80,
        "references": ["a"] * 80,
        "resolutions": [28] * 40 + [56] * 40,
    }
    whole = metric.compute(**full, samples=names * 2)
    gap = {name: values[:-1] for name, values in full.items()}
    lacking = metric.compute(**gap, samples=(names * 2)[:-1])
    assert lacking["area"]["left_out"] == 1
    assert lacking["accuracy"][56]["low"] < whole["accuracy"][56]["low"]
    few = {name: values[:50] for name, values in full.items()}
    assert "reason" in metric.compute(**few, samples=(names * 2)[:50])["area"]
    one = {name: values[:40] for name, values in full.items()}
    assert metric.compute(**one)["area"] == {"reason": "a curve needs two resolutions"}


def test_evaluate_loads_it_from_its_folder_without_a_network(tmp_path: Path) -> None:
    code = (
        "import socket, evaluate\n"
        "def refuse(*_, **__): raise OSError('no network here')\n"
        "socket.socket.connect = refuse\n"
        f"metric = evaluate.load({str(FOLDER)!r})\n"
        "found = metric.compute(predictions=['a', 'b'] * 30, references=['a', 'a'] * 30,"
        " resolutions=[28, 56] * 30)\n"
        "print(found['accuracy'][28]['estimate'], found['accuracy'][56]['estimate'])"
    )
    offline = {"HF_HOME": str(tmp_path), "HF_EVALUATE_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.stdout.split() == ["1.0", "0.0"], ran.stderr
