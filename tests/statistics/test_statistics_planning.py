"""Planning: the design effect of differences, and plans that cannot be met."""

import numpy as np
import pytest

from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.planning import observed, plan
from resolution_eval.statistics.resampling import Answers


def test_the_design_effect_of_identical_cluster_members_is_their_number():
    rng = np.random.default_rng(1)
    pairs = np.repeat(rng.integers(0, 2, (600, 2)).astype(float), 3, axis=0)
    n, discordance, design = observed(Answers(pairs, np.repeat(np.arange(600), 3)), 0, 1)
    assert n == 1800
    assert discordance == pytest.approx(0.5, abs=0.05)
    assert design == pytest.approx(3, rel=0.01)


def test_samples_of_their_own_have_a_design_effect_of_one():
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, 2, (600, 2)).astype(float)
    assert observed(Answers(pairs, np.arange(600)), 0, 1)[2] == 1.0


def test_the_planned_samples_find_the_drop_as_often_as_promised_in_clusters():
    rng = np.random.default_rng(2)
    needed = plan(n=None, discordance=0.2, drop=0.08, design=2.0).needed
    found = 0
    for _ in range(400):
        steps = rng.choice([-1, 0, 1], size=needed // 2, p=[0.06, 0.8, 0.14])
        sums = 2.0 * steps
        found += abs(sums.sum()) > 1.96 * np.sqrt((sums**2).sum())
    assert found / 400 == pytest.approx(0.8, abs=0.06)


def test_a_drop_larger_than_the_discordance_is_withheld():
    found = plan(n=100, discordance=0.05, drop=0.1)
    assert isinstance(found.needed, Withheld)
