"""Every figure that the analysis prints with an interval has measured coverage, and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import sweep, write_run

from resolution_eval.analysis import CurveFigures, by_task, figures
from resolution_eval.records import make_records
from resolution_eval.statistics.intervals import Interval, accuracies
from resolution_eval.statistics.promises import PROMISED
from resolution_eval.statistics.resampling import plain

CURVE = {"28": 0.3, "64": 0.6, "128": 0.85}
OF_A_CURVE = {"gain": "gain_area"}
"""Figures of the analysis whose name on the coverage page is another one."""


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> CurveFigures:
    folder: Path = tmp_path_factory.mktemp("run")
    lines = sweep(CURVE, samples=120)
    for each in lines:
        each["verdict"]["options"] = ["adipose", "mucosa", "lymph"]
    write_run(folder, lines)
    (task,) = by_task(make_records(folder))
    return figures(task.sweeps[0])


def test_every_interval_of_a_curve_is_promised(found: CurveFigures) -> None:
    with_intervals = {name for name, each in found.figures.items() if isinstance(each, Interval)}
    assert with_intervals == set(found.figures) - {"rho"}
    assert {OF_A_CURVE.get(name, name) for name in with_intervals} <= PROMISED.keys()
    assert isinstance(found.figures["rho"], float) and "rho" not in PROMISED


def test_every_interval_of_a_cell_and_a_class_is_promised(found: CurveFigures) -> None:
    of_cells = {"accuracy", "balanced_accuracy", "gain", "brier", "calibration"}
    for cell in found.cells:
        assert {n for n in vars(cell) if isinstance(getattr(cell, n), Interval)} == of_cells
    assert of_cells - {"calibration"} | {"calibration_error"} <= PROMISED.keys()
    for each in found.classes:
        rows = {n for n, v in vars(each).items() if isinstance(v, tuple) and v}
        assert rows == {"sensitivity", "specificity", "auroc"} <= PROMISED.keys()
    assert {"difference", "floor", "average_precision", "over_runs"} <= PROMISED.keys()


def test_a_class_has_the_rates_whose_coverage_was_measured(found: CurveFigures) -> None:
    record = found.sweep.record
    rows = [row for row in record.answers.rows() if row["resolution"] == "64"]
    targets, said, clusters = (
        np.array([row[name] for row in rows]) for name in ("target", "prediction", "cluster")
    )
    for each in found.classes:
        mine, hit = targets == each.target, said == each.target
        (sensitivity,) = accuracies(plain(hit[mine], clusters[mine]))
        (specificity,) = accuracies(plain(~hit[~mine], clusters[~mine]))
        for mine, other in (
            (each.sensitivity[1], sensitivity),
            (each.specificity[1], specificity),
        ):
            assert (mine.estimate, mine.low, mine.high) == pytest.approx(
                (other.estimate, other.low, other.high)
            )
