"""Training: what is learned, from which tokens, at which resolution, and when it stops."""

from __future__ import annotations

import json
from functools import partial
from io import BytesIO

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file
from tiny_flamingo import tiny

from resolution_eval.data.sources import Sample
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.models.flamingo import load_folder
from resolution_eval.models.flamingo.vision import normalise
from resolution_eval.resolution import Size, patch_size_fit
from resolution_eval.training import Architecture, Augmentation, Stage, TrainingError, TrainingPlan
from resolution_eval.training import training_run as runs
from resolution_eval.training.augmentation import augment
from resolution_eval.training.batches import draw_share
from resolution_eval.training.choice_accuracy import accuracy
from resolution_eval.training.optimisation import Average, rate
from resolution_eval.training.pool import open_pool
from resolution_eval.training.small_flamingo import in_two_stages, pools_of, save_untrained, train
from resolution_eval.training.small_models import learn_tokenizer
from resolution_eval.training.start import small_flamingo

SIZES = {"train": 40, "val": 8, "test": 16}
CHOICES = ("left bright", "right bright")
SMALL = Architecture(
    patch=8,
    vision_width=32,
    vision_layers=1,
    vision_heads=2,
    language_width=32,
    language_layers=2,
    language_heads=2,
    perceiver_heads=2,
    perceiver_head_width=16,
    perceiver_latents=4,
    vocabulary=300,
)


pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    AcceleratorState._reset_state(True)


class Halves:
    """A data set in memory: 24 x 16 px, one half bright; some images may be tall, or broken."""

    name, revision, fingerprint, excluded, notes = "local", "1", "f" * 64, (), ()

    def __init__(self, *, tall=0, broken=()):
        self._tall, self._broken = tall, broken

    def samples(self, split="test"):
        ids = [f"{split}/{number}" for number in range(SIZES[split])]
        return tuple(
            Sample(name, name, "Which half?", CHOICES[i % 2], CHOICES, name, split)
            for i, name in enumerate(ids)
        )

    def read(self, locator):
        if locator in self._broken:
            raise ImageError(f"{locator} is broken")
        split, number = locator.split("/")
        random = np.random.RandomState(int(number) + 1000 * len(split))
        pixels = random.randint(0, 90, (16, 24, 3))
        half = slice(0, 12) if int(number) % 2 == 0 else slice(12, 24)
        pixels[:, half] += 120
        if int(number) < self._tall:
            pixels = np.concatenate([pixels, pixels])
        buffer = BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
        return buffer.getvalue()


def small_plan(**changes):
    given = {
        "strategy": "native",
        "low": 8,
        "architecture": SMALL,
        "encoder": Stage(steps=20, batch=8, rate=5e-3, warmup=4),
        "joint": Stage(steps=80, batch=8, rate=5e-3, warmup=4),
    }
    return in_two_stages(**{**given, **changes})


def pool(source, split="train", *, limit=None):
    grid_of = partial(patch_size_fit, patch=8)
    return open_pool(source, split, grid_of, filter="bicubic", limit=limit, progress=False)


def weights(folder):
    return load_file(folder / "model.safetensors")


def lines(folder):
    return [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.set_num_threads(1)
    AcceleratorState._reset_state(True)
    folder = tmp_path_factory.mktemp("trained") / "native"
    return train(small_plan(), Halves(), folder, progress=False), folder


class TestTrain:
    def test_a_hundred_steps_learn_an_easy_task(self, trained):
        told, folder = trained
        test = pool(Halves(), "test")
        assert accuracy(load_folder(folder), test, "native") >= 0.9
        assert told.extra["validation"]["native"]["n"] == 8
        assert (told.extra["data"]["train"], len(test.samples)) == (40, 16)

    def test_the_folder_loads_and_says_how_it_was_trained(self, trained):
        told, folder = trained
        loaded = load_folder(folder)
        assert (str(loaded.training), loaded.strategy) == ("native", "native")
        assert loaded.extra == told.extra
        assert loaded.extra["data"]["fingerprint"] == "f" * 64
        assert TrainingPlan.model_validate({**loaded.extra["recipe"], "mix": ""}) == small_plan()
        assert loaded.extra["samples_per_second"] > 0
        assert {"torch", "transformers", "open-clip-torch"} <= set(loaded.extra["versions"])

    def test_one_seed_gives_one_checkpoint_and_another_seed_another(self, trained, tmp_path):
        train(small_plan(), Halves(), tmp_path / "again", progress=False)
        few = Stage(steps=2, batch=8)
        plan = small_plan(seed=1, encoder=few, joint=few)
        AcceleratorState._reset_state(True)
        train(plan, Halves(), tmp_path / "other", progress=False)
        folders = (trained[1], tmp_path / "again", tmp_path / "other")
        found = [(folder / "model.safetensors").read_bytes() for folder in folders]
        assert found[0] == found[1]
        assert found[0] != found[2]

    def test_weights_are_stored_in_half_precision_where_the_plan_says_so(self, tmp_path):
        plan = small_plan(stored="float16", joint=Stage(steps=5, batch=8))
        train(plan, Halves(), tmp_path / "half", progress=False)
        assert {tensor.dtype for tensor in weights(tmp_path / "half").values()} == {torch.float16}

    def test_the_position_table_has_the_training_grid(self, trained):
        assert tuple(load_folder(trained[1]).model.vision_encoder.grid_size) == (2, 3)

    def test_the_configuration_is_json_that_ends_in_a_newline(self, trained):
        text = (trained[1] / "config.json").read_text()
        assert json.loads(text)["strategy"] == "native"
        assert text.endswith("}\n")

    def test_an_untrained_one_is_what_the_plan_starts_from(self, tmp_path):
        save_untrained(small_plan(), Halves(), tmp_path / "none")
        first = small_flamingo(small_plan(), pools_of(Halves(), small_plan()))
        own = dict(first.model.named_parameters())
        for name, tensor in weights(tmp_path / "none").items():
            assert torch.equal(tensor, own[name]), name
        assert str(load_folder(tmp_path / "none").training) == "unknown"


class EnoughError(Exception):
    """Stops a run as a kill would: nothing of it is written after."""


class TestStages:
    """The encoder learns with a head, then rests; each stage has its own rate and average."""

    def test_the_head_learns_first_and_its_loss_falls(self, trained):
        rows = lines(trained[1])
        heads = [row["head_loss"] for row in rows[:20]]
        assert np.mean(heads[-5:]) < 0.5 * np.mean(heads[:3])
        assert not any("loss" in row for row in rows[:20])
        assert all("loss" in row for row in rows[20:])

    def test_each_stage_warms_up_and_cools_down(self, trained):
        rates = [row["rate"] for row in lines(trained[1])]
        for part in (rates[:20], rates[20:]):
            assert part.index(max(part)) in (3, 4) and max(part) == 5e-3
            assert part[-1] < 0.1 * max(part)

    def test_the_encoder_moves_in_the_first_stage_alone_and_the_rest_in_the_second(self, tmp_path):
        few = Stage(steps=4, batch=4, warmup=1)
        start = dict(small_flamingo(small_plan(), pools_of(Halves(), small_plan())).model
                     .named_parameters())  # fmt: skip
        short = small_plan(encoder=few, joint=few.model_copy(update={"steps": 1}))
        long = small_plan(encoder=few, joint=few.model_copy(update={"steps": 3}))
        train(short, Halves(), tmp_path / "short", progress=False)
        AcceleratorState._reset_state(True)
        train(long, Halves(), tmp_path / "long", progress=False)
        one, more = weights(tmp_path / "short"), weights(tmp_path / "long")
        vision = [name for name in one if name.startswith("vision_encoder.")]
        assert any(not torch.equal(one[name], start[name]) for name in vision)
        assert all(torch.equal(one[name], more[name]) for name in vision)
        others = {name.split(".")[0] for name in one if not torch.equal(one[name], more[name])}
        assert others == {"perceiver", "lang_encoder"}

    def test_without_a_head_the_answers_teach_the_vision_encoder_too(self, tmp_path):
        # the gates of the cross-attention begin at 0: the first step cannot reach the encoder
        plan = small_plan(encoder=None, joint=Stage(steps=3, batch=4, weight_decay=0))
        train(plan, Halves(), tmp_path / "run", progress=False)
        first = small_flamingo(plan, pools_of(Halves(), plan)).model
        table = weights(tmp_path / "run")["vision_encoder.positional_embedding"]
        assert not torch.equal(table, first.vision_encoder.positional_embedding)

    def test_a_head_beside_the_answers_teaches_the_encoder_that_does_not_rest(self, tmp_path):
        few = Stage(steps=2, batch=4, warmup=1)
        plan = small_plan(encoder=few, joint=few)
        learning = plan.teaching.model_copy(update={"weight": 1.0, "rests": ()})
        train(plan.model_copy(update={"teaching": learning}), Halves(), tmp_path, progress=False)
        rows = lines(tmp_path)
        assert all(row["head_loss"] > 0 for row in rows)
        assert rows[3]["loss"] > 0

    def test_a_loss_that_is_no_number_stops_with_step_and_samples(self, tmp_path, monkeypatch):
        def poisoned(plan, pools):
            learner = small_flamingo(plan, pools)
            with torch.no_grad():
                learner.model.vision_encoder.conv1.weight[5, 1, 2, 3] = float("nan")
            return learner

        monkeypatch.setattr("resolution_eval.training.small_flamingo.small_flamingo", poisoned)
        with pytest.raises(TrainingError, match=r"nan at step 0, .*train/[0-9]+, train/"):
            train(small_plan(), Halves(), tmp_path / "run", progress=False)

    @pytest.mark.parametrize("broken_at", [13, 21, 27])
    def test_a_run_that_broke_off_in_either_stage_ends_as_one_without_a_break(
        self, tmp_path, monkeypatch, broken_at
    ):
        few = Stage(steps=20, batch=4, rate=5e-3, warmup=4)
        plan = small_plan(
            encoder=few, joint=few.model_copy(update={"steps": 12}), average=0.9, fused=True,
            augmentation=Augmentation(flips=True, greyscale=0.2, shift=1),
        ).model_copy(update={"save_every": 5, "validate_every": 6})  # fmt: skip
        train(plan, Halves(), tmp_path / "whole", progress=False)
        AcceleratorState._reset_state(True)
        step = runs.Trainer.step

        def until(trainer, number, meter):
            if number == broken_at:
                raise EnoughError
            return step(trainer, number, meter)

        with monkeypatch.context() as patched:
            patched.setattr(runs.Trainer, "step", until)
            with pytest.raises(EnoughError):
                train(plan, Halves(), tmp_path / "broken", progress=False)
        assert not (tmp_path / "broken" / "config.json").exists()
        AcceleratorState._reset_state(True)
        train(plan, Halves(), tmp_path / "broken", progress=False)
        whole, broken = (tmp_path / name for name in ("whole", "broken"))
        for file in ("model.safetensors", "states/step-00000032/model.safetensors"):
            assert (whole / file).read_bytes() == (broken / file).read_bytes()
        timeless = {"seconds": 0, "processor_seconds": 0, "batches": 0}
        assert [r | timeless for r in lines(whole)] == [r | timeless for r in lines(broken)]

    def test_mixed_batches_have_one_grid_each_and_follow_the_weights(self):
        plan = small_plan(strategy="mixed", mix="8:0.25,native:0.75")
        rendered = pool(Halves())
        drawn = [draw_share(plan, rendered, (step, 0), 0, 1).drawn for step in range(400)]
        grids = [tuple(one.pixels.shape[2:]) for one in drawn]
        assert set(grids) == {(8, 8), (16, 24)}
        assert grids.count((16, 24)) / 400 == pytest.approx(0.75, abs=0.08)

    def test_every_stage_draws_batches_of_its_own_size(self):
        plan = small_plan(encoder=Stage(steps=2, batch=7), joint=Stage(steps=2, batch=3))
        sizes = [
            len(draw_share(plan, pool(Halves()), (step, 0), 0, 1).drawn.samples)
            for step in range(4)
        ]
        assert sizes == [7, 7, 3, 3]

    def test_the_rate_rises_to_the_largest_and_falls_to_nearly_nothing(self):
        stage = Stage(steps=100, warmup=10)
        values = [rate(stage, step) for step in range(100)]
        assert values.index(max(values)) in (9, 10)
        assert max(values) == 1.0
        assert values[-1] < 0.001
        assert values[10:] == sorted(values[10:], reverse=True)


class TestPool:
    def test_pixels_are_what_the_adapter_would_hand_over(self):
        drawn = pool(Halves()).take(13, Size(16, 8), range(40))
        bundle = tiny()
        place = 7
        image = Image.open(BytesIO(Halves().read(drawn.samples[place].image)))
        # a budget of 13 px is 16 x 10 in the source's 3:2, and 16 x 8 in whole patches
        rendered = image.resize((16, 10), Image.Resampling.BICUBIC)
        rendered = rendered.resize((16, 8), Image.Resampling.BICUBIC)
        array = np.asarray(rendered, dtype=np.float32) / 255
        expected = (array - np.array(bundle.config.mean)) / np.array(bundle.config.std)
        found = normalise(drawn.pixels, bundle.config)[place]
        assert np.allclose(found.permute(1, 2, 0).numpy(), expected, atol=1e-6)

    def test_images_of_two_shapes_are_two_groups_and_no_batch_mixes_them(self):
        mixed = pool(Halves(tall=10))
        groups = mixed.groups("native")
        assert {grid: len(places) for grid, places in groups.items()} == {
            Size(24, 32): 10,
            Size(24, 16): 30,
        }
        random = torch.Generator().manual_seed(0)
        drawn = [mixed.grid("native", mixed.draw("native", 4, random)[0]) for _ in range(300)]
        assert drawn.count(Size(24, 32)) / 300 == pytest.approx(10 / 40, abs=0.08)
        assert sum(len(places) for _, places in mixed.in_order("native", 7)) == 40

    def test_a_broken_image_is_left_out(self):
        found = pool(Halves(broken=("train/3", "train/8")))
        assert len(found.samples) == 38
        assert "train/3" not in {sample.id for sample in found.samples}

    def test_a_split_of_broken_images_is_an_error(self):
        everything = tuple(f"train/{number}" for number in range(40))
        with pytest.raises(DataError, match="none of the 40 images of the train split"):
            pool(Halves(broken=everything))

    def test_greyscale_makes_all_channels_alike_in_its_share_of_the_images(self):
        random = torch.Generator().manual_seed(0)
        pixels = torch.randint(0, 256, (200, 3, 4, 5), dtype=torch.uint8, generator=random)
        changed = augment(pixels, Augmentation(greyscale=0.3), random)
        grey = (changed == changed[:, :1]).flatten(1).all(1)
        assert float(grey.float().mean()) == pytest.approx(0.3, abs=0.1)
        assert torch.equal(changed[~grey], pixels[~grey])

    def test_flips_mirror_each_axis_of_some_images(self):
        random = torch.Generator().manual_seed(0)
        image = torch.arange(3 * 2 * 4, dtype=torch.uint8).view(1, 3, 2, 4)
        changed = augment(image.expand(64, -1, -1, -1), Augmentation(flips=True), random)
        seen = {bytes(one.numpy().tobytes()) for one in changed}
        wanted = [image, image.flip(3), image.flip(2), image.flip(2, 3)]
        assert seen == {bytes(one[0].contiguous().numpy().tobytes()) for one in wanted}

    def test_transposition_swaps_rows_and_columns_of_some_square_images(self):
        random = torch.Generator().manual_seed(0)
        image = torch.arange(3 * 4 * 4, dtype=torch.uint8).view(1, 3, 4, 4)
        changed = augment(image.expand(64, -1, -1, -1), Augmentation(transposition=True), random)
        turned = (changed == image.transpose(2, 3)).flatten(1).all(1)
        assert float(turned.float().mean()) == pytest.approx(0.5, abs=0.2)
        assert torch.equal(changed[~turned], image.expand(int((~turned).sum()), -1, -1, -1))

    def test_images_that_are_not_square_are_not_transposed(self):
        pixels = torch.zeros(2, 3, 2, 4, dtype=torch.uint8)
        with pytest.raises(ValueError, match="4x2 px"):
            augment(pixels, Augmentation(transposition=True), torch.Generator())


class TestAverage:
    def test_it_is_the_decayed_mean_of_the_steps_and_replaces_the_last_weights(self):
        weight = torch.nn.Parameter(torch.tensor([8.0]))
        average = Average(0.5)
        average.begin([weight])
        expected = 8.0
        for step, value in enumerate((4.0, 2.0, 6.0)):
            weight.data.fill_(value)
            average.add(step)
            decay = (1 + step) / (10 + step)  # less than 0.5 until step 8
            expected = decay * expected + (1 - decay) * value
        with average.applied():
            assert weight.item() == pytest.approx(expected)
        assert weight.item() == 6.0
        average.put()
        assert weight.item() == pytest.approx(expected)
        weight.data.fill_(1.0)
        average.add(90)
        average.put()
        assert weight.item() == pytest.approx((expected + 1) / 2)

    def test_training_with_an_average_leaves_other_weights_than_without(self, tmp_path):
        few = Stage(steps=6, batch=8, rate=5e-3, warmup=1)
        found = []
        for average in (0.0, 0.9):
            AcceleratorState._reset_state(True)
            plan = small_plan(encoder=few, joint=few, average=average)
            train(plan, Halves(), tmp_path / str(average), progress=False)
            found.append(weights(tmp_path / str(average))["vision_encoder.conv1.weight"])
        assert not torch.equal(*found)

    def test_one_kernel_for_all_parameters_learns_the_same(self, tmp_path):
        few, found = Stage(steps=6, batch=8, warmup=2), []
        for fused in (False, True):
            AcceleratorState._reset_state(True)
            plan = small_plan(encoder=few, joint=few, fused=fused)
            train(plan, Halves(), tmp_path / str(fused), progress=False)
            found.append(weights(tmp_path / str(fused))["vision_encoder.conv1.weight"])
        assert torch.allclose(*found, atol=1e-4)


class TestPlan:
    @pytest.mark.parametrize(
        ("changes", "declared"),
        [
            ({"strategy": "native"}, "native"),
            ({"strategy": "native", "native": 64}, "fixed:64"),
            ({"strategy": "low", "low": 16}, "fixed:16"),
            ({"strategy": "mixed", "low": 16, "native": 64}, "mixed:[16,64]"),
            ({"strategy": "mixed", "mix": "native:0.5,24:0.3,8:0.2"},
             "mixed:[8,24,native]"),
        ],
    )  # fmt: skip
    def test_the_declaration_names_what_was_trained_at(self, changes, declared):
        assert str(small_plan(**changes).declaration) == declared

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"strategy": "low", "mix": "8:0.5,16:0.5"}, "mix belongs to"),
            ({"strategy": "mixed", "mix": "8:1"}, "two or more"),
            ({"strategy": "mixed", "native": 8}, "each of its resolutions once"),
            ({"strategy": "mixed", "mix": "8:0,16:1"}, "a weight is a number above 0"),
            ({"strategy": "high"}, "native"),
        ],
    )
    def test_an_impossible_plan_is_refused(self, changes, message):
        with pytest.raises(ValidationError, match=message):
            small_plan(**changes)


class TestTokenizer:
    def test_text_that_it_never_saw_comes_back_whole(self):
        tokenizer = learn_tokenizer(["Which cell is this?\nA. monocyte"], 300)
        text = "Zellkern: größer als 5 µm?\n細胞 <b>"
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text

    def test_a_word_of_its_texts_is_one_token(self):
        texts = ["A striped ring is a ring", "Answer: striped ring"]
        tokenizer = learn_tokenizer(texts, 320)
        assert len(tokenizer(" striped ring")["input_ids"]) == 2
