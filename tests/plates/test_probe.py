"""The probe: a hidden reduction is found by pixels, not by what anybody says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from resolution_eval.data.acuity.probe import STRIPES, ProbeArm, probe, stripes
from resolution_eval.ground.errors import UsageError
from resolution_eval.images import resize
from resolution_eval.resolution import Size


def server(hidden=1.0, *, noise=0.02, seed=0, filter="bicubic"):
    """A model that looks at the pixels that are left after a hidden reduction, and at noise."""
    random = np.random.RandomState(seed)

    def ask(questions):
        said = []
        for question in questions:
            edge = round(question.image.width / hidden)
            seen = resize(question.image, Size(edge, edge), filter)
            grey = np.asarray(seen, dtype=float).mean(axis=-1) / 255
            grey += random.normal(0, noise, grey.shape)
            across = np.abs(np.diff(grey, axis=1)).mean()
            down = np.abs(np.diff(grey, axis=0)).mean()
            said.append(STRIPES[0] if across > down else STRIPES[1])
        return said

    return ask


def guesser(seed):
    random = np.random.RandomState(seed)
    return lambda questions: [STRIPES[random.randint(2)] for _ in questions]


def test_stripes_of_even_numbers_stand_upright():
    image = np.asarray(stripes(64, 3.0, 4, 0), dtype=float)[..., 0]
    assert np.abs(np.diff(image, axis=1)).sum() > 1.1 * np.abs(np.diff(image, axis=0)).sum()


def test_what_is_as_promised_is_found_finer():
    assert probe(server(1.0), promised=96).outcome == "finer"


@pytest.mark.parametrize("filter", ["bicubic", "lanczos", "bilinear"])
@pytest.mark.parametrize("hidden", [2.0, 2.3])
def test_a_hidden_reduction_is_found(hidden, filter):
    finding = probe(server(hidden, filter=filter), promised=96)
    assert finding.outcome == "coarser"
    assert "2 times coarser than 96 px" in finding.sentence


def test_a_reduction_by_less_than_the_factor_is_not_called_coarser():
    assert probe(server(1.2), promised=96, factor=3.0).outcome == "finer"


@pytest.mark.whole
def test_a_model_that_guesses_is_blind_and_nothing_is_said_of_its_grid():
    found = [probe(guesser(seed), promised=48, images=24).outcome for seed in range(40)]
    assert binomtest(40 - found.count("blind"), 40, 0.05, alternative="greater").pvalue > 0.01
    assert "coarser" not in found


def test_a_model_that_always_says_upright_is_blind():
    assert probe(lambda asked: ["upright"] * len(asked), promised=48).outcome == "blind"


@pytest.mark.whole
def test_a_reduced_server_is_called_finer_in_at_most_one_of_twenty():
    found = [
        probe(server(2.0, noise=0.3, seed=seed), promised=48, images=16, seed=seed).outcome
        for seed in range(40)
    ]
    assert binomtest(found.count("finer"), 40, 0.05, alternative="greater").pvalue > 0.01


def test_failed_answers_are_counted_and_no_evidence():
    def ask(questions):
        said = server(1.0)(questions)
        return [None if i % 5 == 0 else answer for i, answer in enumerate(said)]

    finding = probe(ask, promised=96, images=40)
    assert finding.failed == 24
    assert finding.fine.n == 32


def test_what_cannot_be_read_is_wrong():
    finding = probe(lambda asked: ["maybe"] * len(asked), promised=48, images=10)
    assert finding.coarse.right == 0
    assert finding.outcome == "blind"


@pytest.mark.parametrize(
    ("options", "said"),
    [({"promised": 16}, "16"), ({"promised": 64, "factor": 1.0}, "1.0"), ({"images": 2}, "2")],
)
def test_an_impossible_probe_is_refused(options, said):
    with pytest.raises(UsageError, match=said):
        probe(server(), **{"promised": 64, **options})


def test_an_answer_too_few_is_refused():
    with pytest.raises(UsageError, match="answers came"):
        probe(lambda asked: ["lying"], promised=48)


@pytest.mark.parametrize(("right", "n"), [(0, 10), (7, 10), (10, 10)])
def test_bounds_are_those_of_the_exact_binomial(right, n):
    arm = ProbeArm(right, n)
    exact = binomtest(right, n).proportion_ci(0.90, "exact")
    assert arm.bound(0.05, upper=False) == pytest.approx(exact.low)
    assert arm.bound(0.05, upper=True) == pytest.approx(exact.high)
