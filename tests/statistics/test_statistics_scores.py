"""Classes, discrimination, calibration and runs, against scikit-learn, statsmodels and loops."""

import math
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    recall_score,
    roc_auc_score,
)
from statsmodels.stats.proportion import proportion_confint

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.calibration import brier, calibration_error
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.discrimination import auroc, average_precision, balanced
from resolution_eval.statistics.intervals import accuracies
from resolution_eval.statistics.replicates import replicates
from resolution_eval.statistics.resampling import AnswerMatrix, plain, resample


def findings(n=240, seed=1, gap=1.0, ties=False):
    rng = np.random.default_rng(seed)
    mine = rng.random(n) < 0.3
    values = rng.standard_normal(n) + gap * mine
    return mine, np.round(values, 1) if ties else values


def test_sensitivity_and_specificity_are_scikit_learns_with_wilsons_intervals():
    rng = np.random.default_rng(2)
    targets = rng.choice(list("abc"), 200).tolist()
    said = [t if rng.random() < 0.7 else rng.choice(list("abc")) for t in targets]
    for name in "abc":
        mine = np.array(targets) == name
        answered = np.array(said) == name
        (sensitivity,) = accuracies(plain(answered[mine], None))
        (specificity,) = accuracies(plain(~answered[~mine], None))
        assert sensitivity.estimate == pytest.approx(recall_score(mine, answered))
        negative = recall_score(mine, answered, pos_label=False)
        assert specificity.estimate == pytest.approx(negative)
        expected = proportion_confint((mine & answered).sum(), mine.sum(), method="wilson")
        assert (sensitivity.low, sensitivity.high) == pytest.approx(expected)


@pytest.mark.parametrize(
    "figure",
    [
        lambda right, one: balanced(right.tolist(), right, one),
        lambda right, one: auroc(right, np.arange(len(right)), one),
        lambda right, one: average_precision(right, np.arange(len(right)), one, seed=1),
        lambda right, one: brier(np.stack([1 - right, right], axis=1), [0] * len(right), one),
        lambda right, one: calibration_error(right, 1 - right, one, seed=1, resamples=20).error,
        lambda right, one: replicates(
            resample(AnswerMatrix(np.stack([right, right], axis=1), one), seed=1, resamples=2),
            list(np.eye(2)),
        ),
    ],
    ids=["balanced", "auroc", "average precision", "brier", "calibration", "over runs"],
)
def test_one_cluster_leaves_the_whole_range(figure):
    right = np.repeat([0.0, 1.0], 200)
    found = figure(right, np.zeros(400, dtype=int))
    assert (found.method, found.low) == ("vacuous", 0.0)
    assert found.high in (1.0, 2.0)


def test_balanced_accuracy_is_scikit_learns_and_its_error_that_of_the_classes():
    rng = np.random.default_rng(3)
    targets = rng.choice(3, 3000, p=[0.7, 0.2, 0.1])
    right = rng.random(3000) < np.array([0.9, 0.7, 0.5])[targets]
    said = np.where(right, targets, (targets + 1) % 3)
    found = balanced(targets.tolist(), right)
    assert found.estimate == pytest.approx(balanced_accuracy_score(targets, said))
    error = math.sqrt(
        sum(p * (1 - p) / (targets == k).sum() for k, p in enumerate((0.9, 0.7, 0.5)))
    )
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error / 3, rel=0.06)


def test_balanced_accuracy_of_three_a_class_at_the_ceiling_is_not_sure():
    found = balanced([k for k in range(8) for _ in range(3)], np.ones(24))
    assert found.estimate == found.high == 1
    assert found.low < 0.9


def test_clusters_widen_balanced_accuracy():
    targets = ["a"] * 60 + ["b"] * 60
    right = np.tile([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], 20)
    alone, together = balanced(targets, right), balanced(targets, right, np.arange(120) // 3)
    assert together.high - together.low > 1.4 * (alone.high - alone.low)


@pytest.mark.parametrize("ties", [False, True])
def test_auroc_is_scikit_learns_and_its_error_delongs(ties):
    mine, values = findings(ties=ties)
    found = auroc(mine, values)
    assert found.estimate == pytest.approx(roc_auc_score(mine, values))
    above, below = values[mine], values[~mine]
    wins = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    error = wins.mean(axis=1).var(ddof=1) / len(above) + wins.mean(axis=0).var(ddof=1) / len(below)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * math.sqrt(error), rel=0.06)


def test_auroc_that_tells_all_apart_is_not_sure():
    found = auroc([0] * 20 + [1] * 10, range(30))
    assert found.estimate == found.high == 1
    assert found.low < 0.8


def test_copies_of_a_sample_in_a_cluster_say_no_more_than_one():
    mine, values = findings(60)
    single = auroc(mine, values)
    copied = auroc(np.repeat(mine, 4), np.repeat(values, 4), np.repeat(np.arange(60), 4))
    assert copied.estimate == pytest.approx(single.estimate)
    assert copied.high - copied.low == pytest.approx(single.high - single.low, rel=0.1)


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_scikit_learns(ties):
    mine, values = findings(ties=ties)
    found = average_precision(mine, values, seed=1, resamples=200)
    assert found.estimate == pytest.approx(average_precision_score(mine, values))
    assert found.low < found.estimate < found.high


def test_average_precision_of_thousands_of_samples_stays_small():
    mine, values = findings(8000)
    tracemalloc.start()
    found = average_precision(mine, values, seed=1, resamples=60)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.low < found.estimate < found.high
    assert (found.resamples, found.seed) == (60, 1)
    assert peak < 40e6


def test_scores_of_one_kind_alone_are_refused_and_few_are_withheld():
    with pytest.raises(RecordError, match="both kinds"):
        auroc([1, 1], [0.1, 0.2])
    with pytest.raises(RecordError, match="finite"):
        auroc([0, 1], [0.1, np.nan])
    few = average_precision([1] * 9 + [0] * 9, range(18), seed=1)
    assert isinstance(few, Withheld)
    assert "found 9" in few.reason


def test_brier_is_scikit_learns():
    rng = np.random.default_rng(4)
    stated = rng.random(300)
    right = rng.random(300) < stated
    choices = np.stack([stated, 1 - stated], axis=1)
    found = brier(choices, np.where(right, 0, 1))
    assert found.estimate == pytest.approx(2 * brier_score_loss(right, stated))
    assert found.low < found.estimate < found.high


def test_calibration_error_is_the_plain_sum_over_bins():
    rng = np.random.default_rng(5)
    stated = rng.random(500)
    right = (rng.random(500) < stated**2).astype(float)
    expected = 0.0
    for number in range(10):
        inside = (stated >= number / 10) & (stated < (number + 1) / 10)
        expected += abs((right[inside] - stated[inside]).sum()) / 500
    found = calibration_error(stated, right, seed=1, resamples=500)
    assert found.raw == pytest.approx(expected)
    assert 0 < found.error.low < found.error.estimate < found.raw


def test_noise_alone_is_no_calibration_error():
    rng = np.random.default_rng(6)
    stated = rng.random(200)
    found = calibration_error(stated, rng.random(200) < stated, seed=1, resamples=500)
    assert found.raw > 0.03
    assert found.error.low == 0
    assert found.error.estimate < found.raw / 2


def test_runs_widen_the_mean_by_how_they_scatter():
    rng = np.random.default_rng(7)
    ability = rng.standard_normal((2000, 1))
    cuts = np.array([0.3, 0.5, 0.7])
    right = (ability + rng.standard_normal((2000, 3)) < cuts).astype(float)
    seen = resample(AnswerMatrix(right, np.arange(2000)), seed=1, resamples=2)
    several, one = replicates(seen, list(np.eye(3))), replicates(seen, [np.eye(3)[0]])
    assert several.estimate == pytest.approx(right.mean())
    assert several.high - several.low > 3 * (one.high - one.low)
    half = 4.303 * right.mean(axis=0).std(ddof=1) / math.sqrt(3)
    assert (several.high - several.low) / 2 == pytest.approx(half, rel=0.05)
    with pytest.raises(RecordError, match="at least one run"):
        replicates(seen, [])
