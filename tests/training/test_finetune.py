"""Whole runs of the one loop: what moves, what is written, what a break or a NaN leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from halves import CHOICES, Halves
from learners import learner
from PIL import Image
from safetensors.torch import load_file

from resolution_eval.answers.generation import Generation
from resolution_eval.answers.prompts import question_text
from resolution_eval.declaration import read_declaration
from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.models.families import family_of
from resolution_eval.models.families.checkpoint import known_training, load_parts
from resolution_eval.models.families.engine import Engine, Question
from resolution_eval.models.flamingo import load_folder
from resolution_eval.resolution import Size
from resolution_eval.training import (
    Lora,
    Teaching,
    TrainingError,
    TrainingPlan,
    TrainingRun,
    finetune,
)
from resolution_eval.training.plan import Stage
from resolution_eval.training.pool import ImageBatch
from resolution_eval.training.start import load_learner

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    AcceleratorState._reset_state(True)


def plan(**changes):
    steps = changes.pop("steps", 6)
    given = {
        "strategy": "mixed",
        "low": 14,
        "optimisation": Stage(steps=steps, batch=4, rate=1e-3, warmup=2),
        "validate_every": 4,
        "save_every": 2,
    }
    return TrainingPlan(**{**given, **changes})


def start(folder, chosen, *, name="small llava", source=None, owner=None, **options):
    source = source or Halves()
    owner = owner or learner(name, source)
    run = TrainingRun(plan=chosen, learner=owner, source=source, output=folder, origin=name)
    return finetune(run, progress=False, **options)


def lines(folder):
    return [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]


def losses(folder):
    return [line["loss"] for line in lines(folder)]


@pytest.mark.whole
def test_a_small_model_learns_an_easy_task_and_the_adapter_answers_so(tmp_path):
    chosen = plan(
        strategy="native",
        teaching=Teaching(steps=40),
        optimisation=Stage(steps=180, batch=8, rate=2e-3, warmup=4),
        validate_every=30,
        save_every=90,
    )
    told = start(tmp_path / "run", chosen)
    accuracy = told.extra["validation"]["native"]["accuracy"]
    assert accuracy >= 0.75
    parts = load_parts(str(tmp_path / "run"))
    family = family_of(parts.config)
    model = load_learner("reshf", {"pretrained": str(tmp_path / "run")}).module.model.eval()
    samples = Halves().samples("val")
    prompt = family.prompt(parts, question_text("Which half?", CHOICES), image=True)
    choices = tuple(family.continuation(parts, prompt, choice) for choice in CHOICES)
    questions = [
        Question(prompt, Image.open(BytesIO(Halves().read(sample.image))), choices)
        for sample in samples
    ]
    ranked = Engine(family, parts, model).rank(questions)
    generated = Engine(family, parts, model).generate(questions, Generation(max_new_tokens=8))
    right = [sample.answer for sample in samples]
    written = [one.text.strip() for one in generated]
    assert sum(map(str.__eq__, written, right)) == round(8 * accuracy)
    assert sum(one.text == answer for one, answer in zip(ranked, right, strict=True)) >= 6
    assert ranked[0].received is not None
    assert ranked[0].received.grid == (14, 28)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    AcceleratorState._reset_state(True)
    return start(folder, plan(mix="14:0.3,21:0.3,native:0.4")), folder


class TestFolder:
    def test_it_says_how_it_was_trained_and_what_that_cost(self, finished):
        told, folder = finished
        assert read_declaration(folder) == told
        assert (told.training, told.strategy) == ("mixed:[14,21,native]", "mixed")
        extra = told.extra
        assert extra["recipe"]["mix"] == "14:0.3,21:0.3,native:0.4"
        assert extra["data"]["fingerprint"] == "f" * 64
        assert extra["seconds"] == sum(line["seconds"] for line in lines(folder))
        assert {"torch", "peft", "accelerate"} <= set(extra["versions"])
        cost = extra["cost"]
        assert sum(row["samples"] for row in cost["resolutions"].values()) == 6 * 4
        for name, row in cost["resolutions"].items():
            assert row["samples_per_second"] > 0
            assert row["peak_memory"] > 10**8, "the whole process, in bytes"
            rows, columns = {"14": (7, 21), "21": (14, 28), "native": (14, 28)}[name]
            assert row["grids"] == [[rows, columns]]
            assert row["visual_tokens"] == rows * columns / 49

    def test_the_adapter_reads_the_declaration(self, finished):
        told, folder = finished
        parts = load_parts(str(folder))
        known = known_training(str(folder), family_of(parts.config), parts, None)
        assert str(known) == told.training

    def test_the_best_checkpoint_is_the_one_that_the_log_says(self, finished):
        told, folder = finished
        validated = {
            line["step"] + 1: line["validation"] for line in lines(folder) if "validation" in line
        }
        assert set(validated) == {4, 6}

        def score(found):
            rows = found.values()
            return sum(r["accuracy"] for r in rows), -sum(r["loss"] for r in rows)

        best = max(validated, key=lambda step: score(validated[step]))
        assert told.extra["best_step"] == best
        assert told.extra["validation"] == validated[best]

    def test_tensorboard_finds_every_loss(self, finished):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        _, folder = finished
        events = EventAccumulator(str(folder / "tensorboard")).Reload()
        found = [event.value for event in events.Scalars("train/loss")]
        assert found == pytest.approx(losses(folder), rel=1e-6)
        assert "validation/accuracy@native" in events.Tags()["scalars"]

    def test_a_batch_has_one_grid_and_the_batches_differ(self, finished):
        rows = [row for line in lines(finished[1]) for row in line["batches"]]
        assert len({tuple(row["grid"]) for row in rows}) > 1

    def test_a_run_that_is_done_is_not_run_again(self, finished):
        told, folder = finished
        before = (folder / "steps.jsonl").stat().st_mtime_ns
        again = start(folder, plan(mix="14:0.3,21:0.3,native:0.4"), resume=True)
        assert again == told
        assert (folder / "steps.jsonl").stat().st_mtime_ns == before

    def test_a_folder_that_holds_something_is_refused(self, finished):
        with pytest.raises(UsageError, match="not an empty folder; choose another"):
            start(finished[1], plan())

    def test_another_plan_is_not_resumed(self, finished):
        with pytest.raises(UsageError, match="a run of another plan"):
            start(finished[1], plan(seed=5), resume=True)

    def test_nothing_is_not_resumed(self, tmp_path):
        with pytest.raises(UsageError, match="no run to resume"):
            start(tmp_path, plan(), resume=True)


KILLED = """
import sys, torch
sys.path[:0] = [{tests!r}]
torch.set_num_threads(1)
from pathlib import Path
from test_finetune import plan, start
start(Path({folder!r}), plan(steps=2000, augmentation={{"flips": True}}), name={name!r})
"""


@pytest.mark.parametrize(
    "name", ["small llava", pytest.param("resflamingo", marks=pytest.mark.slow)]
)
@pytest.mark.whole
def test_a_run_that_was_killed_goes_on_with_the_losses_of_one_without_a_break(tmp_path, name):
    chosen = plan(steps=2000, augmentation={"flips": True})
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder), name=name)
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 240
    while not list(folder.glob("states/step-00000008")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = max(int(state.name[5:]) for state in folder.glob("states/step-*"))
    assert not (folder / "config.json").exists()

    class EnoughError(Exception):
        """Stops a run that would go on for long."""

    def until(step, folder, **options):
        owner = learner(name, Halves())
        batch, seen = owner.batch, []

        def counted(drawn):
            seen.append(drawn)
            if (folder / "steps.jsonl").exists() and len(lines(folder)) >= step:
                raise EnoughError
            return batch(drawn)

        owner.batch = counted
        with pytest.raises(EnoughError):
            start(folder, chosen, name=name, owner=owner, **options)

    until(reached + 6, folder, resume=True)
    AcceleratorState._reset_state(True)
    until(reached + 6, whole)
    assert losses(folder) == losses(whole)
    assert len(losses(folder)) == reached + 6
    state = f"states/step-{reached + 6 - reached % 2:08d}/model.safetensors"
    assert (folder / state).read_bytes() == (whole / state).read_bytes()
    timeless = {"seconds": 0, "processor_seconds": 0, "batches": 0}
    assert [line | timeless for line in lines(folder)] == [line | timeless for line in lines(whole)]


def test_a_loss_that_is_no_number_stops_with_step_samples_and_the_last_good_state(tmp_path):
    owner = learner("resflamingo")
    batch, seen = owner.batch, []

    def poisoned(drawn):
        found = batch(drawn)
        seen.append([sample.id for sample in drawn.samples])
        if len(seen) == 4:
            found.inputs["pixels"][2, 1] = float("nan")
        return found

    owner.batch = poisoned
    with pytest.raises(TrainingError) as raised:
        start(tmp_path / "run", plan(validate_every=50), name="resflamingo", owner=owner)
    message = str(raised.value)
    assert "the loss is nan at step 3" in message
    assert ", ".join(seen[3]) in message
    last = tmp_path / "run/states/step-00000002"
    assert str(last) in message
    weights = load_file(last / "model.safetensors")
    assert all(bool(tensor.isfinite().all()) for tensor in weights.values())
    assert len(lines(tmp_path / "run")) == 3
    assert not (tmp_path / "run/training.json").exists()
    assert not (tmp_path / "run/config.json").exists()


def moved(owner, folder, **changes):
    """Names of the parameters that two steps changed."""
    before = {name: p.detach().clone() for name, p in owner.module.model.named_parameters()}
    start(folder, plan(steps=2, **changes), owner=owner)
    return {
        name
        for name, p in owner.module.model.named_parameters()
        if name not in before or not torch.equal(p, before[name])
    }


class TestParts:
    def test_the_vision_encoder_of_a_flamingo_learns_unless_it_is_frozen(self, tmp_path):
        names = moved(learner("resflamingo"), tmp_path / "all")
        assert "vision_encoder.conv1.weight" in names
        assert "vision_encoder.positional_embedding" in names
        AcceleratorState._reset_state(True)
        names = moved(learner("resflamingo"), tmp_path / "some", frozen=("vision_encoder",))
        assert {name.split(".")[0] for name in names} == {"perceiver", "lang_encoder"}

    def test_frozen_parts_of_a_hugging_face_model_stay(self, tmp_path):
        frozen = ("model.vision_tower", "model.language_model.layers.0")
        names = moved(learner("llava"), tmp_path, frozen=frozen)
        assert names
        assert not any(name.startswith(frozen) for name in names)

    def test_a_name_that_fits_nothing_is_refused_with_those_that_do(self, tmp_path):
        with pytest.raises(UsageError, match="'vision'; did you mean 'vision_encoder'"):
            moved(learner("resflamingo"), tmp_path, frozen=("vision",))

    def test_everything_frozen_is_refused(self, tmp_path):
        with pytest.raises(UsageError, match="nothing is left to train"):
            moved(learner("llava"), tmp_path, frozen=("model", "lm_head"))


@pytest.mark.parametrize("name", ["llava", "qwen2_vl", "resflamingo"])
def test_adapters_alone_move_and_the_folder_holds_them_merged(name, tmp_path):
    owner = learner(name)
    chosen = plan(
        steps=3, lora=Lora(rank=2, alpha=8), frozen=(), validate_every=3, low=28, native=28,
        strategy="native", optimisation=Stage(steps=3, batch=4, rate=0.1, warmup=1),
    )  # fmt: skip
    before = {n: p.detach().clone() for n, p in owner.module.model.named_parameters()}
    start(tmp_path / "run", chosen, owner=owner, name=name)
    after = dict(owner.module.model.named_parameters())
    assert any(".lora_A." in n for n in after)
    for n, tensor in before.items():
        kept = after.get(n, after.get(n.replace(".weight", ".base_layer.weight")))
        kept = after[n.replace(".bias", ".base_layer.bias")] if kept is None else kept
        assert torch.equal(kept, tensor), n
    loaded = load_learner(owner.adapter, {"pretrained": str(tmp_path / "run")})
    assert not any("lora" in n for n, _ in loaded.module.model.named_parameters())
    samples = Halves().samples("train")[:2]
    grid = owner.grid(Size(28, 28))
    pixels = torch.randint(0, 256, (2, 3, grid.height, grid.width), dtype=torch.uint8)
    drawn = ImageBatch(28, grid, samples, pixels)
    found = []
    for one in (owner, loaded):
        one.module.eval()
        batch = one.batch(drawn)
        with torch.no_grad(), one.prepared(drawn):
            found.append(one.module(batch.inputs, batch.labels.shape[1])[0])
    assert torch.allclose(found[0], found[1], atol=1e-4)
    changed = [
        n for n, p in loaded.module.model.named_parameters() if not torch.equal(p, before[n])
    ]
    assert changed, "the adapters were merged"


def gradients(owner, tmp_path, **changes):
    """Of the first step, by name."""
    kept = {}

    class SeenError(Exception):
        """Stops after the first backward."""

    from resolution_eval.training.loop import Trainer

    original = Trainer._clipped

    def noted(self, step, shares):
        if self.accelerator.sync_gradients:
            kept.update({n: p.grad for n, p in owner.module.model.named_parameters()})
            raise SeenError
        return original(self, step, shares)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SeenError):
        patch.setattr(Trainer, "_clipped", noted)
        start(tmp_path, plan(**changes), owner=owner)
    AcceleratorState._reset_state(True)
    return {name: gradient for name, gradient in kept.items() if gradient is not None}


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl", "internvl", "smolvlm", "resflamingo"])
def test_recomputed_activations_give_the_same_gradients(name, tmp_path):
    options = {"strategy": "low", "low": 56, "native": 56}
    kept = gradients(learner(name), tmp_path / "kept", **options)
    again = gradients(learner(name), tmp_path / "again", checkpointing=True, **options)
    assert kept.keys() == again.keys()
    for parameter, gradient in kept.items():
        assert torch.allclose(gradient, again[parameter], rtol=1e-4, atol=1e-6), parameter


def test_accumulated_batches_weigh_by_their_tokens(tmp_path):
    """Two batches in one step give the gradient of the mean over the tokens of both."""
    from resolution_eval.training.batches import draw_share
    from resolution_eval.training.learner import IGNORED, answer_loss
    from resolution_eval.training.pool import open_pool

    source = Halves(tall=3)  # groups of 3 and 21, so that batches differ in size
    chosen = plan(accumulate=3, optimisation=Stage(steps=2, batch=6))
    found = gradients(
        learner("resflamingo"), tmp_path, accumulate=3, optimisation=chosen.optimisation
    )
    del source
    owner = learner("resflamingo")
    owner.module.train()
    pool = open_pool(Halves(), "train", owner.grid, filter="bicubic", progress=False)
    shares = [draw_share(chosen, pool, (0, place), 0, 1) for place in range(3)]
    batches = [owner.batch(share.drawn) for share in shares]
    tokens = sum(int((batch.labels != IGNORED).sum()) for batch in batches)
    for batch in batches:
        logits, _ = owner.module(batch.inputs, batch.labels.shape[1])
        (answer_loss(logits, batch.labels) / tokens).backward()
    for parameter, tensor in owner.module.model.named_parameters():
        if tensor.grad is not None:
            assert torch.allclose(found[parameter], tensor.grad, rtol=1e-4, atol=1e-6), parameter


def test_an_encoder_that_receives_another_grid_is_not_trained(tmp_path, monkeypatch):
    from resolution_eval.models.families.parts import ProcessorSettings

    owner = learner("llava")
    monkeypatch.setattr(type(owner.family), "settings", lambda *_: ProcessorSettings())
    with pytest.raises(ModelError, match="should receive 14x14, but received"):
        start(tmp_path, plan(strategy="low"), owner=owner)


def test_a_flamingos_folder_loads_and_declares(tmp_path):
    told = start(tmp_path / "run", plan(strategy="low", low=16), name="resflamingo")
    loaded = load_folder(tmp_path / "run")
    assert (str(loaded.training), loaded.strategy) == ("fixed:16", "low")
    assert loaded.extra == told.extra
    assert f"fingerprint {'f' * 64}" in str(told.known.data)
    assert told.extra["cost"]["resolutions"]["16"]["grids"] == [[8, 24]]


def test_half_precision_arithmetic_is_close_and_not_the_same(tmp_path):
    start(tmp_path / "full", plan(steps=2), name="llava")
    AcceleratorState._reset_state(True)
    start(tmp_path / "half", plan(steps=2, precision="bf16"), name="llava")
    full, half = losses(tmp_path / "full"), losses(tmp_path / "half")
    assert full != half
    assert half == pytest.approx(full, rel=0.05)
