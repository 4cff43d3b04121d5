"""The knee against SciPy's least squares, and where it is withheld."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from resolution_eval.statistics.curves import ScoreGrid, Withheld
from resolution_eval.statistics.fits import knee
from resolution_eval.statistics.resampling import AnswerMatrix, align, resample

GRID = ScoreGrid((28, 56, 112, 224, 448, 896))
LONG = ScoreGrid((28, 56, 112, 224, 448, 896, 1792, 3584))


def drawn(rates, samples=1500, seed=3):
    rng = np.random.default_rng(seed)
    ability, noise = rng.random((samples, 1)), rng.random((samples, len(rates)))
    scores = (np.where(rng.random((samples, 1)) < 0.6, ability, noise) < rates).astype(float)
    return resample(AnswerMatrix(scores, np.arange(samples)), seed=1, resamples=500)


def test_the_knee_is_scipys_best_broken_line():
    sample = drawn((0.1, 0.25, 0.4, 0.55, 0.7, 0.7, 0.7, 0.7), samples=6000)
    octaves = np.log2(LONG.resolutions)
    root = np.linalg.cholesky(np.linalg.inv(sample.covariance)).T

    def residuals(free):
        turn, slope, plateau = free
        return root @ (plateau + slope * np.minimum(octaves - turn, 0) - sample.accuracy)

    expected = min(
        (least_squares(residuals, (turn, 0.2, 0.7)) for turn in (6.2, 7.1, 8.1, 8.9, 9.3)),
        key=lambda fit: fit.cost,
    ).x
    found = knee(sample, LONG)
    assert np.log2(found.resolution.estimate) == pytest.approx(expected[0], abs=0.03)
    assert found.slope == pytest.approx(expected[1], rel=0.05)
    assert found.plateau == pytest.approx(expected[2], rel=0.01)
    assert found.resolution.low <= 448 * 1.02
    assert found.resolution.high >= 448 / 1.02
    assert found.reached


@pytest.mark.parametrize(
    "curve",
    [
        lambda t: 0.3 + 0.45 / (1 + np.exp(-(t - 0.4) / 0.12)),
        lambda t: 0.75 - 0.45 * np.exp(-8 * t),
        lambda t: 0.4 + 0.3 * t,
        lambda t: 0.3 + 0.8 * t - 0.4 * t**2,
    ],
    ids=["logistic", "exponential", "straight", "quadratic"],
)
@pytest.mark.parametrize("samples", [300, 5000])
def test_a_smooth_curve_has_no_knee(curve, samples):
    rates = tuple(curve(np.arange(8) / 7))
    named = sum(
        not isinstance(knee(drawn(rates, samples, seed), LONG), Withheld) for seed in range(20)
    )
    assert named <= 3


def test_knees_without_a_rise_or_enough_points_are_withheld():
    flat = knee(drawn((0.5,) * 6), GRID)
    falling = knee(drawn((0.8, 0.7, 0.6, 0.5, 0.4, 0.3)), GRID)
    short = knee(drawn((0.3, 0.5, 0.6, 0.6)), ScoreGrid((28, 56, 112, 224)))
    for found, reason in ((flat, "not rise"), (falling, "not rise"), (short, "5 resolutions")):
        assert isinstance(found, Withheld)
        assert reason in found.reason


def test_a_single_cluster_has_no_knee():
    answers = AnswerMatrix(np.tile([0.0, 0.0, 1.0, 1.0, 1.0, 1.0], (5, 1)), np.zeros(5, dtype=int))
    assert isinstance(knee(resample(answers, seed=1, resamples=9), GRID), Withheld)


def failing(rates, samples, failures, seed=3):
    """Answers of which the first `failures` samples have none at one resolution each, by turns."""
    whole = drawn(rates, samples, seed).answers.correct
    names = [f"{number:05}" for number in range(samples)]
    columns = [dict(zip(names, column, strict=True)) for column in whole.T.tolist()]
    for number in range(failures):
        columns[number % len(columns)][names[number]] = None
    return columns


def filled(columns, answer):
    """The same with an answer for every failed one."""
    return [
        {name: answer(at) if value is None else value for name, value in column.items()}
        for at, column in enumerate(columns)
    ]


def test_a_failure_among_ten_thousand_widens_a_knee_and_does_not_hide_it():
    rates = (0.1, 0.25, 0.4, 0.55, 0.7, 0.7, 0.7, 0.7)
    sound = knee(resample(align(failing(rates, 10_000, 0)), seed=1, resamples=9), LONG)
    for failures in (1, 8, 40):
        found = knee(resample(align(failing(rates, 10_000, failures)), seed=1, resamples=9), LONG)
        assert found.resolution.low <= sound.resolution.low * 1.001
        assert found.resolution.high >= sound.resolution.high / 1.001


def test_a_knee_holds_whatever_the_failed_samples_would_have_answered():
    rng = np.random.default_rng(8)
    shown = 0
    for seed in range(12):
        columns = failing((0.1, 0.25, 0.4, 0.55, 0.7, 0.7, 0.7, 0.7), 3_000, 24, seed)
        found = knee(resample(align(columns), seed=1, resamples=9), LONG)
        if isinstance(found, Withheld):
            continue
        shown += 1
        right = rng.random(8) < 0.5  # at some resolutions all right, at the others all wrong
        for answer in (lambda at: 0.0, lambda at: 1.0, lambda at, right=right: float(right[at])):
            told = knee(resample(align(filled(columns, answer)), seed=1, resamples=9), LONG)
            assert found.resolution.low <= told.resolution.estimate <= found.resolution.high
    assert shown >= 6


def test_many_failures_hide_a_knee_that_few_leave():
    rates = (0.1, 0.25, 0.4, 0.55, 0.7, 0.7, 0.7, 0.7)
    hidden = knee(resample(align(failing(rates, 3_000, 600)), seed=1, resamples=9), LONG)
    assert isinstance(hidden, Withheld)
