"""The embedded checkpoints: small, safe to load, and as good as they say."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path

import pytest
import torch

from resolution_eval.answers.prompts import flamingo_prompt, question_text
from resolution_eval.data.cards import parse_model_card, task_cards
from resolution_eval.data.sources import open_source
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.ground import paths, registry
from resolution_eval.models.flamingo import encode, load_pretrained, rank
from resolution_eval.models.flamingo.pretrained import default_checkpoint
from resolution_eval.resolution import patch_size_fit
from resolution_eval.training import Architecture, Augmentation, TrainingPlan
from resolution_eval.training.choice_accuracy import accuracy, verdicts
from resolution_eval.training.pool import open_pool
from resolution_eval.training.small_flamingo import STRATEGIES
from studies import embedded, eye_chart, tissue

LIMIT = 10_000_000
"""Bytes that all may have together."""
SUBSET = 80
"""Test samples that the checks below score, of 240."""


def folder(strategy):
    return paths.models() / "embedded" / strategy


def manifest(strategy):
    return json.loads((folder(strategy) / "config.json").read_text(encoding="utf-8"))


def card_of(strategy):
    return parse_model_card((folder(strategy) / "card.toml").read_text(encoding="utf-8"))


def pool(source, card, patch, *, limit=None):
    grid_of = partial(patch_size_fit, patch=patch)
    return open_pool(source, "test", grid_of, filter=card.filter, limit=limit, progress=False)


def assert_rebuilt_by(plan, strategy):
    """The plan says of today's loop what the folder says of the one that trained it, whose plan had
    the two stages apart (see docs/training.md).
    """
    recipe, told = manifest(strategy)["extra"]["recipe"], plan.model_dump(mode="json")
    for name in ("strategy", "low", "native", "filter", "seed", "stored"):
        assert recipe[name] == told[name], name
    for name, before in (("average", 0.0), ("fused", False)):
        assert recipe.get(name, before) == told[name], name
    assert Architecture.model_validate(recipe["architecture"]) == plan.architecture
    assert Augmentation.model_validate(recipe["augmentation"]) == plan.augmentation
    first, last = plan.stage(0)[0], plan.stage(plan.optimisation.steps - 1)[0]
    assert recipe["encoder"] == first.model_dump(mode="json")
    assert recipe["joint"] == last.model_dump(mode="json")
    assert tuple(recipe["frozen"]) == plan.teaching.rests
    assert plan.teaching.weight == 0
    assert [share[0] for share in recipe["mix"]] == []


@pytest.fixture(scope="module")
def bundles():
    torch.set_num_threads(1)
    return {strategy: load_pretrained(f"embedded/{strategy}") for strategy in STRATEGIES}


@pytest.fixture(scope="module")
def subset():
    card = task_cards()["phantom"]
    source = open_source(card)
    return pool(source, card, 8, limit=SUBSET)


def test_all_together_are_no_more_than_ten_megabytes():
    files = [path for path in (paths.models() / "embedded").rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == {*STRATEGIES, "acuity", "tissue"}
    assert sum(path.stat().st_size for path in files) <= LIMIT


def test_no_file_of_theirs_could_hold_a_pickle():
    files = [path for path in (paths.models() / "embedded").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors", ".toml"}
    for path in (path for path in files if path.suffix == ".safetensors"):
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
            assert json.loads(file.read(header))["__metadata__"] == {"format": "pt"}


@pytest.mark.parametrize(
    ("strategy", "resolution", "least"),
    [("native", 64, 0.95), ("low", 16, 0.9), ("mixed", 64, 0.9), ("mixed", 16, 0.85)],
)
def test_at_its_training_resolution_it_is_good(bundles, subset, strategy, resolution, least):
    assert accuracy(bundles[strategy], subset, resolution) >= least


@pytest.mark.parametrize(("strategy", "resolution"), [("native", 16), ("low", 64)])
def test_at_the_other_resolution_it_is_far_below(bundles, subset, strategy, resolution):
    assert accuracy(bundles[strategy], subset, resolution) <= 0.4


def test_native_is_above_low_each_at_its_own(bundles, subset):
    native = accuracy(bundles["native"], subset, 64)
    assert native > accuracy(bundles["low"], subset, 16)


@pytest.mark.parametrize(
    ("strategy", "declared"),
    [("native", "fixed:64"), ("low", "fixed:16"), ("mixed", "mixed:[16,64]")],
)
def test_it_declares_its_training_resolution_as_its_card_does(bundles, strategy, declared):
    bundle = bundles[strategy]
    assert (str(bundle.training), bundle.strategy) == (declared, strategy)
    card = card_of(strategy)
    assert (card.training, card.adapter) == (declared, "resflamingo")
    assert card.pretrained == bundle.identity
    assert f"--strategy {strategy}" in card.evidence


@pytest.mark.parametrize("strategy", STRATEGIES)
class TestRecipe:
    def test_the_recipe_in_the_folder_is_the_one_that_would_rebuild_it(self, strategy):
        assert_rebuilt_by(embedded.plan(strategy), strategy)

    def test_the_data_are_todays_phantoms(self, strategy):
        source = open_source(task_cards()["phantom"])
        data = manifest(strategy)["extra"]["data"]
        assert data == {
            "source": "phantom",
            "revision": source.revision,
            "fingerprint": source.fingerprint,
        }

    def test_its_card_states_the_accuracy_that_its_folder_holds(self, strategy):
        evidence = card_of(strategy).evidence
        found = manifest(strategy)["extra"]["accuracy"]
        for split in ("train", "val", "test"):
            for resolution, value in found[split].items():
                assert f"{split} {value:.4f} at {resolution} px" in evidence


def test_the_prompt_of_another_task_is_answered_too(bundles):
    """The embedded default runs where no checkpoint is named, on any task."""
    card = task_cards()["pathmnist"]
    prompt = flamingo_prompt(question_text(card.question, card.classes))
    encoded = encode(bundles["native"], torch.zeros(1, 3, 24, 32))
    scores = rank(bundles["native"], encoded, [prompt], [[f" {name}" for name in card.classes]])
    assert torch.isfinite(scores).all()
    assert scores.shape == (1, len(card.classes))


class TestEyeChartReader:
    """The embedded checkpoint that reads the eye chart."""

    def test_its_recipe_is_the_one_that_would_rebuild_it(self):
        plan, recipe = eye_chart.plan(), manifest("acuity")["extra"]["recipe"]
        assert recipe["mix"] == str(plan.sampler)
        assert TrainingPlan.model_validate(recipe | {"mix": ""}) == plan

    def test_the_data_are_todays_chart(self):
        source = open_source(task_cards()["acuity"])
        assert manifest("acuity")["extra"]["data"] == {
            "source": "acuity",
            "revision": source.revision,
            "fingerprint": source.fingerprint,
            "train": eye_chart.RECIPES["acuity"].plates,
            "val": len(source.samples("val")),
        }

    def test_its_card_states_what_its_folder_holds(self):
        extra, evidence = manifest("acuity")["extra"], card_of("acuity").evidence
        (found,) = extra["validation"].values()
        assert f"val {found['accuracy']:.4f} at 64 px" in evidence
        assert f"n = {found['n']:.0f};" in evidence
        assert f"{extra['processor_seconds']:.0f} s of one processor core" in evidence

    @pytest.mark.whole
    def test_it_sees_coarse_stripes_dots_and_letters_and_guesses_at_fine_ones(self):
        bundle = load_pretrained("embedded/acuity")
        assert (str(bundle.training), bundle.strategy) == ("fixed:64", "native")
        source = open_source(task_cards()["acuity"])
        found = pool(source, task_cards()["acuity"], 8, limit=960)
        coarse, fine = defaultdict(list), defaultdict(list)
        for sample, verdict in verdicts(bundle, found, 64):
            if sample.detail.size > 2.9:
                coarse[sample.detail.kind].append(verdict)
            elif sample.detail.size < 1.2:
                fine[sample.detail.kind].append(verdict)
        share = {kind: sum(right) / len(right) for kind, right in coarse.items()}
        assert share["grating"] >= 0.95
        assert share["faint grating"] >= 0.9
        assert share["two dots"] >= 0.65
        assert share["letter E"] >= 0.4
        assert sum(fine["letter E"]) / len(fine["letter E"]) <= 0.45


def test_the_tissue_checkpoint_is_rebuilt_by_its_recipe_and_states_what_its_folder_holds():
    assert_rebuilt_by(tissue.plan(), "tissue")
    card, extra = card_of("tissue"), manifest("tissue")["extra"]
    for split in ("train", "val", "test"):
        assert f"{split} {extra['accuracy'][split]['28']:.4f} at 28 px" in card.evidence
    assert "n = 480, 100, 514" in card.evidence


def test_some_tasks_run_on_a_checkpoint_of_their_own_where_none_is_named(monkeypatch):
    for asked, expected in (
        (["pathmnist_res"], "embedded/tissue"),
        (["pathmnist_sample_res", "pathmnist_res"], "embedded/tissue"),
        (["pathmnist_res", "phantom_res"], "embedded/native"),
        (["acuity_res", "lesion_res"], "embedded/acuity"),
        (["lesion_res"], "embedded/acuity"),
        (["acuity_res", "pathmnist_res"], "embedded/native"),
        ([], "embedded/native"),
    ):
        monkeypatch.setattr(registry, "ASKED", asked)
        assert default_checkpoint() == expected


def test_the_tissue_checkpoint_on_the_tiles_of_this_package_at_its_own_resolution():
    """Chance is 1 in 9."""
    card = task_cards()["pathmnist_sample"]
    source = open_source(card)
    counts = Counter(sample.answer for sample in source.samples())
    assert (len(counts), set(counts.values())) == (9, {10})
    bundle = load_pretrained("embedded/tissue")
    assert accuracy(bundle, pool(source, card, bundle.patch), 28) > 0.6


@pytest.mark.skipif(
    not (Path(os.environ.get("RESOLUTION_EVAL_DATA", "")) / "pathmnist28").is_dir(),
    reason="RESOLUTION_EVAL_DATA has no pathmnist28",
)
def test_the_tissue_checkpoint_scores_what_its_card_says():
    card = task_cards()["pathmnist"]
    source = LocalSource(Path(os.environ["RESOLUTION_EVAL_DATA"]) / "pathmnist28", card)
    bundle = load_pretrained("embedded/tissue")
    assert accuracy(bundle, pool(source, card, bundle.patch), 28) == pytest.approx(
        0.8560, abs=0.004
    )
