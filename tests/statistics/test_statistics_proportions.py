"""Score intervals against statsmodels, a numerical constrained likelihood and plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binom, norm
from statsmodels.stats.proportion import proportion_confint

from resolution_eval.statistics.proportions import (
    FigureRange,
    effective_size,
    ratio,
    tango,
    tango_z,
    wilson,
)

Z = norm.ppf(0.975)


def test_no_differing_sample_leaves_what_that_many_could_hide():
    low, high = tango(0.0, 0.0, 50, (Z, Z))
    assert float(high) == pytest.approx(Z**2 / (50 + Z**2))
    assert float(low) == pytest.approx(-float(high))


def constrained_z(gained, lost, n, difference):
    """The score statistic with the likelihood maximised numerically under the difference."""

    def unlikely(second):
        first = second + difference
        rest = 1 - first - second
        parts = ((gained, first), (lost, second), (n - gained - lost, rest))
        return -sum(count * np.log(max(p, 1e-300)) for count, p in parts if count)

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    second = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    variance = (2 * second + difference - difference**2) / n
    return ((gained - lost) / n - difference) / np.sqrt(variance)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 15), st.integers(0, 15), st.integers(31, 90), st.floats(-0.6, 0.6))
def test_tangos_statistic_is_that_of_a_numerical_maximum(gained, lost, n, difference):
    if not gained + lost and abs(difference) < 1e-3:
        return  # nothing seen and nothing asked: 0 / 0
    expected = constrained_z(gained, lost, n, difference)
    found = float(tango_z(gained / n, lost / n, n, difference))
    assert found == pytest.approx(expected, rel=2e-3, abs=2e-3)


def test_tangos_ends_are_where_the_statistic_passes_the_quantile():
    """By direct inversion of the test; the numbers of the last pair are those it printed."""
    tables = ((12, 3, 60), (4, 0, 200), (1, 7, 21))
    gained, lost, n = np.array(tables, dtype=float).T
    low, high = tango(gained / n, lost / n, n, (Z, Z))
    assert (low[-1], high[-1]) == (
        pytest.approx(-0.5172323, abs=1e-6),
        pytest.approx(-0.0260030, abs=1e-6),
    )
    for k, seen in enumerate(tables):
        estimate = (seen[0] - seen[1]) / seen[2]
        assert low[k] == pytest.approx(
            brentq(lambda d, a=seen: constrained_z(*a, d) - Z, -0.9, estimate),
            abs=1e-4,
        )
        assert high[k] == pytest.approx(
            brentq(lambda d, a=seen: constrained_z(*a, d) + Z, estimate, 0.9), abs=1e-4
        )


@given(st.integers(4, 60), st.integers(8, 120))
def test_wilsons_interval_is_statsmodels(right, n):
    if not 3 < right < n - 3:
        return
    expected = proportion_confint(right, n, method="wilson")
    assert wilson(right / n, n, Z) == pytest.approx(expected)


@pytest.mark.parametrize("n", [30, 100, 320])
def test_the_modified_interval_covers_at_the_ceiling_where_wilsons_does_not(n):
    rate, counts = 1 - 0.45 / n, np.arange(n + 1)
    odds = binom.pmf(counts, n, rate)

    def covered(ends):
        return sum(p for p, (low, high) in zip(odds, ends, strict=True) if low <= rate <= high)

    ours = [wilson(k / n, n, Z) for k in counts]
    theirs = [proportion_confint(int(k), n, method="wilson") for k in counts]
    assert covered(ours) >= 0.93
    assert min(covered(ours) - covered(theirs), 1.0) >= 0
    hard = 1 - 0.17 / n
    odds, rate = binom.pmf(counts, n, hard), hard
    assert covered(theirs) < 0.86 < covered(ours)


def test_the_effective_size_is_the_variance_ratio_of_large_samples_and_the_clusters_of_equal_ones():
    assert effective_size(1e6, 0.2, 0.2 / 5e5, 1e5) == pytest.approx(5e5, rel=1e-3)
    assert effective_size(600, 0.0, 0.0, 100) == pytest.approx(100)
    assert effective_size(600, 0.25, 0.25 / 600, 600) == pytest.approx(600)


def fieller(top, bottom, top_error, bottom_error, shared):
    """Roots of Fieller's quadratic."""
    a = bottom**2 - Z**2 * bottom_error**2
    b = top * bottom - Z**2 * shared * top_error * bottom_error
    c = top**2 - Z**2 * top_error**2
    root = np.sqrt(b**2 - a * c)
    return (b - root) / a, (b + root) / a


@given(st.floats(-0.5, 0.5), st.floats(0.3, 0.9), st.floats(-0.9, 0.9))
def test_a_ratio_of_symmetric_intervals_is_fiellers(top, bottom, shared):
    errors = (0.05, 0.06)
    parts = [
        FigureRange(value, value - Z * error, value + Z * error)
        for value, error in zip((top, bottom), errors, strict=True)
    ]
    found = ratio(*parts, shared)
    assert (found.low, found.high) == pytest.approx(fieller(top, bottom, *errors, shared), abs=1e-6)


def test_a_ratio_by_nothing_is_none():
    assert ratio(FigureRange(0.1, 0.0, 0.2), FigureRange(0.1, -0.01, 0.2), 0.0) is None
