"""Intervals against closed forms and plain loops, and their edge cases."""

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics import intervals
from resolution_eval.statistics.curves import FIGURES, ScoreGrid
from resolution_eval.statistics.resampling import AnswerMatrix, align, draw_totals, resample

GRID = ScoreGrid((28, 56, 112, 224))


def simulated(clusters=60, size=3, rates=(0.4, 0.6, 0.7, 0.75), seed=5):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(clusters), size)
    ability = rng.standard_normal(clusters)[labels] + rng.standard_normal(len(labels))
    noise = rng.standard_normal((len(labels), len(rates)))
    return AnswerMatrix(
        (ability[:, None] + noise < 1.7 * stats.norm.ppf(rates)).astype(float), labels
    )


def ends(interval):
    return interval.low, interval.high


def test_counting_kinds_and_counting_clusters_draw_from_one_distribution():
    few = np.repeat([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]], [30, 10], axis=0)
    many = few + np.random.default_rng(1).random(few.shape) * 1e-9
    first = draw_totals(few, np.random.default_rng(2), 20_000)
    second = draw_totals(many, np.random.default_rng(3), 20_000)
    assert first.mean(axis=0) == pytest.approx(second.mean(axis=0), rel=0.01)
    assert np.cov(first.T) == pytest.approx(np.cov(second.T), rel=0.05)


def test_bootstrap_error_is_the_clustered_one_in_closed_form():
    answers = simulated()
    drawn = resample(answers, seed=1, resamples=40_000)
    score, labels = answers.correct[:, 0], answers.clusters
    residuals = np.array([(score[labels == c] - score.mean()).sum() for c in range(60)])
    expected = math.sqrt((residuals**2).sum()) / len(score)
    assert drawn.draws[:, 0].std() == pytest.approx(expected, rel=0.02)


def test_every_column_of_a_resample_draws_the_same_clusters():
    answers = simulated(rates=(0.5, 0.5))
    twin = AnswerMatrix(answers.correct[:, [0, 0]], answers.clusters)
    drawn = resample(twin, seed=1, resamples=500).draws
    assert (drawn[:, 0] == drawn[:, 1]).all()
    alike = intervals.contrast(resample(twin, seed=1), (1, -1))
    z = stats.t.ppf(0.975, 59)
    assert ends(alike) == pytest.approx((-(z**2) / (60 + z**2), z**2 / (60 + z**2)))


def test_unclustered_score_interval_is_wilsons():
    answers = align([{str(i): float(i % 5 > 0) for i in range(100)}])
    (ours,) = intervals.accuracies(resample(answers, seed=1, resamples=2))
    assert ends(ours) == pytest.approx(
        tuple(stats.binomtest(80, 100).proportion_ci(method="wilson"))
    )


def test_the_covariance_is_that_of_the_draws():
    drawn = resample(simulated(), seed=1, resamples=40_000)
    assert drawn.covariance == pytest.approx(np.cov(drawn.draws.T) * 60 / 59, rel=0.03)


def test_a_difference_has_students_paired_interval_where_many_differ():
    answers = simulated(clusters=2000, size=1)
    step = answers.correct[:, 3] - answers.correct[:, 0]
    expected = stats.ttest_1samp(step, 0).confidence_interval()
    ours = intervals.contrast(resample(answers, seed=1, resamples=2), (-1, 0, 0, 1))
    assert ends(ours) == pytest.approx(tuple(expected), abs=0.002)


def test_closed_forms_do_not_depend_on_the_seed():
    answers = simulated()
    for figure in (
        lambda drawn: intervals.accuracies(drawn)[0],
        lambda drawn: intervals.contrast(drawn, (-1, 0, 0, 1)),
        lambda drawn: intervals.figure("area", drawn, GRID),
    ):
        one, other = (figure(resample(answers, seed=seed, resamples=9)) for seed in (1, 2))
        assert ends(one) == ends(other)


@pytest.mark.parametrize("name", sorted(intervals.METHODS))
def test_no_interval_has_no_width(name):
    same = simulated(clusters=90, size=1, rates=(0.7,))
    twins = AnswerMatrix(same.correct[:, [0, 0, 0, 0]], same.clusters)
    found = intervals.figure(name, resample(twins, seed=1, resamples=300), GRID)
    assert found.high - found.low > 0.02


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_samples_and_the_names_of_clusters_change_nothing(random):
    answers = simulated(clusters=20)
    order = list(range(len(answers.correct)))
    names = list(range(20))
    random.shuffle(order)
    random.shuffle(names)
    shuffled = AnswerMatrix(answers.correct[order], np.array(names)[answers.clusters[order]])
    before, after = (resample(each, seed=9, resamples=300) for each in (answers, shuffled))
    for name in ("ace", "area", "worst_drop"):
        one, other = intervals.figure(name, before, GRID), intervals.figure(name, after, GRID)
        assert (one.estimate, *ends(one)) == pytest.approx((other.estimate, *ends(other)))


def test_a_seed_fixes_an_interval_and_another_moves_it():
    answers = simulated()
    first, again, other = (
        intervals.figure("ace", resample(answers, seed=seed, resamples=999), GRID)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert ends(first) != ends(other)
    assert (first.n, first.clusters, first.resamples, first.seed) == (180, 60, 999, 1)


@pytest.mark.parametrize("name", sorted(intervals.METHODS))
def test_every_figure_lies_within_its_interval(name):
    found = intervals.figure(name, resample(simulated(), seed=1), GRID)
    assert found.low <= found.estimate <= found.high
    assert found.low < found.high


@pytest.mark.parametrize("rates", [(0.999999,) * 4, (1e-6,) * 4], ids=["all right", "all wrong"])
def test_equal_answers_leave_room_for_clusters_unseen(rates):
    drawn = resample(simulated(clusters=50, size=1, rates=rates), seed=1)
    share = 1 - 0.05 ** (1 / 50)
    cell = intervals.accuracies(drawn)[0]
    assert cell.high - cell.low > 0.05
    assert intervals.figure("worst_drop", drawn, GRID).high > 0.05
    assert intervals.figure("ace", drawn, GRID).high == pytest.approx(3 * share)


@pytest.mark.parametrize(
    ("correct", "difference"), [([[0.0, 1.0], [1.0, 1.0]], -0.5), ([[0.0, 1.0]], -1.0)]
)
def test_one_cluster_or_one_sample_says_nothing(correct, difference):
    answers = AnswerMatrix(np.array(correct), np.zeros(len(correct), dtype=int))
    drawn = resample(answers, seed=1, resamples=100)
    cell, drop = intervals.accuracies(drawn)[0], intervals.contrast(drawn, (1, -1))
    assert (ends(cell), cell.method) == ((0.0, 1.0), "vacuous")
    assert (drop.estimate, *ends(drop), drop.method) == (difference, -1.0, 1.0, "vacuous")


def test_rho_has_no_interval():
    assert "rho" in FIGURES
    with pytest.raises(KeyError, match="rho"):
        intervals.figure("rho", resample(simulated(), seed=1, resamples=9), GRID)


def test_noise_alone_does_not_make_ace_significant_where_percentile_says_so():
    flat = simulated(clusters=200, size=1, rates=(0.6,) * 4, seed=8)
    drawn = resample(flat, seed=1)
    assert intervals.figure("ace", drawn, GRID).low == 0
    assert np.quantile(FIGURES["ace"](drawn.draws, GRID), 0.025) > 0.02


def test_samples_missing_in_one_column_are_left_out_of_all_and_counted():
    paired = align([{"a": 1, "b": 0, "c": 1}, {"c": 0, "a": 1}, {"a": 0, "c": 1, "d": 1}])
    assert paired.samples == ("a", "c")
    assert paired.correct.tolist() == [[1, 1, 0], [1, 0, 1]]
    assert paired.left_out == 2
    assert intervals.accuracies(resample(paired, seed=1, resamples=10))[0].left_out == 2


@pytest.mark.parametrize(
    ("columns", "clusters", "message"),
    [
        ([], None, "no sample"),
        ([{}], None, "no sample"),
        ([{"a": 1.0}, {"b": 1.0}], None, "2 left out"),
        ([{"a": math.nan}], None, "1 left out"),
        ([{"a": 70.0}], None, "within 0 and 1"),
        ([{"a": 1.0, "b": 0.0}], {"a": 1}, "no cluster, first 'b'"),
    ],
)
def test_answers_that_cannot_be_scored_are_refused(columns, clusters, message):
    with pytest.raises(RecordError, match=message):
        align(columns, clusters)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(RecordError, match="3 samples but 2 cluster labels"):
        AnswerMatrix(np.ones((3, 2)), np.zeros(2, dtype=int))


def test_no_resample_is_refused():
    with pytest.raises(ValueError, match="at least one resample"):
        resample(simulated(), seed=1, resamples=0)


def test_ten_thousand_resamples_of_ten_thousand_samples_stay_small():
    answers = AnswerMatrix(np.random.default_rng(1).random((10_000, 8)), np.arange(10_000))
    tracemalloc.start()
    drawn = resample(answers, seed=1, resamples=2_000)
    intervals.accuracies(drawn)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert drawn.draws.shape == (2_000, 8)
    assert peak < 100e6


def test_intervals_are_frozen():
    cell = intervals.accuracies(resample(simulated(), seed=1, resamples=50))[0]
    assert replace(cell, level=0.9).level == 0.9
    with pytest.raises(AttributeError):
        cell.low = 0.0


@pytest.mark.slow
def test_clustered_error_is_lmms_evals():
    from lmms_eval.api.metrics import clustered_stderr

    answers = simulated(clusters=300, size=2)
    theirs = clustered_stderr(answers.correct[:, 1].tolist(), answers.clusters.tolist())
    ours = np.sqrt(resample(answers, seed=1, resamples=2).covariance[1, 1])
    assert ours == pytest.approx(theirs, rel=0.02)
