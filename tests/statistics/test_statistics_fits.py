"""The knee against SciPy's least squares, and where it is withheld; the cheapest resolution."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from resolution_eval.statistics.curves import Grid, Withheld
from resolution_eval.statistics.fits import cheapest, knee
from resolution_eval.statistics.resampling import Answers, resample

GRID = Grid((28, 56, 112, 224, 448, 896))


def drawn(rates, samples=1500, seed=3):
    rng = np.random.default_rng(seed)
    ability, noise = rng.random((samples, 1)), rng.random((samples, len(rates)))
    scores = (np.where(rng.random((samples, 1)) < 0.6, ability, noise) < rates).astype(float)
    return resample(Answers(scores, np.arange(samples)), seed=1, resamples=500)


def test_the_knee_is_scipys_best_broken_line():
    sample = drawn((0.2, 0.41, 0.6, 0.69, 0.7, 0.7))
    octaves = np.log2(GRID.resolutions)

    def residuals(free):
        turn, slope, plateau = free
        return plateau + slope * np.minimum(octaves - turn, 0) - sample.accuracy

    expected = min(
        (least_squares(residuals, (turn, 0.2, 0.7)) for turn in (6.2, 7.1, 7.6, 8.3)),
        key=lambda fit: fit.cost,
    ).x
    found = knee(sample, GRID)
    assert np.log2(found.resolution.estimate) == pytest.approx(expected[0], abs=0.03)
    assert found.slope == pytest.approx(expected[1], rel=0.05)
    assert found.plateau == pytest.approx(expected[2], rel=0.01)
    assert found.resolution.low < 2 ** expected[0] < found.resolution.high
    assert found.reached


def test_a_line_that_never_turns_has_not_reached_its_plateau():
    found = knee(drawn((0.1, 0.25, 0.4, 0.55, 0.7, 0.85)), GRID)
    assert found.resolution.high == pytest.approx(896)
    assert not found.reached


def test_knees_without_a_rise_or_enough_points_are_withheld():
    flat = knee(drawn((0.5,) * 6), GRID)
    falling = knee(drawn((0.8, 0.7, 0.6, 0.5, 0.4, 0.3)), GRID)
    short = knee(drawn((0.3, 0.5, 0.6)), Grid((28, 56, 112)))
    for found, reason in ((flat, "not rise"), (falling, "not rise"), (short, "four resolutions")):
        assert isinstance(found, Withheld)
        assert reason in found.reason


def test_a_single_cluster_has_no_knee():
    answers = Answers(np.tile([0.0, 0.0, 1.0, 1.0, 1.0, 1.0], (5, 1)), np.zeros(5, dtype=int))
    assert isinstance(knee(resample(answers, seed=1, resamples=9), GRID), Withheld)


def test_the_cheapest_resolution_reaches_the_best_and_not_before():
    assert cheapest(drawn((0.2, 0.4, 0.6, 0.7, 0.7, 0.7)), GRID) == 224
    assert cheapest(drawn((0.9, 0.7, 0.6, 0.5, 0.4, 0.3)), GRID) == 28
    assert cheapest(drawn((0.1, 0.2, 0.3, 0.4, 0.6, 0.9)), GRID) == 896
