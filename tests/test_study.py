"""The study: what its strategies may cost, which questions it asks, and what it leaves."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from test_training import Halves

from benchmarks.cost import fit
from resolution_eval.data.sources import Sample
from resolution_eval.models.flamingo import load_folder
from resolution_eval.resolution import patch_size_fit
from resolution_eval.training import Augmentation, pool
from studies import study


def cost(plan, recipe: study.Recipe) -> float:
    """Tokens per image in the encoder, and the fixed cost, of every step whose cost they make."""
    each = study.tokens(plan.sampler.shares, plan.architecture.patch) + recipe.fixed
    counted = recipe.more_joint or not recipe.steps
    return (plan.optimisation.steps if counted else plan.alone) * each


def joint(plan) -> int:
    """Steps after those in which the encoder learns alone."""
    return plan.optimisation.steps - plan.alone


pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", study.RECIPES)
class TestCost:
    def test_no_strategy_costs_more_than_native(self, name):
        recipe = study.RECIPES[name]
        plans = {s: study.plan(name, s, 0) for s in study.STRATEGIES if s != "none"}
        native = cost(plans["native"], recipe)
        for strategy, plan in plans.items():
            assert 0 < cost(plan, recipe) <= native
            if strategy in study.VARIANTS and recipe.steps:
                assert cost(plan, recipe) > 0.98 * native
            assert recipe.more_joint or joint(plan) == joint(plans["native"])

    def test_low_and_mixed_see_as_many_samples_as_native(self, name):
        plans = [study.plan(name, strategy, 0) for strategy in ("low", "native", "mixed")]
        assert len({(plan.alone, joint(plan)) for plan in plans}) == 1

    @pytest.mark.parametrize("strategy", study.VARIANTS)
    def test_a_variant_leaves_no_grid_out(self, name, strategy):
        plan = study.plan(name, strategy, 0)
        patch = plan.architecture.patch
        sides = [int(r) // patch for r in plan.sampler.resolutions]
        assert sides == list(range(int(plan.low) // patch, int(plan.native) // patch + 1))

    def test_specialists_and_variants_share_everything_but_resolutions_and_steps(self, name):
        plans = [study.plan(name, strategy, 0) for strategy in study.STRATEGIES[1:]]
        for part in ("average", "fused", "augmentation", "architecture"):
            assert len({str(getattr(plan, part)) for plan in plans}) == 1
        without = {"steps": 0}
        heads = {str(p.teaching and p.teaching.model_copy(update=without)) for p in plans}
        assert len(heads) == 1
        assert len({str(p.optimisation.model_copy(update=without)) for p in plans}) == 1


class Questions:
    """Ten images with three questions each, one of them open; no validation split."""

    name, revision, fingerprint, excluded, notes = "local", "1", "f" * 64, (), ()

    def samples(self, split="test"):
        assert split in ("train", "test")
        return tuple(
            Sample(
                f"{split}-{i}-{q}", f"image-{i}", f"question {q}?", "yes",
                ("yes", "no") if q else (), f"image-{i}", split,
            )
            for i in range(40)
            for q in range(3)
        )  # fmt: skip

    def read(self, locator):
        return locator.encode()


def test_closed_questions_have_choices_and_no_image_is_both_learned_and_validated():
    source = study.ClosedQuestions(Questions())
    parts = {split: source.samples(split) for split in ("train", "val", "test")}
    assert all(sample.choices for samples in parts.values() for sample in samples)
    assert len(parts["train"]) + len(parts["val"]) == len(parts["test"]) == 80
    images = [{sample.image for sample in parts[split]} for split in ("train", "val")]
    assert images[0] and images[1] and not images[0] & images[1]
    assert {sample.split for sample in parts["val"]} == {"val"}
    assert source.read("image-3") == b"image-3"


def test_runs_that_share_pools_open_each_split_once(monkeypatch):
    opened = []
    own = pool.open_pool
    monkeypatch.setattr(pool, "open_pool", lambda *a, **o: opened.append(a[1]) or own(*a, **o))
    pools = pool.ImagePools(Halves(), partial(patch_size_fit, patch=8), "bicubic")
    first = pools.open("train", progress=False)
    assert pools.open("train", progress=False) is first
    pools.open("train", limit=5, progress=False)
    assert opened == ["train", "train"]


def test_a_study_leaves_a_checkpoint_for_each_strategy_and_goes_on_where_it_stopped(
    tmp_path, monkeypatch, capsys
):
    torch.set_num_threads(1)
    AcceleratorState._reset_state(True)
    recipe = study.Recipe(
        task="phantom", low=8, native=24, patch=8, steps=3, joint=3,
        augmentation=Augmentation(flips=True), average=0.9, fused=True,
    )  # fmt: skip
    monkeypatch.setitem(study.RECIPES, "phantom", recipe)
    monkeypatch.setattr(study, "data", lambda task: Halves())
    study.run("phantom", ["none", "low"], [0], tmp_path)
    study.run("phantom", study.STRATEGIES, [0], tmp_path)
    assert capsys.readouterr().out.count("low-0:") == 1
    declared = {
        strategy: str(load_folder(tmp_path / f"{strategy}-0").training)
        for strategy in study.STRATEGIES
    }
    assert declared == {
        "none": "unknown",
        "low": "fixed:8",
        "native": "fixed:24",
        "mixed": "mixed:[8,24]",
        "spread": "mixed:[8,16,24]",
        "weighted": "mixed:[8,16,24]",
        "anchored": "mixed:[8,16,24]",
    }
    assert load_folder(tmp_path / "low-0").extra["processor_seconds"] > 0


def test_the_interval_of_the_costs_exponent_holds_the_true_one_nearly_always():
    random = np.random.default_rng(3)
    tokens = np.repeat([1.0, 4, 9, 36, 64, 144, 256, 1024], 5)
    seconds = 0.004 + 2e-5 * tokens**1.3
    laws = [
        fit(tokens.tolist(), (seconds * np.exp(0.03 * random.standard_normal(40))).tolist())
        for _ in range(60)
    ]
    assert sum(law.low < 1.3 < law.high for law in laws) >= 52
    assert all(law.high - law.low < 0.1 for law in laws)
    assert np.mean([law.fixed for law in laws]) == pytest.approx(0.004, rel=0.02)
