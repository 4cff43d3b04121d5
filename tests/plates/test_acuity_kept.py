"""What the acuity benchmarks make of kept shares, and of curves that should be one."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.acuity_again import anew, answers
from benchmarks.acuity_results import load
from benchmarks.lesions import unlike
from resolution_eval.statistics.psychometric import Trials, Weibull
from resolution_eval.statistics.thresholds import curves


def test_kept_shares_give_the_answers_back():
    trials = answers({"1.5": 0.625, "3": 0.875}, 16, 0.5)
    assert trials.right[trials.size == 1.5].sum() == 5
    assert trials.right[trials.size == 3].sum() == 7
    assert len(set(trials.clusters)) == 16


@pytest.mark.parametrize(("shares", "n"), [({"1": 0.5, "2": 0.5}, 15), ({"1": 0.55, "2": 0.5}, 16)])
def test_shares_of_no_whole_number_of_answers_are_refused(shares, n):
    with pytest.raises(ValueError, match="are of no"):
        answers(shares, n, 0.5)


def test_a_size_that_its_shares_do_not_give_is_refused():
    (chart,) = load()["charts"].values()
    kind = chart["kinds"]["grating"]
    other = {**kind["sizes"]["cut"], "estimate": 2 * kind["sizes"]["cut"]["estimate"]}
    with pytest.raises(ValueError, match="other answers than kept"):
        anew({**kind, "sizes": {"cut": other}})


def simulated(threshold, seed):
    random = np.random.default_rng(seed)
    size = np.repeat(np.geomspace(0.5, 6, 8), 48)
    right = (random.random(len(size)) < Weibull(threshold, 3.0, 0.02).right(size, 0.25)).astype(
        float
    )
    return Trials(size, right, np.full(len(size), 0.25), list(map(str, range(len(size)))))


def test_answers_by_the_same_curve_are_not_unlike_it_and_those_of_a_blind_model_are():
    fitted = curves({"a": simulated(1.2, 1)}, seed=1).fits["a"]
    assert unlike(simulated(1.2, 2), fitted)["probability"] > 0.01
    blind = unlike(simulated(1e9, 3), fitted)
    assert blind["probability"] < 1e-6
    assert blind["right"] < 0.35 < 0.6 < blind["expected"]
