"""Figures of one curve, against SciPy, scikit-learn and sums done by hand."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score

from resolution_eval.statistics import curves
from resolution_eval.statistics.curves import FIGURES, ScoreGrid

DINO = dict(zip((28, 64, 128, 224), (85.05, 93.9, 94.27, 96.14), strict=True))
EFFICIENTNET = dict(zip((28, 64, 128, 224), (80.51, 86.45, 87.62, 89.67), strict=True))
DENSENET = dict(zip((28, 64, 128, 224), (81.82, 90.03, 92.02, 91.28), strict=True))

curve_values = st.lists(st.integers(0, 100), min_size=2, max_size=8)


def curve_of(values):
    return {20 + 9 * i * i + i: value / 100 for i, value in enumerate(values)}


def test_published_curves_have_their_known_figures():
    assert curves.figure("ace", DINO) == pytest.approx(11.09)
    assert curves.figure("rce", DINO) == pytest.approx(0.1201, abs=5e-5)
    assert curves.figure("rho", DINO) == pytest.approx(1.0)
    assert curves.figure("excess_ace", DINO) == pytest.approx(0, abs=1e-12)
    assert curves.figure("ace", EFFICIENTNET) == pytest.approx(9.16)
    assert curves.figure("rho", DENSENET) == pytest.approx(0.8)
    assert curves.figure("excess_ace", DENSENET) == pytest.approx(1.48)


@given(curve_values)
def test_area_is_scipys_trapezoid_over_octaves(values):
    curve = curve_of(values)
    octaves = np.log2(list(curve))
    expected = trapezoid(list(curve.values()), octaves) / (octaves[-1] - octaves[0])
    assert curves.figure("area", curve) == pytest.approx(expected)


@given(curve_values)
def test_ace_is_a_plain_loop_over_steps(values):
    total = 0.0
    for before, after in pairwise(values):
        total += abs(after - before) / 100
    assert curves.figure("ace", curve_of(values)) == pytest.approx(total)
    if sum(values):
        assert curves.figure("rce", curve_of(values)) == pytest.approx(
            total / (sum(values) / 100 / len(values))
        )


@given(curve_values.filter(lambda values: len(set(values)) > 1))
def test_rho_is_scipys_spearman(values):
    assert curves.figure("rho", curve_of(values)) == pytest.approx(
        spearmanr(range(len(values)), values).statistic
    )


def test_rho_of_a_constant_curve_is_undefined():
    assert math.isnan(curves.figure("rho", {28: 0.5, 56: 0.5}))


@given(curve_values)
def test_monotone_curves_have_no_excess(values):
    assert curves.figure("excess_ace", curve_of(sorted(values))) == pytest.approx(0, abs=1e-12)


@given(curve_values, st.integers(1, 50))
def test_a_constant_shifts_the_area_and_leaves_steps_and_drops(values, shift):
    before, after = curve_of(values), curve_of([value + shift for value in values])
    last = max(before)
    assert curves.figure("area", after) == pytest.approx(
        curves.figure("area", before) + shift / 100
    )
    assert curves.figure("ace", after) == pytest.approx(curves.figure("ace", before))
    assert curves.figure("worst_drop", after, reference=last) == pytest.approx(
        curves.figure("worst_drop", before, reference=last)
    )


@given(curve_values)
def test_the_order_of_a_mapping_does_not_matter(values):
    curve = curve_of(values)
    backwards = dict(reversed(curve.items()))
    for name in set(FIGURES) - {"rho"}:
        assert curves.figure(name, curve) == curves.figure(name, backwards)


def test_worst_drop_is_against_the_reference_and_never_negative():
    curve = {28: 0.25, 56: 0.5, 224: 0.75}
    assert curves.figure("worst_drop", curve, reference=224) == 0.5
    assert curves.figure("worst_drop", curve, reference=56) == 0.25
    assert curves.figure("worst_drop", curve, reference=28) == 0


def test_a_single_resolution_is_its_own_area():
    assert curves.figure("area", {112: 0.3}) == 0.3
    assert curves.figure("ace", {112: 0.3}) == 0


def test_figures_of_many_curves_are_those_of_each():
    rows = np.random.default_rng(1).random((50, 5))
    grid = ScoreGrid((28, 40, 100, 224, 300), reference=2)
    for name, statistic in FIGURES.items():
        each = [
            curves.figure(name, dict(zip(grid.resolutions, row, strict=True)), reference=100)
            for row in rows
        ]
        assert statistic(rows, grid) == pytest.approx(each)


@pytest.mark.parametrize(
    "resolutions", [(), (56, 28), (28, 28), (0, 28)], ids=["empty", "unsorted", "repeated", "zero"]
)
def test_a_grid_refuses(resolutions):
    with pytest.raises(ValueError, match="resolution"):
        ScoreGrid(resolutions)


def test_curves_refuse_nan_emptiness_and_a_foreign_reference():
    with pytest.raises(ValueError, match="must be a number"):
        curves.figure("area", {28: 0.1, 56: math.nan})
    with pytest.raises(ValueError, match="at least one resolution"):
        curves.figure("ace", {})
    with pytest.raises(ValueError, match="no resolution 64"):
        curves.figure("worst_drop", {28: 0.1}, reference=64)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_balanced_accuracy_is_scikit_learns(pairs):
    targets, predictions = zip(*pairs, strict=True)
    assert curves.balanced_accuracy(targets, predictions) == pytest.approx(
        balanced_accuracy_score(targets, predictions)
    )


def test_an_unparseable_answer_is_wrong():
    assert curves.balanced_accuracy(["a", "a", "b"], ["a", None, "b"]) == 0.75


def test_balanced_accuracy_refuses_nothing_and_lengths_that_differ():
    with pytest.raises(ValueError, match="as many predictions"):
        curves.balanced_accuracy([], [])
    with pytest.raises(ValueError, match="as many predictions"):
        curves.balanced_accuracy(["a"], ["a", "b"])


def test_ace_and_rce_are_continuous_errors_as_their_source_has_it():
    text = Path(curves.__file__).read_text(encoding="utf-8")
    assert "Absolute Continuous Error" in text
    assert "cumulative" not in text.lower()


def test_the_drop_from_the_best_is_the_whole_range():
    curve = {28: 0.5, 56: 0.9, 112: 0.7, 224: 0.6}
    assert curves.figure("best_drop", curve) == pytest.approx(0.4)
