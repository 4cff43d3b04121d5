"""The simulation behind docs/coverage.md: its truth is what it says, and its verdict can be bad."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import coverage
from resolution_eval.statistics.comparison import design_effect


@pytest.mark.parametrize("clustered", [False, True])
def test_simulated_accuracies_are_those_of_the_curve(clustered):
    setting = coverage.Setting("rising", 4000, clustered, 1, (1,))
    answers = coverage.simulate(setting, np.random.default_rng(1))
    assert answers.correct.mean(axis=0) == pytest.approx(coverage.CURVES["rising"], abs=0.02)
    effect = design_effect(answers.correct[:, 0], answers.clusters)
    assert (effect > 1.3) == clustered
    assert np.corrcoef(answers.correct.T)[0, 1] > 0.2


def test_a_short_simulation_covers_with_our_methods_and_not_with_percentile():
    tally = coverage.coverage(coverage.Setting("flat", 50, False, 25, (2,)))
    assert tally["difference"][0] >= 20
    assert tally["ace"][0] >= 20
    assert tally["ace percentile"] == (0, 25)
    errors = coverage.errors(coverage.Setting("flat", 50, True, 25, (3,)))
    assert errors["Holm family of 3"][0] <= 5


def test_the_doubtful_rows_alone_are_made_as_the_page_shows_them(monkeypatch, capsys):
    monkeypatch.setattr(coverage, "AGAIN", 20)
    monkeypatch.setattr(coverage, "DOUBTFUL", [(*row[:2], 50, row[3]) for row in coverage.DOUBTFUL])
    monkeypatch.setattr(sys, "argv", ["coverage", "--doubtful"])
    coverage.main()
    said = capsys.readouterr().out.splitlines()[:5]
    head, _, *rows = [row.strip("| ").split(" | ") for row in said]
    assert head == ["curve", "kind", "clusters", "figure", "coverage"]
    assert [row[:2] + row[3:4] for row in rows] == [
        ["mild", "unclustered", "excess_ace"],
        ["flat", "unclustered", "accuracy"],
        ["high", "clustered", "area"],
    ]
    assert all(75 <= float(row[4]) <= 100 for row in rows)
    page = Path(__file__).parents[2] / "docs" / "coverage.md"
    assert f"\n{said[0]}\n" in page.read_text(encoding="utf-8")


def test_marks_tell_narrow_from_wide():
    tally = {"a": (92, 100), "b": (95, 100), "c": (98, 100)}
    assert [coverage._shown(tally, name) for name in "abcd"] == ["**92.0**", "95.0", "*98.0*", "–"]
