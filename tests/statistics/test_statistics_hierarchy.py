"""Means over data sets and ranks, against plain loops and known sampling errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolution_eval.ground.errors import RecordError
from resolution_eval.statistics.hierarchy import Part, means, pool, ranks, weights
from resolution_eval.statistics.resampling import AnswerMatrix, resample


def part(name, modality, estimates, *, seed, error=0.02, clusters=400):
    rng = np.random.default_rng(seed)
    centre = np.array(estimates, dtype=float)
    draws = centre + error * rng.standard_normal((8000, len(centre)))
    return Part(name, modality, centre, draws, clusters * 2, clusters, seed)


def test_modalities_weigh_the_same_and_data_sets_within_them():
    parts = [
        part("a", "pathology", [0.5], seed=1),
        part("b", "pathology", [0.7], seed=2),
        part("c", "radiology", [0.8], seed=3),
    ]
    (mean,) = means(parts)
    assert mean.estimate == pytest.approx(((0.5 + 0.7) / 2 + 0.8) / 2)
    assert (mean.n, mean.clusters) == (2400, 1200)
    assert (mean.high - mean.low) / 2 == pytest.approx(
        1.96 * 0.02 * np.sqrt(0.25**2 + 0.25**2 + 0.5**2), rel=0.03
    )


@given(st.lists(st.sampled_from("xyz"), min_size=1, max_size=8))
def test_weights_sum_to_one_per_modality_share(modalities):
    parts = [part(str(i), m, [0.5], seed=i, clusters=5) for i, m in enumerate(modalities)]
    shares = weights(parts)
    for modality in set(modalities):
        total = sum(w for w, m in zip(shares, modalities, strict=True) if m == modality)
        assert total == pytest.approx(1 / len(set(modalities)))


def test_a_constant_moves_the_mean_and_no_rank():
    low, high = [0.3, 0.5, 0.52], [0.4, 0.6, 0.62]
    before, after = ([part("a", "x", each, seed=1)] for each in (low, high))
    for one, other in zip(means(before), means(after), strict=True):
        assert other.estimate - one.estimate == pytest.approx(0.1)
        assert other.high - other.low == pytest.approx(one.high - one.low)
    assert ranks(pool(before)) == ranks(pool(after))


def test_close_models_share_ranks_and_distant_ones_do_not():
    found = ranks(pool([part("a", "x", [0.5, 0.9, 0.51, 0.1], seed=1)]))
    assert [(r.estimate, r.low, r.high) for r in found] == [
        (3, 2, 3),
        (1, 1, 1),
        (2, 2, 3),
        (4, 4, 4),
    ]


def test_ranks_of_close_models_cover_the_truth_as_often_as_promised():
    rng = np.random.default_rng(1)
    truth = 0.7 - 0.002 * np.arange(8)
    covered = []
    for _ in range(200):
        estimates = truth + 0.02 * rng.standard_normal(8)
        draws = estimates + 0.02 * rng.standard_normal((400, 8))
        found = ranks(pool([Part("a", "x", estimates, draws, 400, 400, 1)]))
        covered.append(
            [r.low <= rank <= r.high for r, rank in zip(found, range(1, 9), strict=True)]
        )
    assert (np.mean(covered, axis=0) >= 0.93).all()


def test_equal_models_share_the_better_rank_and_one_model_is_first():
    tied = ranks(pool([part("a", "x", [0.5, 0.5], seed=1, error=0.0)]))
    assert [r.estimate for r in tied] == [1, 1]
    (alone,) = ranks(pool([part("a", "x", [0.5], seed=1)]))
    assert (alone.estimate, alone.low, alone.high) == (1, 1, 1)


def test_a_mean_whose_draws_never_differ_is_not_sure():
    right = part("a", "x", [1.0, 0.5], seed=1, error=0.0, clusters=60)
    (perfect, _), both = means([right]), ranks(pool([right]))
    assert perfect.high == 1
    assert perfect.low == pytest.approx(1 - 2.001 / np.sqrt(120 * 60), abs=1e-4)
    assert [(r.low, r.high) for r in both] == [(1, 1), (2, 2)]
    few = ranks(pool([part("a", "x", [1.0, 0.5], seed=1, error=0.0, clusters=2)]))
    assert [(r.low, r.high) for r in few] == [(1, 2), (1, 2)]


def test_every_model_has_its_own_error_and_freedom():
    """One model errs on the data set of few clusters, the other on that of many."""
    rng = np.random.default_rng(1)
    few = 0.6 + rng.standard_normal((4000, 2)) * [0.02, 0.0001]
    many = 0.6 + rng.standard_normal((4000, 2)) * [0.0001, 0.02]
    centre = np.array([0.6, 0.6])
    parts = [Part("a", "x", centre, few, 10**7, 6, 1), Part("b", "x", centre, many, 10**7, 3000, 2)]
    one, other = means(parts)
    assert (one.high - one.low) / (other.high - other.low) == pytest.approx(
        2.571 / 1.960 * np.sqrt(6 / 5), rel=0.1
    )


def test_a_mean_stays_within_its_bounds():
    (high,) = means([part("a", "x", [0.985], seed=1, clusters=20)])
    assert high.high == 1
    (gain,) = means([part("a", "x", [-0.2], seed=1)], bounds=(-1.0, 1.0))
    assert gain.low < -0.2 < gain.high < 0


def test_runs_widen_means_and_ranks_and_lend_their_scatter_to_a_single_run():
    plain = part("a", "x", [0.60, 0.70], seed=1, error=0.005)
    apart = [(r.low, r.high) for r in ranks(pool([plain]))]
    scattered = Part(
        *(getattr(plain, n) for n in ("dataset", "modality", "estimates", "draws", "n")),
        plain.clusters,
        plain.seed,
        np.array([0.06**2 / 3, 0.0]),
        np.array([3, 1]),
    )
    assert apart == [(2, 2), (1, 1)]
    assert [(r.low, r.high) for r in ranks(pool([scattered]))] == [(1, 2), (1, 2)]
    three, one = means([scattered])
    assert (one.high - one.low) / (three.high - three.low) == pytest.approx(np.sqrt(3), rel=0.05)


@pytest.mark.parametrize(
    ("models", "clusters"), [(60, 320), pytest.param(60, 8, marks=pytest.mark.whole)]
)
def test_equal_models_seldom_rank_below_one(models, clusters):
    rng = np.random.default_rng(4)
    below = 0
    for seed in range(40):
        right = (rng.standard_normal((320, 1)) + rng.standard_normal((320, models)) < 0.6) * 1.0
        labels = np.arange(320) * clusters // 320
        drawn = resample(AnswerMatrix(right, labels), seed=seed, resamples=400)
        one = Part("a", "x", drawn.accuracy, drawn.draws, drawn.n, drawn.clusters, seed)
        below += any(rank.low > 1 for rank in ranks(pool([one])))
    assert below <= 5


def test_means_that_differ_by_rounding_share_a_rank():
    thirds = [0.1 + 0.2, 0.3]
    assert thirds[0] > thirds[1]
    assert [r.estimate for r in ranks(pool([part("a", "x", thirds, seed=1)]))] == [1, 1]


def test_few_clusters_widen_the_mean():
    few, many = (means([part("a", "x", [0.5], seed=1, clusters=c)])[0] for c in (5, 5000))
    assert few.high - few.low > 1.3 * (many.high - many.low)


def test_means_refuse_nothing_repeats_and_shared_seeds():
    with pytest.raises(RecordError, match="at least one"):
        means([])
    with pytest.raises(RecordError, match="each once"):
        means([part("a", "x", [0.5], seed=1), part("a", "x", [0.5], seed=2)])
    with pytest.raises(RecordError, match="seeds of their own"):
        means([part("a", "x", [0.5], seed=1), part("b", "x", [0.5], seed=1)])
    with pytest.raises(RecordError, match="as many models"):
        means([part("a", "x", [0.5], seed=1), part("b", "x", [0.5, 0.6], seed=2)])
