"""The choice within a margin: only what is shown, and by what is it shown."""

import numpy as np
import pytest
from scipy.stats import norm

from resolution_eval.statistics.curves import ScoreGrid
from resolution_eval.statistics.margin import Choice, Unshown, choose, robust
from resolution_eval.statistics.proportions import tango_z
from resolution_eval.statistics.resampling import AnswerMatrix, align, resample

GRID = ScoreGrid((28, 56, 112, 224))


def drawn(rates, n, own=0.97, seed=1):
    rng = np.random.default_rng(seed)
    ability = np.sqrt(own) * rng.standard_normal((n, 1))
    noise = np.sqrt(1 - own) * rng.standard_normal((n, len(rates)))
    right = (ability + noise < norm.ppf(rates)).astype(float)
    return resample(AnswerMatrix(right, np.arange(n)), seed=1, resamples=2)


def test_absence_of_evidence_chooses_nothing():
    found = choose(drawn((0.58, 0.62, 0.66, 0.70), 100, own=0.5), GRID)
    assert isinstance(found, Unshown)
    assert found.tells > 0.02
    assert found.needed > 1000
    assert found.reason.startswith("not shown: these 100 samples can tell")


def test_the_smallest_within_the_margin_is_chosen_and_no_other():
    found = choose(drawn((0.60, 0.70, 0.70, 0.70), 20_000), GRID)
    assert isinstance(found, Choice)
    assert (found.resolution, found.column) == (56, 1)
    assert found.loss < found.bound <= 0.02
    assert found.p <= 0.05


def test_costs_choose_another_order_than_size():
    costs = (30.0, 20.0, 10.0, 40.0)
    found = choose(drawn((0.60, 0.70, 0.70, 0.70), 20_000), GRID, costs=costs)
    assert found.resolution == 112


def test_the_p_is_holms_of_the_worst_pair():
    seen = drawn((0.66, 0.69, 0.70), 4000)
    right = seen.answers.correct
    worst = []
    for column in range(3):
        p = []
        for other in set(range(3)) - {column}:
            step = right[:, other] - right[:, column]
            z = tango_z((step > 0).mean(), (step < 0).mean(), 4000, 0.02)
            p.append(norm.cdf(float(z)))
        worst.append(max(p))
    found = choose(seen, ScoreGrid((28, 56, 112)), error=0.9999999)
    order = np.sort(worst)
    adjusted = np.maximum.accumulate(order * np.array([2, 2, 1]))
    expected = dict(zip(order, np.minimum(adjusted, 1), strict=True))
    assert found.p == pytest.approx(expected[worst[found.column]], rel=1e-6)


def test_failed_samples_count_against_a_choice():
    sound = {str(i): float(i % 10 < 7) for i in range(3000)}
    failing = {**sound, **{str(i): None for i in range(120)}}
    columns = ScoreGrid((28, 56))
    assert choose(resample(align([sound, sound]), seed=1, resamples=2), columns).resolution == 28
    found = choose(resample(align([failing, sound]), seed=1, resamples=2), columns)
    assert isinstance(found, Choice)
    assert found.resolution == 56


def test_a_flat_curve_is_robust_with_enough_samples_and_not_with_few():
    rates = (0.7, 0.7, 0.7, 0.7)
    many, few = robust(drawn(rates, 20_000), GRID), robust(drawn(rates, 200), GRID)
    assert many.shown
    assert many.bound <= 0.02
    assert many.p <= 0.05
    assert not few.shown
    assert few.bound > 0.02
    assert not robust(drawn((0.6, 0.7, 0.7, 0.7), 20_000), GRID).shown


def test_one_cluster_shows_nothing():
    seen = resample(AnswerMatrix(np.ones((9, 4)), np.zeros(9, dtype=int)), seed=1, resamples=2)
    assert isinstance(choose(seen, GRID), Unshown)
    assert not robust(seen, GRID).shown


def test_a_loss_just_above_the_margin_is_seldom_chosen():
    wrong = 0
    for seed in range(120):
        found = choose(
            drawn((0.679, 0.679, 0.70), 1500, own=0.995, seed=seed), ScoreGrid((28, 56, 112))
        )
        wrong += isinstance(found, Choice) and found.column < 2
    assert wrong <= 12
