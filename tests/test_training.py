"""Training: what is learned, from which tokens, at which resolution, and when it stops."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from tiny_flamingo import tiny

from resolution_eval.cards import task_cards
from resolution_eval.errors import DataError, ImageError
from resolution_eval.flamingo import build, encode, load_folder, loglikelihood, pad
from resolution_eval.resolution import Size
from resolution_eval.sources import Sample
from resolution_eval.training import (
    Architecture,
    Augmentation,
    Stage,
    TrainingError,
    TrainingPlan,
    train,
)
from resolution_eval.training.answers import (
    IGNORED,
    accuracy,
    answer_loss,
    labels,
    prompt,
    sequence,
)
from resolution_eval.training.examples import (
    augment,
    count,
    draw_batch,
    in_order,
    largest_grid,
    load,
    normalise,
)
from resolution_eval.training.run import untrained
from resolution_eval.training.stages import (
    Average,
    _batches,
    join_language,
    rate,
    teach_encoder,
)
from resolution_eval.training.tokenizer import learn_tokenizer

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


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


class Halves:
    """A data set in memory: 24 x 16 px, one half bright; some images may be tall, or broken."""

    name, revision, fingerprint, excluded = "local", "1", "f" * 64, ()

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
    return TrainingPlan(**{**given, **changes})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    return train(small_plan(), Halves(), folder / "native", progress=False)


class TestTrain:
    def test_a_hundred_steps_learn_an_easy_task(self, trained):
        assert trained.accuracy["test"]["native"] >= 0.9
        assert trained.samples == {"train": 40, "val": 8, "test": 16}

    def test_the_folder_loads_to_the_same_answers_and_says_how_it_was_trained(self, trained):
        loaded = load_folder(trained.folder)
        examples = load(Halves(), "test", ["native"], patch=8, filter="bicubic", progress=False)[
            "native"
        ]
        assert accuracy(loaded, examples) == trained.accuracy["test"]["native"]
        assert str(loaded.training) == "native"
        assert loaded.strategy == "native"
        assert loaded.extra["data"]["fingerprint"] == "f" * 64
        assert TrainingPlan.model_validate(loaded.extra["recipe"]) == small_plan()
        assert loaded.extra["samples_per_second"] > 0
        assert {"torch", "transformers"} <= set(loaded.extra["versions"])

    def test_one_seed_gives_one_checkpoint_and_another_seed_another(self, trained, tmp_path):
        again = train(small_plan(), Halves(), tmp_path / "again", progress=False)
        few = Stage(steps=2, batch=8)
        plan = small_plan(seed=1, encoder=few, joint=few)
        other = train(plan, Halves(), tmp_path / "other", progress=False)
        weights = [
            (summary.folder / "model.safetensors").read_bytes()
            for summary in (trained, again, other)
        ]
        assert weights[0] == weights[1]
        assert weights[0] != weights[2]

    def test_weights_stored_in_half_precision_are_scored_as_stored(self, tmp_path):
        plan = small_plan(stored="float16", joint=Stage(steps=5, batch=8))
        summary = train(plan, Halves(), tmp_path / "half", progress=False)
        stored = load_folder(summary.folder).model.state_dict()
        for name, tensor in summary.bundle.model.state_dict().items():
            assert torch.equal(tensor, stored[name]), name

    def test_the_position_table_has_the_training_grid(self, trained):
        assert tuple(trained.bundle.model.vision_encoder.grid_size) == (2, 3)

    def test_the_configuration_is_json_that_ends_in_a_newline(self, trained):
        text = (trained.folder / "config.json").read_text()
        assert json.loads(text)["strategy"] == "native"
        assert text.endswith("}\n")


class TestSpan:
    """The loss covers the answer's tokens and no other."""

    @pytest.fixture(params=["phantom", "pbc", "pathmnist"])
    def samples(self, request):
        card = task_cards()[request.param]
        return [Sample(c, c, card.question, c, card.classes, c, "train") for c in card.classes[1:4]]

    @pytest.fixture
    def bundle(self, samples):
        tokenizer = learn_tokenizer([prompt(samples[0])], 300)
        return build(SMALL.config(Size(16, 16)), tokenizer)

    def test_the_marked_tokens_spell_the_answer_and_its_end(self, bundle, samples):
        sequences = [sequence(bundle, sample) for sample in samples]
        ids = pad(bundle, [joined.ids for joined in sequences], "right").ids
        for row, sample in zip(labels(sequences, ids), samples, strict=True):
            marked = row[row != IGNORED]
            assert bundle.tokenizer.decode(marked) == f" {sample.answer}<|endofchunk|>"

    def test_the_unmarked_tokens_spell_the_prompt(self, bundle, samples):
        sequences = [sequence(bundle, sample) for sample in samples]
        batch = pad(bundle, [joined.ids for joined in sequences], "right")
        marked = labels(sequences, batch.ids)
        for row in range(len(samples)):
            left = batch.ids[row][(marked[row] == IGNORED) & (batch.mask[row] == 1)]
            assert bundle.tokenizer.decode(left) == prompt(samples[row])

    def test_the_loss_is_the_mean_negative_log_likelihood_of_the_answers_tokens(
        self, bundle, samples
    ):
        pixels = torch.randn(len(samples), 3, 16, 16, generator=torch.Generator().manual_seed(3))
        encoded = encode(bundle, pixels)
        answers = [f" {sample.answer}<|endofchunk|>" for sample in samples]
        scores = loglikelihood(bundle, encoded, [prompt(sample) for sample in samples], answers)
        tokens = sum(
            len(joined.ids) - joined.start
            for joined in (sequence(bundle, sample) for sample in samples)
        )
        expected = -sum(score for score, _ in scores) / tokens
        loss = answer_loss(bundle, encoded, samples).item()
        assert loss == pytest.approx(expected, abs=1e-4)


class TestStages:
    def bundle_and_data(self, plan):
        data = load(Halves(), "train", plan.resolutions, patch=8, filter="bicubic", progress=False)
        tokenizer = learn_tokenizer([prompt(Halves().samples("train")[0])], 300)
        return build(plan.architecture.config(largest_grid(data)), tokenizer), data

    def test_the_first_stage_lowers_its_loss(self):
        plan = small_plan()
        bundle, data = self.bundle_and_data(plan)
        values = teach_encoder(bundle, plan, data, progress=False).values
        assert len(values) == 20
        assert np.mean(values[-5:]) < 0.5 * np.mean(values[:3])

    def test_frozen_parts_stay_and_the_others_move(self):
        plan = small_plan(joint=Stage(steps=3, batch=4), frozen=("vision_encoder", "perceiver"))
        bundle, data = self.bundle_and_data(plan)
        before = {name: p.detach().clone() for name, p in bundle.model.named_parameters()}
        join_language(bundle, plan, data, progress=False)
        moved = {
            name.split(".")[0]
            for name, p in bundle.model.named_parameters()
            if not torch.equal(p, before[name])
        }
        assert moved == {"lang_encoder"}

    def test_without_frozen_parts_the_answers_teach_the_vision_encoder_too(self):
        # the gates of the cross-attention begin at 0: the first step cannot reach the encoder
        plan = small_plan(joint=Stage(steps=3, batch=4, weight_decay=0), frozen=())
        bundle, data = self.bundle_and_data(plan)
        before = bundle.model.vision_encoder.positional_embedding.detach().clone()
        join_language(bundle, plan, data, progress=False)
        assert not torch.equal(bundle.model.vision_encoder.positional_embedding, before)

    @pytest.mark.parametrize("stage", [teach_encoder, join_language])
    def test_a_loss_that_is_no_number_stops_with_step_and_samples(self, stage):
        plan = small_plan()
        bundle, data = self.bundle_and_data(plan)
        with torch.no_grad():
            bundle.model.vision_encoder.conv1.weight[5, 1, 2, 3] = float("nan")
        with pytest.raises(TrainingError, match=r"nan at step 0 .*train/[0-9]+, train/"):
            stage(bundle, plan, data, progress=False)

    def test_mixed_batches_have_one_grid_each_and_follow_the_weights(self):
        plan = small_plan(strategy="mixed", mix=((8, 0.25), ("native", 0.75)))
        _, data = self.bundle_and_data(plan)
        draw = _batches(plan, data, stage=1)
        grids = [tuple(draw(3).pixels.shape[2:]) for _ in range(400)]
        assert set(grids) == {(8, 8), (16, 24)}
        assert grids.count((16, 24)) / 400 == pytest.approx(0.75, abs=0.08)

    def test_the_rate_rises_to_the_largest_and_falls_to_nearly_nothing(self):
        stage = Stage(steps=100, warmup=10)
        values = [rate(stage, step) for step in range(100)]
        assert values.index(max(values)) in (9, 10)
        assert max(values) == 1.0
        assert values[-1] < 0.001
        assert values[10:] == sorted(values[10:], reverse=True)


class TestExamples:
    def read(self, source, resolution, **options):
        found = load(
            source, "train", [resolution], patch=8, filter="bicubic", progress=False, **options
        )
        return found[resolution]

    def test_pixels_are_what_the_adapter_would_hand_over(self):
        (group,) = self.read(Halves(), 13)
        bundle = tiny()
        place = 7
        image = Image.open(BytesIO(Halves().read(group.samples[place].image)))
        # a budget of 13 px is 16 x 10 in the source's 3:2, and 16 x 8 in whole patches
        rendered = image.resize((16, 10), Image.Resampling.BICUBIC)
        rendered = rendered.resize((16, 8), Image.Resampling.BICUBIC)
        array = np.asarray(rendered, dtype=np.float32) / 255
        expected = (array - np.array(bundle.config.mean)) / np.array(bundle.config.std)
        found = normalise(group.pixels, bundle.config)[place]
        assert np.allclose(found.permute(1, 2, 0).numpy(), expected, atol=1e-6)

    def test_images_of_two_shapes_are_two_groups_and_no_batch_mixes_them(self):
        groups = self.read(Halves(tall=10), "native")
        assert {group.grid: len(group) for group in groups} == {
            Size(24, 32): 10,
            Size(24, 16): 30,
        }
        random = torch.Generator().manual_seed(0)
        drawn = [draw_batch(groups, 4, random).pixels.shape[2] for _ in range(300)]
        assert drawn.count(32) / 300 == pytest.approx(10 / 40, abs=0.08)
        assert sum(len(batch.samples) for batch in in_order(groups, 7)) == 40

    def test_a_broken_image_is_left_out(self):
        groups = self.read(Halves(broken=("train/3", "train/8")), "native")
        assert count(groups) == 38
        assert "train/3" not in {sample.id for group in groups for sample in group.samples}

    def test_a_split_of_broken_images_is_an_error(self):
        everything = tuple(f"train/{number}" for number in range(40))
        with pytest.raises(DataError, match="none of the 40 images of the train split"):
            self.read(Halves(broken=everything), "native")

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
        average = Average([weight], 0.5)
        expected = 8.0
        for step, value in enumerate((4.0, 2.0, 6.0)):
            weight.data.fill_(value)
            average.add(step)
            decay = (1 + step) / (10 + step)  # less than 0.5 until step 8
            expected = decay * expected + (1 - decay) * value
        assert weight.item() == 6.0
        average.put()
        assert weight.item() == pytest.approx(expected)
        weight.data.fill_(1.0)
        average.add(90)
        average.put()
        assert weight.item() == pytest.approx((expected + 1) / 2)

    def test_training_with_an_average_leaves_other_weights_than_without(self, tmp_path):
        few = Stage(steps=6, batch=8, rate=5e-3, warmup=1)
        made = {
            average: train(
                small_plan(encoder=few, joint=few, average=average),
                Halves(), tmp_path / str(average), progress=False,
            ).bundle.model.vision_encoder.conv1.weight
            for average in (0.0, 0.9)
        }  # fmt: skip
        assert not torch.equal(made[0.0], made[0.9])

    def test_one_kernel_for_all_parameters_learns_the_same(self):
        weights = []
        for fused in (False, True):
            plan = small_plan(encoder=Stage(steps=6, batch=8, warmup=2), fused=fused)
            data = load(Halves(), "train", ["native"], patch=8, filter="bicubic", progress=False)
            bundle = untrained(plan, Halves(), data)
            teach_encoder(bundle, plan, data, progress=False)
            weights.append(bundle.model.vision_encoder.conv1.weight)
        assert torch.allclose(*weights, atol=1e-4)


class TestPlan:
    @pytest.mark.parametrize(
        ("changes", "declared"),
        [
            ({"strategy": "native"}, "native"),
            ({"strategy": "native", "native": 64}, "fixed:64"),
            ({"strategy": "low", "low": 16}, "fixed:16"),
            ({"strategy": "mixed", "low": 16, "native": 64}, "mixed:[16,64]"),
            ({"strategy": "mixed", "mix": (("native", 0.5), (24, 0.3), (8, 0.2))},
             "mixed:[8,24,native]"),
        ],
    )  # fmt: skip
    def test_the_declaration_names_what_was_trained_at(self, changes, declared):
        assert str(small_plan(**changes).declaration) == declared

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"strategy": "low", "mix": ((8, 0.5), (16, 0.5))}, "mix belongs to"),
            ({"strategy": "mixed", "native": 8}, "named twice"),
            ({"strategy": "mixed", "mix": ((8, 1.0),)}, "two or more"),
            ({"strategy": "mixed", "mix": ((8, 0.0), (16, 1.0))}, "greater than 0"),
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
