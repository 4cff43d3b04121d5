"""Intervals against scipy.stats.bootstrap, closed forms and plain loops, and their edge cases."""

import math
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from resolution_eval.errors import RecordError
from resolution_eval.statistics import intervals
from resolution_eval.statistics.curves import FIGURES, Grid, Withheld, balanced_accuracy
from resolution_eval.statistics.resampling import (
    Answers,
    align,
    draw_totals,
    resample,
    resample_balanced,
)

GRID = Grid((28, 56, 112, 224))


def simulated(clusters=60, size=3, rates=(0.4, 0.6, 0.7, 0.75), seed=5):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(clusters), size)
    ability = rng.standard_normal(clusters)[labels] + rng.standard_normal(len(labels))
    noise = rng.standard_normal((len(labels), len(rates)))
    return Answers((ability[:, None] + noise < 1.7 * stats.norm.ppf(rates)).astype(float), labels)


def ends(interval):
    return interval.low, interval.high


@pytest.mark.parametrize(("method", "theirs"), [("percentile", "percentile"), ("bca", "BCa")])
@pytest.mark.parametrize("name", ["area", "worst_drop", "ace"])
def test_customary_methods_agree_with_scipy(method, theirs, name):
    answers = simulated()
    totals = answers.totals()

    def statistic(picked):
        sums = totals[picked.astype(int)].sum(axis=0)
        return FIGURES[name]((sums[:-1] / sums[-1])[None, :], GRID)[0]

    reference = stats.bootstrap(
        (np.arange(len(totals)),),
        statistic,
        vectorized=False,
        method=theirs,
        n_resamples=6000,
        rng=np.random.default_rng(3),
    ).confidence_interval
    ours = intervals.figure(name, resample(answers, seed=4, resamples=40_000), GRID, method=method)
    assert ends(ours) == pytest.approx(tuple(reference), abs=0.006)


def test_bca_bends_with_the_skewness_of_few_uneven_clusters():
    sizes = np.array([40, 25, 12, 6, 5, 4, 3, 3, 2, 2, 1, 1])
    rates = np.array([0.2, 0.9, 1, 1, 1, 0.75, 1, 1, 1, 0.5, 1, 1])
    labels = np.repeat(np.arange(12), sizes)
    places = np.concatenate([np.arange(size) for size in sizes])
    answers = Answers((places < (rates * sizes)[labels]).astype(float)[:, None], labels)
    score = answers.correct[:, 0]
    sums = np.array([np.bincount(labels, score), sizes])
    reference = stats.bootstrap(
        tuple(sums),
        lambda right, size, axis: right.sum(axis=axis) / size.sum(axis=axis),
        paired=True,
        method="BCa",
        n_resamples=40_000,
        rng=np.random.default_rng(3),
    ).confidence_interval
    drawn = resample(answers, seed=4, resamples=40_000)
    (ours,) = intervals.accuracies(drawn, method="bca")
    (plain,) = intervals.accuracies(drawn, method="percentile")
    assert ends(ours) == pytest.approx(tuple(reference), abs=0.01)
    assert abs(ours.low - plain.low) > 0.03


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
    twin = Answers(answers.correct[:, [0, 0]], answers.clusters)
    drawn = resample(twin, seed=1, resamples=500).draws
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert ends(intervals.contrast(resample(twin, seed=1), (1, -1))) == pytest.approx(
        (-(1 - 0.05 ** (1 / 60)), 1 - 0.05 ** (1 / 60))
    )


def test_unclustered_score_interval_is_wilsons_with_students_quantile():
    answers = align([{str(i): float(i % 5 > 0) for i in range(100)}])
    (ours,) = intervals.accuracies(resample(answers, seed=1, resamples=100_000))
    z = stats.t.ppf(0.975, 99)
    size = 99  # the variance is widened by C / (C - 1)
    root = z * math.sqrt(0.8 * 0.2 / size + (z / (2 * size)) ** 2)
    expected = [(0.8 + z**2 / (2 * size) + sign * root) / (1 + z**2 / size) for sign in (-1, 1)]
    assert ends(ours) == pytest.approx(expected, abs=0.001)


def test_a_difference_has_students_paired_interval():
    answers = simulated(clusters=200, size=1)
    step = answers.correct[:, 3] - answers.correct[:, 0]
    expected = stats.ttest_1samp(step, 0).confidence_interval()
    ours = intervals.contrast(resample(answers, seed=1, resamples=100_000), (-1, 0, 0, 1))
    assert ends(ours) == pytest.approx(tuple(expected), abs=0.002)


def test_fieller_holds_exactly_the_ratios_that_a_t_interval_does_not_refute():
    drawn = resample(simulated(), seed=1)
    kept = intervals.retention(drawn, 0, 3, chance=0.2)
    for ratio, inside in (
        (kept.low - 0.01, False),
        (kept.low + 0.01, True),
        (kept.high - 0.01, True),
        (kept.high + 0.01, False),
    ):
        line = (drawn.accuracy[0] - 0.2) - ratio * (drawn.accuracy[3] - 0.2)
        spread = (drawn.deviations[:, 0] - ratio * drawn.deviations[:, 3]).std()
        assert (abs(line) <= stats.t.ppf(0.975, 59) * spread) == inside


def test_retention_is_withheld_near_chance_and_for_one_cluster():
    drawn = resample(simulated(), seed=1)
    assert isinstance(intervals.retention(drawn, 0, 3, chance=0.72), Withheld)
    single = resample(Answers(np.ones((4, 2)), np.zeros(4, dtype=int)), seed=1)
    assert isinstance(intervals.retention(single, 0, 1, chance=0.1), Withheld)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_samples_and_the_names_of_clusters_change_nothing(random):
    answers = simulated(clusters=20)
    order = list(range(len(answers.correct)))
    names = list(range(20))
    random.shuffle(order)
    random.shuffle(names)
    shuffled = Answers(answers.correct[order], np.array(names)[answers.clusters[order]])
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


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_every_figure_lies_within_its_interval(name):
    found = intervals.figure(name, resample(simulated(), seed=1), GRID)
    assert found.low <= found.estimate <= found.high
    assert found.low < found.high or name == "rho"


@pytest.mark.parametrize("rates", [(0.999999,) * 4, (1e-6,) * 4], ids=["all right", "all wrong"])
def test_equal_answers_leave_room_for_clusters_unseen(rates):
    drawn = resample(simulated(clusters=50, size=1, rates=rates), seed=1)
    share = 1 - 0.05 ** (1 / 50)
    cell = intervals.accuracies(drawn)[0]
    assert cell.high - cell.low > 0.05
    assert intervals.figure("worst_drop", drawn, GRID).high == pytest.approx(share)
    assert intervals.figure("ace", drawn, GRID).high == pytest.approx(3 * share)


@pytest.mark.parametrize(
    ("correct", "difference"), [([[0.0, 1.0], [1.0, 1.0]], -0.5), ([[0.0, 1.0]], -1.0)]
)
def test_one_cluster_or_one_sample_says_nothing(correct, difference):
    answers = Answers(np.array(correct), np.zeros(len(correct), dtype=int))
    drawn = resample(answers, seed=1, resamples=100)
    cell, drop = intervals.accuracies(drawn)[0], intervals.contrast(drawn, (1, -1))
    assert (ends(cell), cell.method) == ((0.0, 1.0), "vacuous")
    assert (drop.estimate, *ends(drop), drop.method) == (difference, -1.0, 1.0, "vacuous")


def test_rho_of_equal_columns_is_vacuous_and_not_a_number():
    drawn = resample(Answers(np.ones((9, 3)), np.arange(9)), seed=1, resamples=50)
    found = intervals.figure("rho", drawn, Grid((28, 56, 112)))
    assert math.isnan(found.estimate)
    assert (ends(found), found.method) == ((-1.0, 1.0), "vacuous")


def test_noise_alone_does_not_make_ace_significant_where_percentile_says_so():
    flat = simulated(clusters=200, size=1, rates=(0.6,) * 4, seed=8)
    drawn = resample(flat, seed=1)
    assert intervals.figure("ace", drawn, GRID).low == 0
    assert intervals.figure("ace", drawn, GRID, method="percentile").low > 0.02


def test_balanced_accuracy_is_the_plain_one_and_its_resamples_weigh_classes_equally():
    answers = simulated()
    targets = ["rare" if i % 5 == 0 else "common" for i in range(180)]
    drawn = resample_balanced(answers, targets, seed=1, resamples=4000)
    for column in range(4):
        right = [
            t if ok else None for t, ok in zip(targets, answers.correct[:, column], strict=True)
        ]
        assert drawn.accuracy[column] == pytest.approx(balanced_accuracy(targets, right))
    assert drawn.n == 180
    rng = np.random.default_rng(2)
    loop = []
    for _ in range(2000):
        rows = np.concatenate(
            [np.flatnonzero(answers.clusters == c) for c in rng.integers(0, 60, 60)]
        )
        score, names = answers.correct[rows, 0], np.array(targets)[rows]
        loop.append(np.mean([score[names == name].mean() for name in ("rare", "common")]))
    assert drawn.draws[:, 0].std() == pytest.approx(np.std(loop), rel=0.08)


def test_a_class_missing_from_a_resample_does_not_break_it():
    answers = Answers(np.array([[1.0], [0.0], [1.0]]), np.arange(3))
    drawn = resample_balanced(answers, ["a", "a", "b"], seed=1, resamples=200)
    assert np.isfinite(drawn.draws).all()
    with pytest.raises(RecordError, match="2 targets"):
        resample_balanced(answers, ["a", "b"], seed=1)


def test_samples_missing_in_one_column_are_left_out_of_all_and_counted():
    paired = align([{"a": 1, "b": 0, "c": 1}, {"c": 0, "a": 1}, {"a": 0, "c": 1, "d": 1}])
    assert paired.samples == ("a", "c")
    assert paired.correct.tolist() == [[1, 1, 0], [1, 0, 1]]
    assert paired.left_out == 2
    assert resample(paired, seed=1, resamples=10).left_out == 2


@pytest.mark.parametrize(
    ("columns", "clusters", "message"),
    [
        ([], None, "no sample"),
        ([{}], None, "no sample"),
        ([{"a": 1.0}, {"b": 1.0}], None, "2 left out"),
        ([{"a": math.nan}], None, "NaN"),
        ([{"a": 70.0}], None, "within 0 and 1"),
        ([{"a": 1.0, "b": 0.0}], {"a": 1}, "no cluster, first 'b'"),
    ],
)
def test_answers_that_cannot_be_scored_are_refused(columns, clusters, message):
    with pytest.raises(RecordError, match=message):
        align(columns, clusters)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(RecordError, match="3 samples but 2 cluster labels"):
        Answers(np.ones((3, 2)), np.zeros(2, dtype=int))


def test_no_resample_is_refused():
    with pytest.raises(ValueError, match="at least one resample"):
        resample(simulated(), seed=1, resamples=0)


def test_ten_thousand_resamples_of_ten_thousand_samples_are_fast_and_small():
    answers = Answers(np.random.default_rng(1).random((10_000, 8)), np.arange(10_000))
    tracemalloc.start()
    start = time.process_time()
    drawn = resample(answers, seed=1)
    intervals.accuracies(drawn)
    seconds, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert drawn.draws.shape == (10_000, 8)
    assert seconds < 5
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
    ours = resample(answers, seed=1, resamples=40_000).deviations[:, 1].std()
    assert ours == pytest.approx(theirs, rel=0.02)
