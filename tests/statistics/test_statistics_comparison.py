"""Paired tests against statsmodels, SciPy, sign patterns counted and power simulated."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from resolution_eval.statistics import comparison
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.resampling import Answers


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_statsmodels_exact_one(first, second):
    expected = statsmodels_mcnemar([[5, first], [second, 7]], exact=True).pvalue
    assert comparison.mcnemar(first, second) == pytest.approx(expected)


@settings(max_examples=15, deadline=None)  # statsmodels takes 0.1 s a call
@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=9))
def test_holm_is_statsmodels(p_values):
    ours = comparison.holm(dict(enumerate(p_values)))
    assert list(ours) == list(range(len(p_values)))
    assert list(ours.values()) == pytest.approx(multipletests(p_values, method="holm")[1])


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_few_clusters_have_their_sign_patterns_counted(differences):
    reach = abs(sum(differences))
    patterns = list(product((-1, 1), repeat=len(differences)))
    hits = sum(
        abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= reach
        for signs in patterns
    )
    found = comparison.sign_flip(np.array(differences, dtype=float), seed=1)
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
    ours = comparison.sign_flip(differences, seed=3, flips=40_000)
    assert ours == pytest.approx(expected, abs=0.004)
    assert ours == comparison.sign_flip(differences[::-1], seed=3, flips=40_000)


def test_sign_flip_of_single_answers_is_mcnemar():
    differences = np.array([1.0] * 9 + [-1.0] * 2 + [0.0] * 30)
    assert comparison.sign_flip(differences, seed=1) == pytest.approx(comparison.mcnemar(2, 9))


@pytest.mark.parametrize("wrong", [[], [np.nan], [[1.0]]])
def test_sign_flip_refuses(wrong):
    with pytest.raises(ValueError, match="one finite difference"):
        comparison.sign_flip(np.array(wrong), seed=1)


def test_compare_tests_samples_alone_and_clusters_together():
    score = np.array([[0, 1], [0, 1], [1, 1], [0, 1], [1, 0], [0, 1]], float)
    alone = comparison.compare(Answers(score, np.arange(6)), 0, 1, seed=1, resamples=200)
    assert (alone.test, alone.only_first, alone.only_second) == ("mcnemar", 1, 4)
    assert alone.p == comparison.mcnemar(1, 4)
    assert alone.difference.estimate == pytest.approx(0.5)
    pairs = np.repeat(np.arange(3), 2)
    together = comparison.compare(Answers(score, pairs, 5), 0, 1, seed=1, resamples=200)
    assert (together.test, together.left_out, together.difference.clusters) == ("sign flip", 5, 3)
    assert together.p == comparison.sign_flip(np.array([2.0, 1.0, 0.0]), seed=1) == 0.5
    graded = comparison.compare(Answers(score * 0.5, np.arange(6)), 1, 0, seed=1, resamples=200)
    assert (graded.test, graded.only_first) == ("sign flip", 4)


def test_no_difference_has_p_one():
    same = Answers(np.ones((8, 2)), np.arange(8))
    found = comparison.compare(same, 0, 1, seed=1, resamples=50)
    assert (found.p, found.difference.estimate) == (1.0, 0.0)
    assert found.difference.low < 0 < found.difference.high


@pytest.mark.parametrize(("drop", "discordance"), [(0.05, 0.2), (0.1, 0.15), (0.03, 0.06)])
def test_the_samples_needed_have_the_power_promised(drop, discordance):
    n = comparison.samples_needed(drop, discordance)
    rng = np.random.default_rng(1)
    shares = [(discordance - drop) / 2, (discordance + drop) / 2, 1 - discordance]
    counts = rng.multinomial(n, shares, size=4000)[:, :2]
    step, spread = counts[:, 1] - counts[:, 0], counts.sum(axis=1)
    power = (np.abs(step) > 1.96 * np.sqrt(spread)).mean()
    assert power == pytest.approx(0.8, abs=0.045)


@given(st.integers(200, 20_000), st.floats(0.05, 0.9), st.floats(1, 4))
def test_detectable_drop_and_samples_needed_undo_each_other(n, discordance, design):
    drop = comparison.minimum_detectable_drop(n, discordance, design=design)
    if not isinstance(drop, Withheld):
        assert abs(comparison.samples_needed(drop, discordance, design=design) - n) <= 1


def test_too_few_samples_detect_nothing():
    found = comparison.minimum_detectable_drop(20, 0.05)
    assert isinstance(found, Withheld)
    assert "20 samples" in found.reason


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: comparison.samples_needed(0.3, 0.2), "discordance of at least"),
        (lambda: comparison.samples_needed(0.0, 0.2), "drop must be above 0"),
        (lambda: comparison.minimum_detectable_drop(0, 0.2), "at least one sample"),
        (lambda: comparison.minimum_detectable_drop(9, 1.2), "discordance must be"),
        (lambda: comparison.samples_needed(0.1, 0.2, power=1.0), "power must be above 0 and below"),
        (
            lambda: comparison.minimum_detectable_drop(9, 0.2, error=1.0),
            "error must be above 0 and",
        ),
    ],
)
def test_impossible_plans_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_design_effect_of_identical_cluster_members_is_their_number():
    rng = np.random.default_rng(1)
    answers = np.repeat(rng.integers(0, 2, 400), 3)
    labels = np.repeat(np.arange(400), 3)
    assert comparison.design_effect(answers, labels) == pytest.approx(3, rel=0.01)
    assert comparison.design_effect(answers, np.arange(1200)) == pytest.approx(1, rel=0.01)
    assert comparison.design_effect([1, 1], [0, 1]) == 1
    assert comparison.design_effect([1, 0], [0, 0]) == 1
