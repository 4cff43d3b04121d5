"""The floor and what is above it, against plain loops, a numerical maximum and gamed answers."""

import numpy as np
import pytest
from scipy import optimize, stats

from resolution_eval.statistics import floors, intervals
from resolution_eval.statistics.curves import FIGURES, ScoreGrid, Withheld
from resolution_eval.statistics.floors import Floor, constants
from resolution_eval.statistics.resampling import AnswerMatrix, align, resample

GRID = ScoreGrid((28, 56, 112))


def drawn(columns, clusters=None, seed=1):
    scores = np.column_stack(columns).astype(float)
    labels = np.arange(len(scores)) if clusters is None else clusters
    return resample(AnswerMatrix(scores, labels), seed=seed, resamples=500)


def some(rate, n=300, start=0):
    """Answers of which a fraction `rate` is right, in an order of their own."""
    return (np.arange(n) * 37 + start) % n < rate * n


def test_the_floor_is_the_largest_of_chance_constant_and_blind():
    seen = drawn([some(0.6), some(0.42, start=5), some(0.35, start=9)])
    names = {"blind": 1, "always A": 2}
    assert floors.base(seen, Floor(0.25, names)).estimate == pytest.approx(0.42)
    assert floors.base(seen, Floor(0.5, names)).estimate == 0.5
    assert floors.base(seen, Floor(0.25, {"always A": 2})).estimate == pytest.approx(0.35)
    found = floors.base(seen, Floor(0.25, names))
    assert found.low < 0.42 < found.high


def test_constants_are_the_most_frequent_answers():
    targets = {str(i): "abcdefghijk"[min(i % 20, 10)] for i in range(200)}
    found = constants(targets)
    assert len(found) == floors.CONSTANTS
    assert next(iter(found)) == "k"
    assert sum(found["k"].values()) == 100
    assert set(found["k"]) == set(targets)


def test_a_majority_answer_gains_nothing():
    majority = some(0.67)
    seen = drawn([majority, majority, majority, majority])
    floor = Floor(0.5, {"always yes": 3})
    found = floors.gain_area(seen, GRID, floor)
    assert found.estimate == pytest.approx(0, abs=1e-9)
    assert found.low < 0 < found.high
    kept = floors.retention(seen, 0, 2, floor)
    assert isinstance(kept, Withheld)
    assert "not above the floor 0.67" in kept.reason
    assert floors.above(seen, 2, floor).low < 0


def test_gain_and_its_area_are_the_plain_ratios():
    columns = [some(0.5), some(0.7, start=3), some(0.9, start=7), some(0.4, start=11)]
    seen, floor = drawn(columns), Floor(0.25, {"blind": 3})
    assert floors.gain(seen, 2, floor).estimate == pytest.approx((0.9 - 0.4) / 0.6)
    area = (0.5 + 2 * 0.7 + 0.9) / 4
    assert floors.gain_area(seen, GRID, floor).estimate == pytest.approx((area - 0.4) / 0.6)
    rows = np.array([[0.5, 0.7, 0.9, 0.4], [0.5, 0.7, 0.9, 0.1]])
    weights = FIGURES["area"](np.eye(3), GRID)
    assert floors.gains(rows, weights, floor) == pytest.approx([0.3 / 0.6, (0.7 - 0.25) / 0.75])


def test_above_a_floor_of_one_there_is_nothing_to_gain():
    """A blind run that was always right, of which only the counts are known."""
    for found in (
        floors.gain(drawn([some(0.9)]), 0, Floor(1.0)),
        floors.gain_area(drawn([some(0.9)] * 3), GRID, Floor(1.0)),
    ):
        assert isinstance(found, Withheld)
        assert "nothing to gain" in found.reason


@pytest.mark.parametrize("floor", [Floor(0.25), Floor(0.25, {"always A": 1})])
def test_one_cluster_gains_nothing_and_retains_nothing(floor):
    alone = drawn([some(0.9), some(0.3)], np.zeros(300, dtype=int))
    for found in (floors.gain(alone, 0, floor), floors.retention(alone, 0, 0, floor)):
        assert isinstance(found, Withheld)
        assert "one cluster" in found.reason
    assert floors.above(alone, 0, floor).low <= 0
    assert floors.base(alone, floor).method == "vacuous"


def test_a_resample_whose_floor_is_one_has_a_gain_that_is_a_number():
    rows = np.array([[0.9, 0.95], [1.0, 1.0], [0.9, 1.0]])
    made = floors.gains(rows, np.ones(1), Floor(0.5, {"always A": 1}), least=0.5 / 20)
    assert made == pytest.approx([-1.0, 0.0, -0.1 / 0.025])


def test_the_interval_of_a_gain_holds_the_error_of_the_floor():
    rng = np.random.default_rng(1)
    seen = drawn([rng.permutation(some(0.8)), rng.permutation(some(0.5))])
    certain = floors.gain(seen, 0, Floor(0.5))
    measured = floors.gain(seen, 0, Floor(0.2, {"blind": 1}))
    assert measured.estimate == pytest.approx(certain.estimate)
    assert measured.high - measured.low > 1.05 * (certain.high - certain.low)


def ratio_z(both: int, first: int, second: int, neither: int, ratio: float) -> float:
    """Score statistic of 'the ratio of two paired proportions is `ratio`': the variance is that of
    the table which is likeliest under it, found numerically (Tang, Tang and Chan 2003, Statistics
    in Medicine 22, is the same in closed form).
    """
    counts = np.array([both, first, second, neither])

    def table(free: np.ndarray) -> np.ndarray:
        one, other = free
        return np.array(
            [one, (ratio - 1) * one + ratio * other, other, 1 - ratio * (one + other) - other]
        )

    def unlikely(free: np.ndarray) -> float:
        odds = table(free)
        return float(-counts @ np.log(odds)) if odds.min() > 0 else 1e9 * (1 - odds.min())

    inside = np.array([0.05, 0.2]) / (1 + max(ratio, 1.0))
    tight = {"xatol": 1e-12, "fatol": 1e-13, "maxiter": 5000}
    found = optimize.minimize(unlikely, inside, method="Nelder-Mead", options=tight)
    odds = table(found.x)
    variance = counts.sum() * ((1 - ratio) ** 2 * odds[0] + odds[1] + ratio**2 * odds[2])
    return float(((both + first) - ratio * (both + second)) / np.sqrt(variance))


def test_the_ratio_of_two_accuracies_is_near_the_score_interval_by_direct_inversion():
    """2 against 8 of 21 pairs, one of them right in both; ours is by recovery of variances."""
    z, cells = stats.norm.ppf(0.975), (1, 1, 7, 12)
    low = optimize.brentq(lambda at: ratio_z(*cells, at) - z, 0.01, 0.25)
    high = optimize.brentq(lambda at: ratio_z(*cells, at) + z, 0.26, 3.0)
    assert (low, high) == (pytest.approx(0.06528, abs=1e-5), pytest.approx(0.90688, abs=1e-5))
    first = np.array([1] + [1] + [0] * 7 + [0] * 12)
    second = np.array([1] + [0] + [1] * 7 + [0] * 12)
    found = floors.retention(drawn([first, second]), 0, 1)
    assert found.estimate == pytest.approx(0.25)
    assert found.low == pytest.approx(low, abs=0.07)
    assert found.high == pytest.approx(high, abs=0.04)


def test_equal_answers_do_not_prove_full_retention():
    same = some(0.8)
    found = floors.retention(drawn([same, same]), 0, 1, Floor(0.25))
    assert found.estimate == 1
    assert found.low < 0.99
    assert found.high > 1.01


def test_retention_of_large_samples_is_fiellers():
    rng = np.random.default_rng(1)
    ability = rng.standard_normal((20_000, 1))
    right = ability + rng.standard_normal((20_000, 2)) < np.array([0.2, 1.2])
    seen = drawn(list(right.T))
    kept = floors.retention(seen, 0, 1, Floor(0.2))
    top, bottom = right.mean(axis=0) - 0.2
    covariance = np.cov(right.T.astype(float)) / 20_000
    z = stats.norm.ppf(0.975)
    a, b, c = (
        bottom**2 - z**2 * covariance[1, 1],
        top * bottom - z**2 * covariance[0, 1],
        top**2 - z**2 * covariance[0, 0],
    )
    root = np.sqrt(b**2 - a * c)
    assert (kept.low, kept.high) == pytest.approx(((b - root) / a, (b + root) / a), abs=5e-4)


def test_a_false_low_declaration_does_not_make_a_drop_of_nothing():
    at_chance = drawn([some(0.26), some(0.6, start=3), some(0.9, start=7)])
    low = ScoreGrid((28, 56, 112), 0)
    assert floors.above(at_chance, 0, Floor(0.25)).low < 0
    best = intervals.figure("best_drop", at_chance, low)
    assert best.estimate == pytest.approx(0.64)
    assert best.low > 0.5


def test_the_lowest_reference_has_a_drop_from_nothing_up():
    rng = np.random.default_rng(3)
    held = []
    for seed in range(60):
        right = rng.random((320, 3)) < np.array([0.6, 0.75, 0.8])
        seen = drawn(list(right.T), seed=seed)
        found = intervals.figure("worst_drop", seen, ScoreGrid((28, 56, 112), 0))
        assert 0 == found.low <= found.estimate <= found.high
        held.append(found.low <= 0 <= found.high)
    assert all(held)


def test_one_failure_among_many_widens_by_its_worst_cases_and_no_more():
    scores = {str(i): float(i % 3 > 0) for i in range(2000)}
    failing = {**scores, "0": None}
    whole, broken = (resample(align([each]), seed=1, resamples=50) for each in (scores, failing))
    (one,), (other,) = intervals.accuracies(whole), intervals.accuracies(broken)
    assert broken.answers.withheld is None
    assert other.low <= one.low
    assert other.high >= one.high
    assert other.high - other.low < one.high - one.low + 2 / 2000
    assert (other.n, other.left_out) == (1999, 1)


@pytest.mark.parametrize("wrongly", [0.0, 1.0])
def test_every_completion_of_failed_samples_lies_in_the_interval(wrongly):
    rng = np.random.default_rng(5)
    for name in ("area", "worst_drop", "best_drop", "ace", "rce", "excess_ace"):
        right = (rng.random((400, 3)) < np.array([0.5, 0.6, 0.7])).astype(float)
        columns = [{str(i): float(v) for i, v in enumerate(column)} for column in right.T]
        failed = [dict(column) for column in columns]
        for sample in range(12):
            failed[sample % 3][str(sample)] = None
        found = intervals.figure(name, resample(align(failed), seed=1, resamples=200), GRID)
        full = np.array([[column[str(i)] for i in range(400)] for column in failed], dtype=float)
        means = np.where(np.isnan(full), wrongly, full).mean(axis=1)
        value = float(FIGURES[name](means[None, :], GRID)[0])
        assert found.low <= value <= found.high
        assert found.left_out == 12


def test_many_failures_withhold():
    failing = {str(i): None if i < 6 else 1.0 for i in range(100)}
    answers = align([failing, {str(i): 1.0 for i in range(100)}])
    assert "6 of 100 samples failed" in answers.withheld.reason
    fewer = align([{str(i): None if i < 5 else 1.0 for i in range(100)}])
    assert fewer.withheld is None
