"""The noise floor: against all permutations counted, and what it does to flat and steep curves."""

from itertools import permutations, product

import numpy as np
import pytest

from resolution_eval.statistics.curves import FIGURES, ScoreGrid
from resolution_eval.statistics.noise import FLOORED, noise_floors
from resolution_eval.statistics.resampling import AnswerMatrix


def answers_of(rates, samples=300, seed=2):
    """Answers whose ability is shared over the resolutions, so that a flat curve still wobbles."""
    rng = np.random.default_rng(seed)
    ability, noise = rng.random((samples, 1)), rng.random((samples, len(rates)))
    scores = ((ability + noise) / 2 < np.array(rates)).astype(float)
    return AnswerMatrix(scores, np.arange(samples))


def test_floor_and_p_are_those_of_all_permutations_counted():
    rows = [[0, 1, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0], [0, 0, 1]]
    answers = AnswerMatrix(np.array(rows, float), np.arange(5))
    grid = ScoreGrid((28, 56, 112))
    found = noise_floors(answers, grid, seed=1, permutations=20_000)
    orders = [list(order) for order in permutations(range(3))]
    every = [
        np.mean([row[order] for row, order in zip(answers.correct, chosen, strict=True)], axis=0)
        for chosen in product(orders, repeat=5)
    ]
    for name in FLOORED:
        figures = FIGURES[name](np.array(every), grid)
        raw = FIGURES[name](answers.correct.mean(axis=0)[None, :], grid)[0]
        assert found[name].raw == pytest.approx(raw)
        assert found[name].floor == pytest.approx(figures.mean(), rel=0.02)
        assert found[name].p == pytest.approx((figures >= raw - 1e-12).mean(), abs=0.01)


def test_a_cluster_is_permuted_as_one():
    rates = (0.5, 0.5, 0.5)
    apart = answers_of(rates, samples=90)
    together = AnswerMatrix(np.repeat(apart.correct, 4, axis=0), np.repeat(np.arange(90), 4))
    one, other = (
        noise_floors(each, ScoreGrid((28, 56, 112)), seed=1)["ace"].floor
        for each in (apart, together)
    )
    assert one == pytest.approx(other)


def test_a_flat_curve_is_not_above_its_floor_and_is_debiased_towards_nothing():
    grid = ScoreGrid((28, 56, 112, 224))
    rows = [noise_floors(answers_of((0.5,) * 4, seed=s), grid, seed=s)["ace"] for s in range(30)]
    raw, floor, debiased = np.mean([(row.raw, row.floor, row.debiased) for row in rows], axis=0)
    assert raw == pytest.approx(floor, rel=0.25)
    assert debiased < 0.6 * raw
    assert sum(row.p <= 0.05 for row in rows) <= 5
    assert all(row.debiased == 0 for row in rows if row.raw <= row.floor)


def test_a_steep_curve_keeps_its_figure():
    found = noise_floors(answers_of((0.2, 0.4, 0.6, 0.8)), ScoreGrid((28, 56, 112, 224)), seed=1)
    for name in ("ace", "rce", "worst_drop"):
        assert found[name].debiased == pytest.approx(found[name].raw, rel=0.01)
        assert found[name].p == pytest.approx(1 / 1001)
        assert found[name].raw > found[name].ceiling


def test_equal_answers_have_no_noise():
    found = noise_floors(
        AnswerMatrix(np.ones((5, 3)), np.arange(5)), ScoreGrid((28, 56, 112)), seed=1
    )
    assert {(row.raw, row.floor, row.debiased, row.p) for row in found.values()} == {(0, 0, 0, 1.0)}
