"""The simulation behind docs/coverage.md: its truth is what it says, and its verdict can be bad."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.coverage import page, sweeps
from benchmarks.coverage.__main__ import STUDIES
from benchmarks.coverage.tally import Case, Study, kept, run
from benchmarks.coverage.truths import TRUTHS, TruthSample, simulate
from resolution_eval.statistics.intervals import METHODS
from resolution_eval.statistics.paired_tests import design_effect
from resolution_eval.statistics.promises import ERRORS, PROMISES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("name", ["rising", "2 % differ"])
def test_simulated_accuracies_are_those_of_the_curve(name, clustered):
    truth = TRUTHS[name]
    answers = simulate(truth, TruthSample(8000, clustered), np.random.default_rng(1))
    assert answers.correct.mean(axis=0) == pytest.approx(truth.accuracy, abs=0.02)
    effect = design_effect(answers.correct[:, 0], answers.clusters)
    assert (effect > 1.3) == clustered
    if name == "2 % differ":
        assert 0.005 < np.mean(answers.correct[:, 0] != answers.correct[:, -1]) < 0.03


def test_a_short_simulation_covers_and_counts_what_does_not():
    rates = run(sweeps.cases(25)[0], (2,))
    assert all(hits >= 20 for hits, _ in rates.values())
    wrong = Case("t", "s", lambda rng, seed: iter([("always", True), ("never", False)]), 7)
    assert run(wrong, (1,)) == {"always": (7, 7), "never": (0, 7)}


def test_every_promise_has_rows_for_few_and_many_samples_and_clusters():
    for promise in PROMISES:
        rows = [row for row in kept(promise.study).rows if row[0] == promise.coverage]
        samples = {row[2] for row in rows}
        assert samples & {"n 30", "n 24", "n 320"}, promise.figure
        assert samples & {"8 clusters", "20 clusters", "50 clusters"}, promise.figure
    assert {promise.study for promise in PROMISES} | set(ERRORS.values()) == set(STUDIES)


def test_the_page_is_made_from_the_kept_results_and_names_every_figure():
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert text == page.page()
    for promise in PROMISES:
        assert f"| {promise.figure} | {promise.method} |" in text


def test_no_promised_error_is_really_above_five_percent():
    for name, study in ERRORS.items():
        rows = [row for row in kept(study).rows if row[0] == name]
        assert rows, name
        for _, truth, sample, hits, tries in rows:
            allowed = 0.05 * tries + 3.3 * (0.05 * 0.95 * tries) ** 0.5
            assert hits <= allowed, (name, truth, sample)


def test_no_interval_is_really_below_ninety_without_a_sentence():
    for promise in PROMISES:
        for figure, truth, sample, hits, tries in kept(promise.study).rows:
            if figure == promise.coverage and tries >= 20:
                error = 3.3 * (0.93 * 0.07 / tries) ** 0.5
                assert hits / tries >= 0.93 - error or (figure, truth, sample) in page.REMARKS, (
                    figure,
                    truth,
                    sample,
                )


def test_marks_tell_narrow_from_wide():
    assert [page._marked(rate) for rate in (0.92, 0.95, 0.98)] == ["**92.0**", "95.0", "*98.0*"]


def test_a_study_is_kept_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.coverage.tally.RESULTS", tmp_path)
    Study("one", [("area", "flat", "n 30", 9, 10)], {"seed": 1}).keep()
    found = kept("one")
    assert (found.rows, found.facts) == ([("area", "flat", "n 30", 9, 10)], {"seed": 1})
    assert kept("two").rows == []


def test_every_figure_with_an_interval_is_promised():
    promised = {promise.figure for promise in PROMISES}
    assert set(METHODS) <= promised
    assert "rho" not in promised
    analysis = pytest.importorskip("resolution_eval.analysis.curve")
    assert set(analysis.FIGURES) - {"rho"} <= promised
