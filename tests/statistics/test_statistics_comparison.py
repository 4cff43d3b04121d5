"""Paired tests against statsmodels, SciPy, sign patterns counted and power simulated."""

from itertools import product
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from resolution_eval.statistics import paired_tests
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.resampling import AnswerMatrix, align


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_statsmodels_exact_one(first, second):
    expected = statsmodels_mcnemar([[5, first], [second, 7]], exact=True).pvalue
    assert paired_tests.mcnemar(first, second) == pytest.approx(expected)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=9))
def test_holm_is_statsmodels(p_values):
    ours = paired_tests.holm(dict(enumerate(p_values)))
    assert list(ours) == list(range(len(p_values)))
    with patch("gc.collect"):  # which statsmodels has look at all of torch, at each call
        expected = multipletests(p_values, method="holm")[1]
    assert list(ours.values()) == pytest.approx(expected)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_few_clusters_have_their_sign_patterns_counted(differences):
    reach = abs(sum(differences))
    patterns = list(product((-1, 1), repeat=len(differences)))
    hits = sum(
        abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= reach
        for signs in patterns
    )
    found = paired_tests.sign_flip(np.array(differences, dtype=float), seed=1)
    assert found == pytest.approx(hits / len(patterns))


def test_many_clusters_have_them_drawn_as_scipy_does():
    differences = np.random.default_rng(1).integers(-2, 4, 40).astype(float)
    expected = stats.permutation_test(
        (differences,),
        np.sum,
        permutation_type="samples",
        n_resamples=40_000,
        rng=np.random.default_rng(2),
    ).pvalue
    ours = paired_tests.sign_flip(differences, seed=3, flips=40_000)
    assert ours == pytest.approx(expected, abs=0.004)
    assert ours == paired_tests.sign_flip(differences[::-1], seed=3, flips=40_000)


def test_sign_flip_of_single_answers_is_mcnemar():
    differences = np.array([1.0] * 9 + [-1.0] * 2 + [0.0] * 30)
    assert paired_tests.sign_flip(differences, seed=1) == pytest.approx(paired_tests.mcnemar(2, 9))


@pytest.mark.parametrize("wrong", [[], [np.nan], [[1.0]]])
def test_sign_flip_refuses(wrong):
    with pytest.raises(ValueError, match="one finite difference"):
        paired_tests.sign_flip(np.array(wrong), seed=1)


def test_compare_tests_samples_alone_and_clusters_together():
    score = np.array([[0, 1], [0, 1], [1, 1], [0, 1], [1, 0], [0, 1]], float)
    alone = paired_tests.compare(AnswerMatrix(score, np.arange(6)), 0, 1, seed=1)
    assert alone.test == "mcnemar"
    assert alone.p == paired_tests.mcnemar(1, 4)
    assert alone.difference.estimate == pytest.approx(0.5)
    pairs = np.repeat(np.arange(3), 2)
    together = paired_tests.compare(AnswerMatrix(score, pairs, 5), 0, 1, seed=1)
    counts = together.difference.left_out, together.difference.clusters
    assert (together.test, *counts) == ("sign flip", 5, 3)
    assert together.p == paired_tests.sign_flip(np.array([2.0, 1.0, 0.0]), seed=1) == 0.5
    graded = paired_tests.compare(AnswerMatrix(score * 0.5, np.arange(6)), 1, 0, seed=1)
    assert (graded.test, graded.difference.estimate) == ("sign flip", -0.25)


def test_no_difference_has_p_one():
    same = AnswerMatrix(np.ones((8, 2)), np.arange(8))
    found = paired_tests.compare(same, 0, 1, seed=1)
    assert (found.p, found.difference.estimate) == (1.0, 0.0)
    assert found.difference.low < 0 < found.difference.high


def failing(pairs, failures):
    """Two columns of answers by sample, some failed in the second."""
    first = {str(i): float(one) for i, (one, _) in enumerate(pairs)}
    second = {str(i): float(other) for i, (_, other) in enumerate(pairs)}
    return align([first, {name: None if name in failures else v for name, v in second.items()}])


def test_failures_cannot_hide_a_loss():
    """Of 3,000 samples 100 were lost; were those failures, the worst case is still that loss."""
    pairs = [(1, 0)] * 100 + [(1, 1)] * 2000 + [(0, 0)] * 900
    honest = paired_tests.compare(failing(pairs, set()), 0, 1, seed=1)
    assert honest.p < 1e-9
    hidden = paired_tests.compare(failing(pairs, {str(i) for i in range(100)}), 0, 1, seed=1)
    assert hidden.difference.estimate == 0
    assert hidden.difference.low <= honest.difference.estimate
    assert (hidden.difference.left_out, hidden.p) == (100, 1.0)


def test_failures_speak_against_the_difference_that_the_others_show():
    pairs = [(1, 0)] * 12 + [(1, 1)] * 300 + [(0, 0)] * 88
    alone = paired_tests.compare(failing(pairs, set()), 0, 1, seed=1)
    doubted = paired_tests.compare(failing(pairs, {str(i) for i in range(390, 396)}), 0, 1, seed=1)
    assert alone.p == paired_tests.mcnemar(12, 0)
    assert doubted.p == paired_tests.mcnemar(12, 6)


def test_many_failures_are_no_comparison():
    pairs = [(1, 0)] * 120 + [(1, 1)] * 800 + [(0, 0)] * 80
    found = paired_tests.compare(failing(pairs, {str(i) for i in range(120)}), 0, 1, seed=1)
    assert isinstance(found, Withheld)
    assert "120 of 1000 samples failed" in found.reason


def test_design_effect_of_identical_cluster_members_is_their_number():
    rng = np.random.default_rng(1)
    answers = np.repeat(rng.integers(0, 2, 400), 3)
    labels = np.repeat(np.arange(400), 3)
    assert paired_tests.design_effect(answers, labels) == pytest.approx(3, rel=0.01)
    assert paired_tests.design_effect(answers, np.arange(1200)) == pytest.approx(1, rel=0.01)
    assert paired_tests.design_effect([1, 1], [0, 1]) == 1
    assert paired_tests.design_effect([1, 0], [0, 0]) == 1
