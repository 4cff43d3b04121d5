"""Planning: the design effect of differences, and plans that cannot be met."""

import numpy as np
import pytest

from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.paired_tests import compare, mcnemar
from resolution_eval.statistics.planning import (
    Design,
    detectable_drop,
    observed,
    plan,
    power_of,
    samples_needed,
)
from resolution_eval.statistics.resampling import AnswerMatrix


def test_the_design_effect_of_identical_cluster_members_is_their_number():
    rng = np.random.default_rng(1)
    pairs = np.repeat(rng.integers(0, 2, (600, 2)).astype(float), 3, axis=0)
    n, discordance, design = observed(AnswerMatrix(pairs, np.repeat(np.arange(600), 3)), 0, 1)
    assert n == 1800
    assert discordance == pytest.approx(0.5, abs=0.05)
    assert design == pytest.approx(3, rel=0.01)


def test_samples_of_their_own_have_a_design_effect_of_one():
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, 2, (600, 2)).astype(float)
    assert observed(AnswerMatrix(pairs, np.arange(600)), 0, 1)[2] == 1.0


@pytest.mark.parametrize(
    ("drop", "discordance"),
    [
        (0.05, 0.2),
        pytest.param(0.1, 0.15, marks=pytest.mark.whole),
        pytest.param(0.03, 0.06, marks=pytest.mark.whole),
    ],
)
def test_the_power_is_that_of_mcnemars_exact_test(drop, discordance):
    n = 500
    rng = np.random.default_rng(1)
    shares = [(discordance - drop) / 2, (discordance + drop) / 2, 1 - discordance]
    counts = rng.multinomial(n, shares, size=3000)[:, :2]
    found = np.mean([mcnemar(int(a), int(b)) <= 0.05 for a, b in counts])
    expected = power_of(Design(n=n, discordance=discordance), drop)
    assert expected.value == pytest.approx(found, abs=0.03)
    assert (expected.monte_carlo_error, expected.test) == (0.0, "mcnemar")


def test_without_a_drop_the_power_is_the_tests_own_error():
    assert power_of(Design(n=400, discordance=0.2), 0.0).value <= 0.05


@pytest.mark.parametrize(
    ("clusters", "design"),
    [(8, 1.0), (8, 3.0), pytest.param(40, 2.0, marks=pytest.mark.whole)],
)
def test_the_power_in_clusters_is_that_of_the_comparison_made(clusters, design):
    n, discordance, drop = 320, 0.3, 0.12
    made = Design(n=n, discordance=discordance, clusters=clusters, design=design, seed=5)
    found = power_of(made, drop)
    assert found.test == "sign flip"
    assert 0 < found.monte_carlo_error < 0.012
    rng = np.random.default_rng(2)
    size = n // clusters
    alike = np.sqrt((design - 1) / (size - 1))
    hits = []
    for _ in range(300):
        odds = [(discordance + drop) / 2, (discordance - drop) / 2, 1 - discordance]
        step = rng.choice([-1, 1, 0], size=(clusters, size), p=odds)
        common = rng.choice([-1, 1, 0], size=(clusters, 1), p=odds)
        step = np.where(rng.random((clusters, size)) < alike, common, step).ravel()
        pair = np.stack([step < 0, step > 0], axis=1).astype(float)
        answers = AnswerMatrix(pair, np.repeat(np.arange(clusters), size))
        hits.append(compare(answers, 0, 1, seed=1).p <= 0.05)
    assert found.value == pytest.approx(np.mean(hits), abs=0.09)


def test_holm_over_four_sizes_needs_more():
    one, four = (plan(n=600, discordance=0.2, drop=0.05, family=k) for k in (1, 4))
    assert four.reached.value < one.reached.value - 0.1
    assert four.needed > 1.2 * one.needed
    assert four.detectable > one.detectable


def test_the_samples_needed_have_the_power_promised_and_fewer_do_not():
    design = Design(n=1, discordance=0.15)
    n = samples_needed(design, 0.06)
    assert power_of(Design(n=n, discordance=0.15), 0.06).value >= 0.8
    assert power_of(Design(n=n - 12, discordance=0.15), 0.06).value < 0.8


def test_a_detectable_drop_is_found_and_a_smaller_one_is_not():
    design = Design(n=700, discordance=0.2)
    drop = detectable_drop(design)
    assert power_of(design, drop).value == pytest.approx(0.8, abs=0.002)


def test_too_few_samples_detect_nothing():
    found = detectable_drop(Design(n=20, discordance=0.05))
    assert isinstance(found, Withheld)
    assert "20 samples" in found.reason


def test_a_drop_larger_than_the_discordance_is_withheld():
    found = plan(n=100, discordance=0.05, drop=0.1)
    assert isinstance(found.needed, Withheld)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: samples_needed(Design(n=9, discordance=0.2), 0.3), "discordance of at least"),
        (lambda: samples_needed(Design(n=9, discordance=0.2), 0.0), "drop must be above 0"),
        (lambda: Design(n=0, discordance=0.2), "at least one sample"),
        (lambda: plan(n=0, discordance=0.2), "at least one sample, found 0"),
        (lambda: plan(n=None, discordance=0.2, drop=0.1, clusters=40), "of how many samples"),
        (lambda: Design(n=9, discordance=1.2), "discordance must be"),
        (lambda: Design(n=9, discordance=0.2, error=1.0), "error must be above 0 and"),
        (lambda: Design(n=9, discordance=0.2, clusters=10), "not 10"),
        (
            lambda: samples_needed(Design(n=9, discordance=0.2), 0.1, chance=1.0),
            "power must be above 0 and below",
        ),
    ],
)
def test_impossible_plans_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
